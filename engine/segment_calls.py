"""Segment's calls, as its clients send them over HTTP -> what they mean here.

A track call becomes an event, an order one event a line of it, under the ids that an import of the same calls gives
them, so that doing both doubles nothing. An identify call tells of a user and joins the visit to them.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from engine.currencies import minor_per_major
from engine.event_check import Refusal
from engine.events import LARGEST_AMOUNT
from engine.segment_values import moment_of, number_of, object_of, text_of
from engine.segment_visit import source_of, visit_of
from engine.segment_words import EVENT_NAMES, NOT_ATTRIBUTES, ORDERS, WITH_PRODUCTS
from engine.shop_documents import FIELDS

Call = Mapping[str, Any]

# An instant where a day was asked for, as JavaScript writes dates.
_DAY_WITH_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T.*")
# What names the envelope, not the call: another try writes it anew.
_ENVELOPE = frozenset({"sentAt", "writeKey"})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one call says: events in our wire form, words on a user, people who are one; `ignored` says why nothing."""

    events: tuple[dict[str, Any], ...] = ()
    user: tuple[str, dict[str, Any]] | None = None
    merges: tuple[tuple[Literal["session", "user"], str, str], ...] = ()
    ignored: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """When calls came in (epoch seconds), how far their sender's clock is ahead, and the shop's own event types."""

    now: float
    ahead: float = 0.0
    own_types: Collection[str] = field(default_factory=tuple)


def clock_ahead(sent_at: Any, now: float) -> float:
    """How far (seconds) a sender's clock is ahead of ours, from the time that it wrote on the envelope; 0 unknown."""
    sent = moment_of(sent_at)
    return 0.0 if sent is None else sent - now


def meaning_of(call: Any, arrival: Arrival) -> Meaning | Refusal:
    """What a call says; a Refusal for what is no call. Names that nobody knows are ignored, not refused."""
    if type(call) is not dict:
        return Refusal("bad_call", None, "a call is a JSON object")
    kind = call.get("type")
    user, session = text_of(call.get("userId")), text_of(call.get("anonymousId"))
    if kind == "alias":
        before = text_of(call.get("previousId"))
        if user is None or before is None:
            return Refusal("missing", "previousId", "previousId: an alias names a userId and the previousId")
        return Meaning(merges=(("user", before, user), ("session", before, user)) if before != user else ())
    if user is None and session is None:
        return Refusal("missing", "userId", "userId: name the user, or the anonymousId of somebody not signed in")
    if kind == "identify":
        return _identified(call, user, session)
    if kind in ("track", "page", "screen"):
        return _happened(call, kind, user, session, arrival)
    if kind == "group":
        return Meaning(ignored="groups have no meaning here")
    return Refusal("unknown_call", "type", "type: must be track, page, screen, identify, alias or group")


def _identified(call: Call, user: str | None, session: str | None) -> Meaning:
    if user is None:
        return Meaning(ignored="traits of somebody unknown are not kept")
    context = object_of(call.get("context"))
    traits = object_of(call.get("traits")) or object_of(context.get("traits"))
    address, birthday = object_of(traits.get("address")), traits.get("birthday")
    told = {
        "region": address.get("state") or address.get("country") or address.get("city"),
        "zone": traits.get("timezone") or context.get("timezone"),
        "gender": traits.get("gender"),
        "age_band": traits.get("age_band"),
        "birthday": _DAY_WITH_TIME.sub(r"\1", birthday) if isinstance(birthday, str) else None,
    }
    faults = FIELDS["users"]
    document: dict[str, Any] = {name: value for name, value in told.items() if value and not faults[name](value)}
    # Each on its own: one that does not fit must not cost the others.
    attributes = {
        name: value
        for name, value in traits.items()
        if name not in NOT_ATTRIBUTES and value is not None and not faults["attributes"]({name: value})
    }
    if attributes:
        document["attributes"] = attributes
    return Meaning(user=(user, document) if document else None, merges=(("session", session, user),) if session else ())


def _happened(call: Call, kind: str, user: str | None, session: str | None, arrival: Arrival) -> Meaning | Refusal:
    said, context = object_of(call.get("properties")), object_of(call.get("context"))
    name = (text_of(call.get("event")) or "").strip().lower() if kind == "track" else "product viewed"
    if not name:
        return Refusal("missing", "event", "event: a track call names what happened")
    source, visit = source_of(context), visit_of(context, call.get("channel"))
    ours = _type_of(name, arrival) if kind == "track" or _item_of(said) else _own(kind, arrival)
    if ours is None and kind != "track" and (source or "campaign" in visit):
        ours = "landing"  # the page shows no item, yet only this call says which campaign led here
    if ours is None:
        return Meaning(ignored=f"no event type for {call.get('event') or kind!r}")
    try:
        message = text_of(call.get("messageId")) or _digest(call)
    except RecursionError:
        return Refusal("too_deep", "properties", "properties: are nested too deeply")
    event = {
        "type": ours,
        "user_id": user,
        "session_id": session,
        "time": _time(call, arrival),
        "recommendation_id": text_of(said.get("recommendation_id")),
        "order_id": text_of(said.get("order_id") or said.get("checkout_id")),
        "source": source,
    }
    listed = said.get("products") if name in WITH_PRODUCTS else None
    lines = [object_of(each) for each in listed] if isinstance(listed, list) and listed else [said]
    share = _paid_share(said, lines)
    events = []
    for place, line in enumerate(lines):
        one = event | _line(name, said, line, share) | {"event_id": f"{message}-{place + 1}" if place else message}
        properties = visit | _properties(ours, name, said, line)
        if ours in arrival.own_types and (custom := _named(call, kind) | said):
            properties["custom"] = custom
        if ours == "exposure" and len(lines) > 1:
            properties.setdefault("position", place)
        one["properties"] = properties or None
        events.append({key: value for key, value in one.items() if value is not None})
        if ours == "review" and (rating := number_of(said.get("rating"))) is not None:
            rated = {**events[-1], "type": "rating", "event_id": f"{message}-rating", "properties": {"value": rating}}
            events.append(rated)
    return Meaning(events=tuple(events))


