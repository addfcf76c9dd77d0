"""Event check: an event as a shop sends it -> a row for the lake, or the reason why not."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from engine.event_properties import COMMON, OF_TYPE, Property, fault_of_text
from engine.events import EVENT_TYPES, LARGEST_AMOUNT, LONGEST_ID_BYTES, TRAFFIC_SOURCES, WITHOUT_ITEM

#: Clocks of phones and servers differ: a time this far ahead is taken for now, a later one is refused.
TOLERATED_SKEW_SECONDS = 600.0
DAY = 86_400.0
_CURRENCY = re.compile("[A-Z]{3}")

_IDS = ("event_id", "user_id", "session_id", "item_id", "order_id", "recommendation_id", "coupon_code")
_MONEY = ("amount", "list_amount")
FIELDS = frozenset({*_IDS, *_MONEY, "type", "time", "quantity", "currency", "source", "properties"})
# What a type cannot do without, beside an id, a person, and an item where it is about one.
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "delivered": ("order_id",),
    "coupon_redeem": ("coupon_code",),
    "coupon_rollback": ("coupon_code",),
}
_ALLOWED: Mapping[str, Mapping[str, Property]] = {
    name: {each.name: each for each in (*COMMON, *OF_TYPE.get(name, ()))} for name in EVENT_TYPES
}
_COMMON = {each.name: each for each in COMMON}
_MANDATORY: Mapping[str, tuple[str, ...]] = {
    name: tuple(each.name for each in OF_TYPE.get(name, ()) if each.required) for name in EVENT_TYPES
}


class Refusal(NamedTuple):
    """Why one event is not taken."""

    code: str
    field: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What events are held against: the shop's time (epoch seconds), the oldest that it takes, its own types."""

    now: float
    oldest_days: float = 730.0
    own_types: Collection[str] = ()
    currency: str | None = None


def check_event(given: Any, terms: Terms) -> dict[str, Any] | Refusal:
    """The event in the lake's columns, its `properties` still an object and `time` in microseconds; or why not.

    A time that is missing is `terms.now`, one slightly ahead of it too.
    """
    if type(given) is not dict:
        return Refusal("bad_event", None, "an event is a JSON object")
    if not given.keys() <= FIELDS:
        name = min(map(str, given.keys() - FIELDS))
        return Refusal("unknown_field", name, f"{name}: events have no such field; your own go into properties.custom")
    return _faulty_ids(given) or _faulty_meaning(given, terms) or _faulty_numbers(given, terms) or _row(given, terms)


def _faulty_ids(given: dict[str, Any]) -> Refusal | None:
    for name in _IDS:
        value = given.get(name)
        if value is None:
            continue
        if type(value) is not str or not value:
            return Refusal("bad_id", name, f"{name}: must be a text that is not empty")
        if len(value) * 4 > LONGEST_ID_BYTES or not value.isascii() or "\0" in value:
            if fault := fault_of_text(value):
                return Refusal("bad_id", name, f"{name}: {fault}")
            if len(value.encode()) > LONGEST_ID_BYTES:
                return Refusal("bad_id", name, f"{name}: is longer than {LONGEST_ID_BYTES} bytes")
    if given.get("event_id") is None:
        return Refusal("missing", "event_id", "event_id: name the event, so that sending it again changes nothing")
    if given.get("user_id") is None and given.get("session_id") is None:
        return Refusal("missing", "user_id", "user_id: name the user, or the session of somebody not signed in")
    return None


