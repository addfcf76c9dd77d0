"""Shapes of what is wished of a list: what OpenAPI is told; `engine.recommend.control` reads and refuses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from engine.expression import LONGEST_TEXT
from engine.recommend.control import MOST_RULES, NOTHING, Control, control_of
from engine.recommend.windows import WINDOWS

_NOTHING = {"fill": True}
#: Bytes; what is longer is read at each request: a cache of long texts would be a cache of megabytes.
_LONGEST_KEPT = 2_048

_TEXT: Any = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
CONDITION: Any = {"anyOf": [_TEXT, {"type": "object"}, {"type": "null"}], "examples": ['brand = "A" and price < 500']}
_NEEDED: Any = {"anyOf": [_TEXT, {"type": "object"}], "examples": ["attributes.new = true"]}
_MOMENT: Any = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
_WINDOW: Any = {"from": _MOMENT, "until": _MOMENT}
_SHARE: Any = {"type": "number", "minimum": 0, "maximum": 1}
_FACTOR: Any = {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000}, _TEXT]}
_FIELD = r"^(brand|category|attributes\..+)$"


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def _listed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "array", "maxItems": MOST_RULES, "items": _object(required, **properties, **_WINDOW)}


_BOOST: Any = _listed(["factor"], when=CONDITION, factor=_FACTOR)
_PIN: Any = _listed(
    ["item_id", "position"],
    item_id={"type": "string", "minLength": 1},
    position={"type": "integer", "minimum": 1, "maximum": 100},
)
_PROMOTE: Any = _listed(["filter", "share"], filter=_NEEDED, share=_SHARE)
_MAX: Any = {
    "type": "object",
    "maxProperties": 5,
    "propertyNames": {"pattern": _FIELD},
    "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 100},
}
_VARIETY: Any = _object([], mmr=_SHARE, max=_MAX)
_NULL: Any = {"type": "null"}
WINDOW_SCHEMA: Any = {"anyOf": [{"type": "string", "enum": list(WINDOWS)}, _NULL]}
WINDOW: Any = Field(None, description="Of what sells: within which days.", json_schema_extra=WINDOW_SCHEMA)
SEGMENT: Any = Field(
    None, min_length=1, max_length=200, description="Of what sells: to whose members, within `window` or 30 days."
)
BOOST: Any = {"anyOf": [_TEXT, _BOOST, _NULL], "examples": ["if margin / price > 0.3 then 1.5 else 1"]}


class Wishes(BaseModel):
    """The wishes of one request, or those that are saved for a placement."""

    model_config = ConfigDict(extra="forbid", strict=True)

    filter: Any = Field(
        None, description="What an item must fulfil, as a formula or as JSON.", json_schema_extra=CONDITION
    )
    hide: Any = Field(None, description="What is not shown, whatever else is wished.", json_schema_extra=CONDITION)
    boost: Any = Field(
        None,
        description="A formula of the factor on how much an item fits, or a list of factors with when they hold.",
        json_schema_extra=BOOST,
    )
    pin: Any = Field(
        None, description="Items at places of the list, from 1.", json_schema_extra={"anyOf": [_PIN, _NULL]}
    )
    promote: Any = Field(
        None,
        description="Shares of the places for what fulfils a filter.",
        json_schema_extra={"anyOf": [_PROMOTE, _NULL]},
    )
    diversity: Any = Field(
        None,
        description="How much variety counts, 0 to 1; or `mmr` and how many items of one brand, category or attribute.",
        json_schema_extra={"anyOf": [_SHARE, _VARIETY, _NULL]},
    )
    rotation: Any = Field(
        None,
        description="How much what this person was just served steps back, 0 to 1.",
        json_schema_extra={"anyOf": [_SHARE, _NULL]},
    )
    fill: bool = Field(True, description="Fill up with what stands in; false leaves a list short.")

    def control(self) -> Control:
        """Raises BadInput with field and place."""
        return read_once({name: getattr(self, name) for name in Wishes.model_fields})


def read_once(given: Mapping[str, Any]) -> Control:
    """What is wished, as `control_of` reads it: pages wish the same again and again, and few different things."""
    told = {name: each for name, each in given.items() if each is not None}
    if told == _NOTHING:
        return NOTHING
    try:
        raw = orjson.dumps(told)
    except TypeError:  # half a surrogate pair, or a number beyond 64 bits
        return control_of(told)
    return _read(raw) if len(raw) <= _LONGEST_KEPT else control_of(told)


@lru_cache(maxsize=512)
def _read(raw: bytes) -> Control:
    return control_of(orjson.loads(raw))


class Overruling(BaseModel):
    rule: str = Field(description="The wish that lost: pin, promote, diversity or filter.")
    by: str = Field(
        description="What won: unknown, unsellable, excluded, context, dismissed, hide, filter, pin or promote."
    )
    item_id: str | None = Field(description="Of which item, if of one.")
