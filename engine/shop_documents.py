"""Shop documents: what a shop says of an item or a user, field by field in one table for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import available_timezones

from engine.errors import BadInput
from engine.event_properties import fault_of_text, fault_of_time, whole
from engine.events import LARGEST_AMOUNT, LONGEST_ID_BYTES
from engine.expression import Fields

Kind = Literal["items", "users"]
Fault = Callable[[Any], str | None]

LARGEST_DOCUMENT = 32_768  # bytes
DEEPEST_ATTRIBUTES = 8
MOST_TEXTS = 100
ID_FIELD: Mapping[str, str] = {"items": "item_id", "users": "user_id"}
#: What conditions on documents may name.
CONDITION_FIELDS: Mapping[Kind, Fields] = {
    "items": {
        **dict.fromkeys(
            ("item_id", "parent_id", "name", "description", "brand", "currency", "url", "image_url"), "text"
        ),
        **dict.fromkeys(("categories", "tags"), "texts"),
        **dict.fromkeys(("price", "list_price", "cost", "stock"), "number"),
        **dict.fromkeys(("available_from", "available_until"), "time"),
        "available": "flag",
        "attributes.*": "any",
    },
    "users": {
        **dict.fromkeys(("user_id", "region", "zone", "gender", "age_band", "birthday"), "text"),
        "attributes.*": "any",
    },
}


def check_document(kind: Kind, given: Any, thing_id: str) -> dict[str, Any]:
    """What the shop says of one thing, with its id and without nulls. Raises BadInput that names the field."""
    if type(given) is not dict:
        raise BadInput("a document is a JSON object")
    check_id(kind, thing_id)
    name = ID_FIELD[kind]
    if given.get(name, thing_id) != thing_id:
        raise BadInput(f"{name}: is another one than the path names; leave it out", field=name)
    document = {name: thing_id}
    for field, value in given.items():
        if field == name:
            continue
        fault = FIELDS[kind].get(field)
        if fault is None:
            known = ", ".join(FIELDS[kind])
            raise BadInput(
                f"{field!a}: nobody knows this field; your own go into attributes, ours are {known}",
                code="unknown_field",
                field=field,
            )
        if value is None:
            continue
        if type(value) is float and value.is_integer() and field in _WHOLE:
            value = int(value)  # (JSON knows one kind of number, and 5.0 is a whole one)
        if why := fault(value):
            raise BadInput(f"{field}: {why}", field=field)
        document[field] = value
    _check_whole(document)
    return document


def check_id(kind: Kind, thing_id: Any) -> None:
    """Raises BadInput for what cannot name an item or a user."""
    name = ID_FIELD[kind]
    if not isinstance(thing_id, str) or not thing_id:
        raise BadInput(f"{name}: must be a text that is not empty", code="bad_id", field=name)
    fault = fault_of_text(thing_id)
    if not fault and len(thing_id.encode()) > LONGEST_ID_BYTES:
        fault = f"is longer than {LONGEST_ID_BYTES} bytes"
    if fault:
        raise BadInput(f"{name}: {fault}", code="bad_id", field=name)


def merged(current: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The document after a JSON merge patch: null removes, objects are merged key by key."""
    result = dict(current)
    for field, value in patch.items():
        if value is None:
            result.pop(field, None)
        elif isinstance(value, dict):
            inner = result.get(field)
            result[field] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            result[field] = value
    return result


def _check_whole(document: dict[str, Any]) -> None:
    opens, closes = document.get("available_from"), document.get("available_until")
    if opens and closes and datetime.fromisoformat(opens) >= datetime.fromisoformat(closes):
        raise BadInput("available_until: must lie after available_from", field="available_until")
    if document.get("parent_id") == document.get("item_id", ""):
        raise BadInput("parent_id: is the item itself; leave it out", field="parent_id")
    size = len(json.dumps(document, ensure_ascii=False).encode())
    if size > LARGEST_DOCUMENT:
        raise BadInput(f"the document has {size} bytes; at most {LARGEST_DOCUMENT}", code="too_large")


def _fault_of_texts(value: Any) -> str | None:
    if type(value) is not list or len(value) > MOST_TEXTS:
        return f"must be a list of at most {MOST_TEXTS} texts"
    return next((f"each {why}" for why in map(fault_of_text, value) if why), None)


def _fault_of_id(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return "must be a text that is not empty"
    long = len(value.encode("utf-8", "surrogatepass")) > LONGEST_ID_BYTES
    return f"is longer than {LONGEST_ID_BYTES} bytes" if long else fault_of_text(value)


def _fault_of_flag(value: Any) -> str | None:
    return None if type(value) is bool else "must be true or false"


def _fault_of_currency(value: Any) -> str | None:
    sound = type(value) is str and len(value) == 3 and value.isascii() and value.isalpha() and value.isupper()
    return None if sound else "must be an ISO 4217 code, such as EUR"


def _fault_of_zone(value: Any) -> str | None:
    known = type(value) is str and value in _ZONES
    return None if known else "must be an IANA time zone, such as Asia/Shanghai"


def _fault_of_birthday(value: Any) -> str | None:
    try:
        # 2000 is a leap year, so that --02-29 is a birthday.
        text = f"2000{value[1:]}" if value.startswith("--") else value
        if len(text) == 10:
            date.fromisoformat(text)
            return None
    except (AttributeError, TypeError, ValueError):
        pass
    return "must be YYYY-MM-DD, or --MM-DD where the year is not known"


def _fault_of_attributes(value: Any) -> str | None:
    if type(value) is not dict:
        return "must be a JSON object"
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > DEEPEST_ATTRIBUTES:
            return f"is nested more than {DEEPEST_ATTRIBUTES} deep"
        if type(part) is dict:
            waiting += [(each, depth) for each in part]
            waiting += [(each, depth + 1) for each in part.values()]
        elif type(part) is list:
            waiting += [(each, depth + 1) for each in part]
        elif type(part) is int and not -(2**63) <= part < 2**64:
            return "holds a whole number beyond 64 bits"
        elif type(part) is str and (why := fault_of_text(part)):
            return f"a text in it {why}"
    return None


_WHOLE = frozenset({"price", "list_price", "cost", "stock"})
_ZONES = frozenset(available_timezones())
_MONEY = whole(0, LARGEST_AMOUNT)
FIELDS: Mapping[Kind, Mapping[str, Fault]] = {
    "items": {
        "parent_id": _fault_of_id,
        "name": fault_of_text,
        "description": fault_of_text,
        "brand": fault_of_text,
        "categories": _fault_of_texts,
        "tags": _fault_of_texts,
        "price": _MONEY,
        "list_price": _MONEY,
        "cost": _MONEY,
        "currency": _fault_of_currency,
        "stock": whole(0, 2**53),
        "available": _fault_of_flag,
        "available_from": fault_of_time,
        "available_until": fault_of_time,
        "url": fault_of_text,
        "image_url": fault_of_text,
        "attributes": _fault_of_attributes,
    },
    "users": {
        "region": fault_of_text,
        "zone": _fault_of_zone,
        "gender": fault_of_text,
        "age_band": fault_of_text,
        "birthday": _fault_of_birthday,
        "attributes": _fault_of_attributes,
    },
}
