"""Events: one immutable happening each, what it weighs as a sign of interest, how fast that fades."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of happening.

    `weight` is the interest that one such event shows in its item, relative to a purchase (1.0);
    0 means that it is no interaction, and a negative weight that it speaks against the item.
    `half_life_days` is the time after which that interest counts half.
    Both are defaults: a recipe may choose others on its validation period.
    """

    name: str
    weight: float
    half_life_days: float
    meaning: str


_TYPES = (
    EventType("purchase", 1.0, 60.0, "A line of an order was paid."),
    EventType("cart_add", 0.5, 14.0, "The item was put into the cart."),
    EventType("wishlist_add", 0.4, 60.0, "The item was saved for later."),
    EventType("click", 0.15, 7.0, "A shown item was clicked; names its recommendation."),
    EventType("view", 0.1, 7.0, "The item's page was seen."),
    EventType(
        "search", 0.05, 7.0, "Something was looked for (query, number of results); counts where it names an item."
    ),
    EventType("cart_remove", -0.3, 14.0, "The item was taken out of the cart."),
    EventType("wishlist_remove", -0.2, 60.0, "The item is no longer saved."),
    EventType("dismiss", -1.0, 60.0, "The user said that the item is of no interest."),
    EventType("return", -0.7, 120.0, "The item was sent back; properties hold the reason."),
    EventType("rating", 0.0, 180.0, "The item got a number of stars."),
    EventType("review", 0.0, 180.0, "The item got a text."),
    EventType("exposure", 0.0, 7.0, "The item or offer was shown."),
    EventType("checkout", 0.0, 7.0, "The checkout was begun."),
    EventType("delivered", 0.0, 30.0, "An order arrived; properties hold the promised time."),
    EventType("complaint_opened", 0.0, 90.0, "The user complained; properties hold the topic."),
    EventType("complaint_closed", 0.0, 90.0, "A complaint was settled."),
    EventType("survey", 0.0, 180.0, "A survey was answered: scale, score, aspect."),
    EventType("share", 0.2, 30.0, "The item was shared."),
    EventType("referral", 0.0, 180.0, "Somebody joined through this user."),
    EventType("activity", 0.0, 60.0, "The user joined an activity of the shop."),
    EventType("check_in", 0.0, 14.0, "The user checked in."),
    EventType("coupon_view", 0.0, 14.0, "A coupon was looked at."),
    EventType("coupon_redeem", 0.0, 60.0, "A coupon was used."),
    EventType("subscribe", 0.0, 180.0, "Messages on a channel are welcome."),
    EventType("unsubscribe", 0.0, 180.0, "Messages on a channel are not welcome any more."),
    EventType("login", 0.0, 14.0, "The user signed in."),
    EventType("coupon_rollback", 0.0, 60.0, "What a coupon had given was taken back, whole or in part."),
    EventType("landing", 0.0, 14.0, "A visit came in on a page about no item; tells where it came from."),
)

#: Happenings that need no item; all others are about one.
WITHOUT_ITEM = frozenset(
    {
        "search", "exposure", "checkout", "delivered", "complaint_opened", "complaint_closed", "survey", "share",
        "referral", "activity", "check_in", "coupon_view", "coupon_redeem", "coupon_rollback", "subscribe",
        "unsubscribe", "login", "landing",
    }
)  # fmt: skip

#: Ids travel in keys and URLs: longer ones are refused.
LONGEST_ID_BYTES = 512
#: Minor units. Sums over a year of the largest shop stay below it, and a float64 still counts it exactly.
LARGEST_AMOUNT = 10**15

#: Where a visit comes from; `campaign` and `referrer` stand in an event's properties.
TRAFFIC_SOURCES = ("organic", "paid", "social", "referral", "direct")

EVENT_TYPES: Mapping[str, EventType] = {each.name: each for each in _TYPES}
#: A type's place in this table is its code in arrays and bundles: append, never reorder.
TYPE_CODES: Mapping[str, int] = {each.name: code for code, each in enumerate(_TYPES)}


def own_types(text: str) -> tuple[EventType, ...]:
    """A shop's own event types from `name:weight:half_life_days`, by commas; ValueError says what is wrong."""
    found: dict[str, EventType] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, weight, half_life = ([*part.split(":"), "", ""])[:3]
        if not re.fullmatch("[a-z][a-z0-9_]{0,63}", name) or name in EVENT_TYPES or name in found:
            raise ValueError(f"{name!r} is no new name: small letters, digits and _, not one of Hawker's own")
        if not -10 <= float(weight) <= 10 or not 0 < float(half_life) <= 3_650:
            raise ValueError(f"{part!r}: a weight from -10 to 10 and a half-life of up to 3650 days")
        found[name] = EventType(name, float(weight), float(half_life), "The shop's own.")
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Event:
    """One happening. Times are UTC; money is in minor units of the shop's currency.

    A purchase is one event a line of the order, joined by `order_id`: `amount` is what was paid
    for the line, `list_amount` the same before discounts.
    """

    event_id: str
    type: str
    time: datetime
    user_id: str | None = None
    session_id: str | None = None
    item_id: str | None = None
    quantity: float = 1.0
    amount: int | None = None
    list_amount: int | None = None
    currency: str | None = None
    order_id: str | None = None
    recommendation_id: str | None = None
    coupon_code: str | None = None
    source: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