def _type_of(name: str, arrival: Arrival) -> str | None:
    return EVENT_NAMES.get(name) or _own(re.sub("[^a-z0-9]+", "_", name).strip("_"), arrival)


def _named(call: Call, kind: str) -> dict[str, Any]:
    """Pages and screens have a name beside their properties."""
    name = text_of(call.get("name"))
    return {"name": name} if name and kind != "track" else {}


def _own(name: str, arrival: Arrival) -> str | None:
    return name if name in arrival.own_types else None


def _line(name: str, said: Call, line: Call, share: float) -> dict[str, Any]:
    currency = _currency(said, line)
    quantity, price = number_of(line.get("quantity")), number_of(line.get("price"))
    coupon = said.get("coupon") or line.get("coupon") or said.get("coupon_id") or said.get("coupon_name")
    found: dict[str, Any] = {
        "item_id": _item_of(line),
        "quantity": quantity,
        "currency": currency,
        "coupon_code": text_of(coupon),
    }
    if name in ORDERS and price is not None:
        listed = price * (1 if quantity is None else quantity) * minor_per_major(currency)
        found |= {"list_amount": _rounded(listed), "amount": _rounded(listed * share)}
    return found


def _currency(said: Call, line: Call) -> str | None:
    currency = text_of(said.get("currency")) or text_of(line.get("currency"))
    return currency.upper() if currency else None


def _rounded(amount: float) -> float:
    """Whole minor units; what is beyond all numbers stays so, and the check refuses it by name."""
    return round(amount) if math.isfinite(amount) else amount


def _paid_share(said: Call, lines: Collection[Call]) -> float:
    """What is left of each line's price after a discount on the whole order."""
    discount = number_of(said.get("discount"))
    quantities = [(number_of(each.get("price")) or 0.0) * (number_of(each.get("quantity")) or 1.0) for each in lines]
    return max(0.0, 1.0 - discount / sum(quantities)) if discount and sum(quantities) > 0 else 1.0


def _properties(ours: str, name: str, said: Call, line: Call) -> dict[str, Any]:
    """What this kind of event may say beside the visit."""
    told: dict[str, Any] = {"placement": text_of(said.get("list_id")) or ("cart" if name == "cart viewed" else None)}
    position = number_of(line.get("position"))
    if position is not None and 0 <= position <= 10_000 and position == int(position):
        told["position"] = int(position)
    more: dict[str, Any] = {
        "search": lambda: {"query": text_of(said.get("query"))},
        "review": lambda: {"text": text_of(said.get("review_body"))},
        "return": lambda: {"reason": text_of(said.get("reason"))},
        "checkout": lambda: {"value": _value(said)},
        "exposure": lambda: {"offer_id": text_of(said.get("promotion_id"))},
        "coupon_view": lambda: {"offer_id": text_of(said.get("promotion_id"))},
    }
    told |= more[ours]() if ours in more else {}
    return {name: value for name, value in told.items() if value is not None}


def _value(said: Call) -> int | None:
    """What the cart is worth, minor units; left out where it cannot be."""
    for name in ("value", "revenue", "total"):
        worth = number_of(said.get(name))
        if worth is not None and 0 <= worth <= LARGEST_AMOUNT:
            return round(worth * minor_per_major(_currency(said, {})))
    return None


def _time(call: Call, arrival: Arrival) -> str | None:
    """When it happened by our clock: what the sender's clock is ahead is taken off."""
    at = moment_of(call.get("timestamp") or call.get("originalTimestamp"))
    if at is None:
        return None
    # Some clients write it on each call, too, and a call may have waited in their queue.
    ahead = clock_ahead(call["sentAt"], arrival.now) if call.get("sentAt") else arrival.ahead
    try:
        return datetime.fromtimestamp(at - ahead, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return str(call.get("timestamp"))  # the check refuses it by name


def _item_of(line: Call) -> str | None:
    return text_of(line.get("product_id")) or text_of(line.get("sku"))


def _digest(call: Call) -> str:
    """An id of a call without one, so that sending it again changes nothing."""
    said = {name: value for name, value in call.items() if name not in _ENVELOPE}
    text = json.dumps(said, sort_keys=True, ensure_ascii=True)
    return f"segment-{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"
