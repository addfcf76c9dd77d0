"""Definition: a checked rule in both its forms, as it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.events import EVENT_TYPES
from engine.targeting.segment_json import parse_rule_json, rule_to_json
from engine.targeting.segment_text import parse_rule_text, rule_to_text
from engine.targeting.segments import Words, needs
from engine.targeting.traits import TRAITS

#: Predictions that training writes; one that was not trained yet is there for nobody.
PREDICTIONS = ("purchase", "churn", "category")


@dataclass(frozen=True, slots=True)
class Definition:
    """`rule` is its JSON; `uses` are the segments that it names. Equal rules have equal forms."""

    rule: Mapping[str, Any]
    text: str
    uses: tuple[str, ...] = ()


def words_of(own_event_types: Iterable[str]) -> Words:
    """What rules of a shop may name."""
    return Words(
        {each.name: each.kind for each in TRAITS},
        dict.fromkeys(PREDICTIONS, "number"),
        frozenset(EVENT_TYPES) | frozenset(own_event_types),
    )


def read_definition(given: Any, words: Words, field: str = "definition") -> Definition:
    """The rule that somebody says, a text as people write it, anything else as JSON. Raises BadInput with its place."""
    rule = parse_rule_text(given, words) if isinstance(given, str) else parse_rule_json(given, words, field=field)
    return Definition(rule_to_json(rule), rule_to_text(rule), tuple(sorted(needs(rule).segments)))