def _faulty_meaning(given: dict[str, Any], terms: Terms) -> Refusal | None:
    kind = given.get("type")
    if type(kind) is not str or (kind not in EVENT_TYPES and kind not in terms.own_types):
        return Refusal("unknown_type", "type", f"type: must be one of {', '.join((*EVENT_TYPES, *terms.own_types))}")
    if kind not in WITHOUT_ITEM and kind not in terms.own_types and given.get("item_id") is None:
        return Refusal("missing", "item_id", f"item_id: a {kind} is about an item")
    for name in _REQUIRED.get(kind, ()):
        if given.get(name) is None:
            return Refusal("missing", name, f"{name}: a {kind} needs it")
    source = given.get("source")
    if source is not None and source not in TRAFFIC_SOURCES:
        return Refusal("bad_source", "source", f"source: must be one of {', '.join(TRAFFIC_SOURCES)}")
    properties = given.get("properties")
    if properties is None:
        mandatory = _MANDATORY.get(kind)
        return _lacks(kind, mandatory[0]) if mandatory else None
    return _faulty_properties(kind, properties)


def _faulty_properties(kind: str, properties: Any) -> Refusal | None:
    if type(properties) is not dict:
        return Refusal("bad_properties", "properties", "properties: must be a JSON object")
    allowed = _ALLOWED.get(kind, _COMMON)
    for name, value in properties.items():
        if name == "custom":
            if type(value) is not dict:
                return Refusal("bad_properties", "properties.custom", "properties.custom: must be a JSON object")
            continue
        if name not in allowed:
            told = f"a {kind} has no such property; your own go into properties.custom"
            return Refusal("unknown_field", f"properties.{name}", f"properties.{name}: {told}")
        if value is not None and (fault := allowed[name].fault(value)):
            return Refusal("bad_properties", f"properties.{name}", f"properties.{name}: {fault}")
    for name in _MANDATORY.get(kind, ()):
        if properties.get(name) is None:
            return _lacks(kind, name)
    return None


def _lacks(kind: str, name: str) -> Refusal:
    return Refusal("missing", f"properties.{name}", f"properties.{name}: a {kind} needs it")


def _faulty_numbers(given: dict[str, Any], terms: Terms) -> Refusal | None:
    for name in _MONEY:
        value = given.get(name)
        if value is not None and (type(value) is not int or not 0 <= value <= LARGEST_AMOUNT):
            return Refusal("bad_amount", name, f"{name}: must be a whole number of minor units from 0 to 10^15")
    quantity = given.get("quantity")
    if quantity is not None and (type(quantity) not in (int, float) or not 0 < quantity <= 1e9):
        return Refusal("bad_quantity", "quantity", "quantity: must be a number above 0 and up to 10^9")
    currency = given.get("currency")
    if currency is None:
        return None
    if type(currency) is not str or not _CURRENCY.fullmatch(currency):
        return Refusal("bad_currency", "currency", "currency: must be an ISO 4217 code, such as EUR")
    if terms.currency and currency != terms.currency:
        return Refusal("bad_currency", "currency", f"currency: this shop counts in {terms.currency}")
    return None


def _row(given: dict[str, Any], terms: Terms) -> dict[str, Any] | Refusal:
    at = _seconds(given.get("time"), terms)
    if type(at) is Refusal:
        return at
    row = {name: value for name, value in given.items() if value is not None}
    row["time"] = round(at * 1e6)  # type: ignore[operator]
    row["quantity"] = float(given.get("quantity") or 1)
    return row


def _seconds(text: Any, terms: Terms) -> float | Refusal:
    if text is None:
        return terms.now
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return Refusal("bad_time", "time", "time: must be an ISO-8601 time with its zone, such as 2026-01-31T12:00:00Z")
    if moment.tzinfo is None:
        return Refusal("bad_time", "time", "time: has no zone; add Z for UTC, or an offset such as +08:00")
    try:
        at = moment.timestamp()
    except (OverflowError, ValueError):
        return Refusal("bad_time", "time", "time: is outside of the calendar")
    if at > terms.now + TOLERATED_SKEW_SECONDS:
        return Refusal("in_future", "time", f"time: lies ahead of the shop's clock, which says {_shown(terms.now)}")
    if at < terms.now - terms.oldest_days * DAY:
        return Refusal("too_old", "time", f"time: is older than {terms.oldest_days:g} days; import history instead")
    return min(at, terms.now)


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
