"""What an event looks like, for the API's documentation; the check itself is the engine's."""

from __future__ import annotations

from typing import Any

from engine.event_properties import COMMON, OF_TYPE
from engine.events import EVENT_TYPES, TRAFFIC_SOURCES
from serving.actions.take_events import MOST_EVENTS

_ID: dict[str, Any] = {"type": "string", "minLength": 1}
_MONEY: dict[str, Any] = {"type": "integer", "minimum": 0, "description": "Minor units of the shop's currency."}
_properties = sorted({each.name: each for part in (COMMON, *OF_TYPE.values()) for each in part}.items())

EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["event_id", "type"],
    "additionalProperties": False,
    "description": "One happening. It names a `user_id`, a `session_id`, or both.",
    "properties": {
        "event_id": _ID | {"description": "The shop's own; sent again, it changes nothing."},
        "type": {"type": "string", "description": f"One of {', '.join(EVENT_TYPES)}, or a type of the shop's own."},
        "user_id": _ID,
        "session_id": _ID,
        "item_id": _ID,
        "time": {"type": "string", "description": "ISO-8601 with zone; now, where it is missing."},
        "quantity": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9},
        "amount": _MONEY | {"description": "What was paid for the line, minor units of the shop's currency."},
        "list_amount": _MONEY | {"description": "The same before discounts."},
        "currency": {"type": "string", "description": "ISO 4217."},
        "order_id": _ID | {"description": "Joins the lines of an order; a purchase is one event a line."},
        "recommendation_id": _ID | {"description": "The answer that showed the item."},
        "coupon_code": _ID,
        "source": {"type": "string", "enum": list(TRAFFIC_SOURCES)},
        "properties": {
            "type": "object",
            "properties": {
                **{name: {"description": each.meaning} for name, each in _properties},
                "custom": {"type": "object", "description": "Whatever the shop wants to keep."},
            },
        },
    },
}

REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["events"],
                "additionalProperties": False,
                "properties": {
                    # The shape of each event is judged event by event, so that one bad one does not cost the others.
                    "events": {
                        "type": "array",
                        "maxItems": MOST_EVENTS,
                        "items": {"anyOf": [EVENT, {"description": "Anything else, which is rejected."}]},
                        "examples": [[{"event_id": "e-1", "type": "view", "user_id": "1228", "item_id": "819063"}]],
                    },
                    "create_missing": {
                        "type": "boolean",
                        "default": True,
                        "description": "Take events about items that the catalogue does not know.",
                    },
                },
            }
        }
    },
}
