"""Segment's calls, as its clients send them over HTTP -> what they mean here.

A track call becomes an event, an order one event a line of it, under the ids that an import of the same calls gives
them, so that doing both doubles nothing. An identify call tells of a user and joins the visit to them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from engine.currencies import minor_per_major
from engine.event_check import Refusal
from engine.segment_words import EVENT_NAMES, NOT_ATTRIBUTES, ORDERS, WITH_PRODUCTS
from engine.shop_documents import FIELDS

Call = Mapping[str, Any]

_MEDIA: Mapping[str, frozenset[str]] = {
    "paid": frozenset({"cpc", "ppc", "cpm", "paid", "paidsearch", "paid-search", "display", "banner", "retargeting"}),
    "social": frozenset({"social", "social-media", "sm", "social-network"}),
    "organic": frozenset({"organic"}),
    "referral": frozenset({"referral", "affiliate", "email", "partner"}),
}


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
    sent = _moment(sent_at)
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


def text_of(value: Any) -> str | None:
    """A text, or a number as clients send ids; None for what is missing, empty or neither."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return (value.strip() if isinstance(value, str) else str(value)) or None


def _identified(call: Call, user: str | None, session: str | None) -> Meaning:
    if user is None:
        return Meaning(ignored="traits of somebody unknown are not kept")
    traits = _object(call.get("traits")) or _object(_object(call.get("context")).get("traits"))
    address = _object(traits.get("address"))
    told = {
        "region": address.get("state") or address.get("country"),
        "zone": traits.get("timezone"),
        "gender": traits.get("gender"),
        "age_band": traits.get("age_band"),
        "birthday": traits.get("birthday"),
    }
    faults = FIELDS["users"]
    document = {name: value for name, value in told.items() if value and not faults[name](value)}
    attributes = {
        name: value
        for name, value in traits.items()
        if name not in NOT_ATTRIBUTES and isinstance(value, str | bool | int | float) and _finite(value)
    }
    if attributes and not faults["attributes"](attributes):
        document["attributes"] = attributes
    return Meaning(user=(user, document) if document else None, merges=(("session", session, user),) if session else ())


def _happened(call: Call, kind: str, user: str | None, session: str | None, arrival: Arrival) -> Meaning | Refusal:
    said = _object(call.get("properties"))
    name = str(call.get("event") or "").strip().lower() if kind == "track" else "product viewed"
    if kind == "track" and not name:
        return Refusal("missing", "event", "event: a track call names what happened")
    own = name.replace(" ", "_")
    ours = EVENT_NAMES.get(name) or (own if own in arrival.own_types else None)
    if ours is None or (kind != "track" and _item_of(said) is None):
        return Meaning(ignored=f"no event type for {call.get('event') or kind!r}")
    context = _object(call.get("context"))
    event = {
        "type": ours,
        "user_id": user,
        "session_id": session,
        "time": _time(call, arrival),
        "recommendation_id": text_of(said.get("recommendation_id")),
        "coupon_code": text_of(said.get("coupon") or said.get("coupon_id") or said.get("coupon_name")),
        "order_id": text_of(said.get("order_id") or said.get("checkout_id")),
        "source": _source(context),
    }
    listed = said.get("products") if name in WITH_PRODUCTS else None
    lines = [_object(each) for each in listed] if isinstance(listed, list) and listed else [said]
    share = _paid_share(said, lines)
    message = text_of(call.get("messageId")) or _digest(call)
    events = []
    for place, line in enumerate(lines):
        one = event | _line(name, said, line, share) | {"event_id": f"{message}-{place + 1}" if place else message}
        properties = _properties(ours, said, line, context)
        if ours == "exposure" and len(lines) > 1:
            properties.setdefault("position", place)
        one["properties"] = properties or None
        events.append({key: value for key, value in one.items() if value is not None})
        if ours == "review" and (rating := _number(said.get("rating"))) is not None:
            rated = {**events[-1], "type": "rating", "event_id": f"{message}-rating", "properties": {"value": rating}}
            events.append(rated)
    return Meaning(events=tuple(events))


def _line(name: str, said: Call, line: Call, share: float) -> dict[str, Any]:
    currency = text_of(said.get("currency")) or text_of(line.get("currency"))
    currency = currency.upper() if currency else None
    quantity, price = _number(line.get("quantity")), _number(line.get("price"))
    found: dict[str, Any] = {"item_id": _item_of(line), "quantity": quantity, "currency": currency}
    if name in ORDERS and price is not None:
        listed = price * (1 if quantity is None else quantity) * minor_per_major(currency)
        found |= {"list_amount": round(listed), "amount": round(listed * share)}
    return found


def _paid_share(said: Call, lines: Collection[Call]) -> float:
    """What is left of each line's price after a discount on the whole order."""
    discount = _number(said.get("discount"))
    quantities = [(_number(each.get("price")) or 0.0) * (_number(each.get("quantity")) or 1.0) for each in lines]
    return max(0.0, 1.0 - discount / sum(quantities)) if discount and sum(quantities) > 0 else 1.0


def _properties(ours: str, said: Call, line: Call, context: Call) -> dict[str, Any]:
    page, campaign = _object(context.get("page")), _object(context.get("campaign"))
    told: dict[str, Any] = {
        "campaign": text_of(campaign.get("name")),
        "referrer": text_of(page.get("referrer")) or text_of(_object(context.get("referrer")).get("url")),
        "url": text_of(page.get("url")),
        "device": text_of(_object(context.get("device")).get("type")),
        "placement": text_of(said.get("list_id")),
    }
    position = _number(line.get("position"))
    if position is not None and position >= 0 and position == int(position):
        told["position"] = int(position)
    more: dict[str, Any] = {
        "search": lambda: {"query": text_of(said.get("query"))},
        "review": lambda: {"text": text_of(said.get("review_body"))},
        "return": lambda: {"reason": text_of(said.get("reason"))},
        "exposure": lambda: {"offer_id": text_of(said.get("promotion_id"))},
        "coupon_view": lambda: {"offer_id": text_of(said.get("promotion_id"))},
    }
    told |= more[ours]() if ours in more else {}
    return {name: value for name, value in told.items() if value is not None}


def _source(context: Call) -> str | None:
    campaign = _object(context.get("campaign"))
    medium = str(campaign.get("medium") or "").strip().lower()
    for source, media in _MEDIA.items():
        if medium in media:
            return source
    if campaign:
        return "paid" if medium else None
    return "referral" if text_of(_object(context.get("page")).get("referrer")) else None


def _time(call: Call, arrival: Arrival) -> str | None:
    """When it happened by our clock: what the sender's clock is ahead is taken off."""
    at = _moment(call.get("timestamp") or call.get("originalTimestamp"))
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at - arrival.ahead, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return str(call.get("timestamp"))  # the check refuses it by name


def _moment(value: Any) -> float | None:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _item_of(line: Call) -> str | None:
    return text_of(line.get("product_id")) or text_of(line.get("sku"))


def _number(value: Any) -> float | None:
    """A finite number, or a text that is one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _digest(call: Call) -> str:
    """An id of a call without one, so that sending it again changes nothing."""
    text = json.dumps(call, sort_keys=True, ensure_ascii=True)
    return f"segment-{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"
