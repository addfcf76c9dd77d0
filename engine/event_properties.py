"""What an event may say beside its columns: the typed properties of each type, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

LONGEST_TEXT = 4_000  # characters of a property
MOST_ENTRIES = 50  # of a list or a map


@dataclass(frozen=True, slots=True)
class Property:
    """One property. `fault` says what is wrong with a value, None when nothing is."""

    name: str
    fault: Callable[[Any], str | None]
    meaning: str
    required: bool = False


def fault_of_text(value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be a text"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "holds half of a surrogate pair, which no text can carry; send whole characters"
    if "\0" in value:
        return "must not hold the character NUL"
    return f"is longer than {LONGEST_TEXT} characters" if len(value) > LONGEST_TEXT else None


def whole(least: int, most: int) -> Callable[[Any], str | None]:
    def fault(value: Any) -> str | None:
        if type(value) is not int or not least <= value <= most:
            return f"must be a whole number from {least} to {most}"
        return None

    return fault


def number(least: float, most: float) -> Callable[[Any], str | None]:
    def fault(value: Any) -> str | None:
        # A comparison with NaN is false, so that it is refused here too.
        if type(value) not in (int, float) or not least <= value <= most:
            return f"must be a number from {least:g} to {most:g}"
        return None

    return fault


def one_of(*words: str) -> Callable[[Any], str | None]:
    def fault(value: Any) -> str | None:
        return None if isinstance(value, str) and value in words else f"must be one of {', '.join(words)}"

    return fault


def fault_of_time(value: Any) -> str | None:
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            moment.astimezone(UTC)  # an offset may lead out of the calendar: 9999-12-31T23:00-12:00
            return None
    except (OverflowError, TypeError, ValueError):
        pass
    return "must be an ISO-8601 time with its zone, such as 2026-01-31T12:00:00Z"


def fault_of_scores(value: Any) -> str | None:
    if not isinstance(value, dict) or len(value) > MOST_ENTRIES:
        return f"must be an object of at most {MOST_ENTRIES} names with a number each"
    for name, score in value.items():
        if fault_of_text(name) or number(-1e6, 1e6)(score):
            return "must be an object of names with a number each"
    return None


#: Beside any event: where the visit came from and how the page was seen.
COMMON = (
    Property("campaign", fault_of_text, "The marketing campaign that brought the visit."),
    Property("referrer", fault_of_text, "The page that the visit came from."),
    Property("channel", fault_of_text, "Where it happened: web, app, store, mini programme; or the messages' channel."),
    Property("device", fault_of_text, "Kind of device."),
    Property("url", fault_of_text, "The page."),
    Property("placement", fault_of_text, "The list that showed the item."),
    Property("position", whole(0, 10_000), "The item's place in its list, counted from 0."),
)
_REASON = Property("reason", fault_of_text, "Why, in the shop's or the shopper's words.")
_TOPIC = Property("topic", fault_of_text, "What it is about.")
_COMPLAINT = Property("complaint_id", fault_of_text, "Joins the opening and the closing.")

#: By type: what it may say beside COMMON.
OF_TYPE: Mapping[str, tuple[Property, ...]] = {
    "search": (
        Property("query", fault_of_text, "What was looked for.", required=True),
        Property("results", whole(0, 2**53), "How many results there were."),
    ),
    "exposure": (Property("offer_id", fault_of_text, "The offer that was shown."),),
    "checkout": (Property("value", whole(0, 2**53), "Value of the cart, minor units."),),
    "delivered": (
        Property("promised_at", fault_of_time, "When it was to arrive."),
        Property("delivered_at", fault_of_time, "When it did arrive."),
    ),
    "return": (_REASON,),
    "dismiss": (_REASON,),
    "rating": (
        Property("value", number(-1e6, 1e6), "The rating.", required=True),
        Property("scale", whole(1, 1_000_000), "The best rating that there is; 5 where nothing is said."),
    ),
    "review": (
        Property("text", fault_of_text, "The review."),
        Property("aspects", fault_of_scores, "Scores by aspect, as the shop has them."),
        Property("sentiment", number(-1.0, 1.0), "As the shop judges it; none is inferred."),
    ),
    "complaint_opened": (_TOPIC, _COMPLAINT),
    "complaint_closed": (_TOPIC, _COMPLAINT),
    "survey": (
        Property("score", number(-1e6, 1e6), "The answer.", required=True),
        Property("scale", whole(1, 1_000_000), "The best answer that there is."),
        Property("aspect", one_of("quality", "delivery", "service", "other"), "What was asked about."),
    ),
    "referral": (Property("referred_user_id", fault_of_text, "Who joined."),),
    "activity": (Property("activity", fault_of_text, "Which one.", required=True),),
    "coupon_view": (Property("offer_id", fault_of_text, "The offer behind the coupon."),),
    "coupon_redeem": (Property("offer_id", fault_of_text, "The offer behind the coupon."),),
    "coupon_rollback": (Property("offer_id", fault_of_text, "The offer behind the coupon."),),
}
