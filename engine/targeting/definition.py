"""Definition: a checked rule in both its forms, as it is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput


@dataclass(frozen=True, slots=True)
class Definition:
    """`rule` is its JSON; `uses` are the segments that it names. Equal rules have equal forms."""

    rule: Mapping[str, Any]
    text: str
    uses: tuple[str, ...] = ()


def read_definition(given: Any, field: str) -> Definition:
    """The rule that somebody says as JSON or as text. Raises BadInput with its place."""
    if type(given) is not dict:
        raise BadInput(f"{field}: must be an object", field=field)
    uses = []
    waiting = [given]
    while waiting:
        part = waiting.pop()
        if type(part) is list:
            waiting += part
        elif type(part) is dict:
            if type(part.get("segment")) is str:
                uses.append(part["segment"])
            waiting += part.values()
    return Definition(given, json.dumps(given), tuple(sorted(set(uses))))
