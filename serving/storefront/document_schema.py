"""What items and users look like, for the API's documentation; the check itself is the engine's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from engine.events import LARGEST_AMOUNT, LONGEST_ID_BYTES
from engine.shop_documents import ID_FIELD, MOST_TEXTS, Kind
from serving.schemas import TEXT_PATTERN

MOST_DOCUMENTS = 1_000
_TEXT: dict[str, Any] = {"type": ["string", "null"], "maxLength": 4_000, "pattern": TEXT_PATTERN}
_ID: dict[str, Any] = {
    "type": ["string", "null"],
    "minLength": 1,
    "maxLength": LONGEST_ID_BYTES,
    "pattern": TEXT_PATTERN,
}
_TEXTS: dict[str, Any] = {
    "type": ["array", "null"],
    "maxItems": MOST_TEXTS,
    "items": {"type": "string", "maxLength": 4_000, "pattern": TEXT_PATTERN},
}
_MONEY: dict[str, Any] = {
    "type": ["integer", "null"],
    "minimum": 0,
    "maximum": LARGEST_AMOUNT,
    "description": "Minor units of the shop's currency.",
}
_TIME: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_MONTH_AND_DAY = (
    "^--((01|03|05|07|08|10|12)-(0[1-9]|[12][0-9]|3[01])|(04|06|09|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))$"
)


def _json(depth: int) -> dict[str, Any]:
    """A JSON value as deep as a schema without recursion says; deeper ones are taken too, up to 8."""
    if not depth:
        return {}
    plain = [{"type": "string", "maxLength": 4_000, "pattern": TEXT_PATTERN}, {"type": ["boolean", "null"]}]
    return {"anyOf": [*plain, {"type": "number"}, {"type": "array", "items": _json(depth - 1)}, _object(depth - 1)]}


def _object(depth: int) -> dict[str, Any]:
    names = {"maxLength": 4_000, "pattern": TEXT_PATTERN}
    return {"type": "object", "propertyNames": names, "additionalProperties": _json(depth)}


_ATTRIBUTES: dict[str, Any] = {
    "anyOf": [_object(2), {"type": "null"}],
    "description": "Whatever the shop wants to keep: JSON up to 8 deep.",
}
_SHAPES: Mapping[Kind, dict[str, Any]] = {
    "items": {
        "parent_id": _ID | {"description": "The product that this is a variant of."},
        "name": _TEXT,
        "description": _TEXT,
        "brand": _TEXT,
        "categories": _TEXTS | {"description": "From general to specific."},
        "tags": _TEXTS,
        "price": _MONEY,
        "list_price": _MONEY,
        "cost": _MONEY,
        "currency": {"type": ["string", "null"], "pattern": "^[A-Z]{3}$", "description": "ISO 4217."},
        "stock": {"type": ["integer", "null"], "minimum": 0, "maximum": 2**53, "description": "Null: not counted."},
        "available": {"type": ["boolean", "null"]},
        "available_from": _TIME,
        "available_until": _TIME,
        "url": _TEXT,
        "image_url": _TEXT,
        "attributes": _ATTRIBUTES,
    },
    "users": {
        "region": _TEXT,
        "zone": {"enum": [*sorted(available_timezones()), None], "description": "IANA time zone."},
        "gender": _TEXT,
        "age_band": _TEXT,
        "birthday": {
            "anyOf": [
                {"type": "null"},
                {"type": "string", "format": "date"},
                {"type": "string", "pattern": _MONTH_AND_DAY},
            ],
            "description": "YYYY-MM-DD, or --MM-DD where the year is not known.",
        },
        "attributes": _ATTRIBUTES,
    },
}


def document_body(kind: Kind) -> dict[str, Any]:
    """The body of a PUT or PATCH."""
    return _body({"type": "object", "additionalProperties": False, "properties": _SHAPES[kind]})


def bulk_body(kind: Kind) -> dict[str, Any]:
    listed = {
        "type": "array",
        "maxItems": MOST_DOCUMENTS,
        # The shape of each is judged one by one, so that a bad one does not cost the others.
        "items": {"description": f"A document with its {ID_FIELD[kind]}, in the form of a PUT; others are rejected."},
    }
    mode = {"type": "string", "enum": ["replace", "merge"], "default": "replace"}
    return _body(
        {
            "type": "object",
            "required": [kind],
            "additionalProperties": False,
            "properties": {kind: listed, "mode": mode},
        }
    )


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
