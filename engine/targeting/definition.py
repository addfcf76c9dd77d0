"""Definition: a checked rule in both its forms, as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.targeting.segment_json import rule_to_json
from engine.targeting.segment_text import parse_rule, rule_to_text
from engine.targeting.segments import Words, needs


@dataclass(frozen=True, slots=True)
class Definition:
    """`rule` is its JSON; `uses` are the segments that it names. Equal rules have equal forms."""

    rule: Mapping[str, Any]
    text: str
    uses: tuple[str, ...] = ()


def read_definition(given: Any, words: Words, field: str = "definition") -> Definition:
    """The rule that somebody says, a text as people write it, anything else as JSON. Raises BadInput with its place."""
    rule = parse_rule(given, words, field=field)
    return Definition(rule_to_json(rule), rule_to_text(rule), tuple(sorted(needs(rule).segments)))
