"""Eligibility: who may use an offer and when, with the reasons where somebody may not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from engine.targeting.offers import WEEKDAYS, Minimum, Offer, Valid
from engine.targeting.reasons import Reason
from engine.targeting.terms_reader import seconds_of


@dataclass(frozen=True, slots=True)
class Issue:
    """How an offer came to somebody: a code, given out at `issued_at` (epoch seconds) to one user, or to all.

    An offer without codes applies by itself and has none of them.
    """

    code: str | None = None
    issued_at: float | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of who buys. None is not known, which no condition takes for yes. `zone` is the shop's."""

    user_id: str | None = None
    segments: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    first_order: bool | None = None
    zone: str = "UTC"


def ends_at(offer: Offer, issue: Issue) -> float | None:
    """When it ends for this one, epoch seconds; None for never. The end itself is too late."""
    ends = [] if offer.valid.until is None else [offer.valid.until.timestamp()]
    if offer.valid.for_ is not None and issue.issued_at is not None:
        ends.append(issue.issued_at + seconds_of(offer.valid.for_))
    return min(ends, default=None)


def who_and_when(offer: Offer, issue: Issue, facts: Facts, now: float) -> tuple[Reason, ...]:
    """Why this user may not use it at `now` (epoch seconds); empty when nothing speaks against it."""
    return (*not_now(offer, issue, facts.zone, now), *_who(offer, issue, facts))


def too_little(minimum: Minimum, amount: int, quantity: int) -> tuple[Reason, ...]:
    """Why what is in the basket (or of the scope in it, or after discounts, as the minimum asks) is not enough."""
    found = []
    if minimum.amount is not None and amount < minimum.amount:
        told = f"needs {minimum.amount} minor units {minimum.when} discounts; there are {amount}"
        found.append(Reason("below_minimum_amount", told, "minimum.amount", minimum.amount, amount))
    if minimum.quantity is not None and quantity < minimum.quantity:
        told = f"needs {minimum.quantity} pieces; there are {quantity}"
        found.append(Reason("below_minimum_quantity", told, "minimum.quantity", minimum.quantity, quantity))
    return tuple(found)


def not_now(offer: Offer, issue: Issue, zone: str, now: float) -> list[Reason]:
    """Why it cannot be used at `now` (epoch seconds), whoever asks; `zone` is the shop's."""
    valid, ends = offer.valid, ends_at(offer, issue)
    if valid.from_ is not None and now < valid.from_.timestamp():
        return [Reason("not_yet_valid", f"begins at {_iso(valid.from_)}", "valid.from", _iso(valid.from_))]
    if ends is not None and now >= ends:
        ended = _iso(datetime.fromtimestamp(ends, UTC))
        return [Reason("expired", f"ended at {ended}", "valid.until", ended)]
    if not valid.weekdays and not valid.hours:
        return []
    local = datetime.fromtimestamp(now, ZoneInfo(zone))
    if is_in_hours(valid, local):
        return []
    if valid.weekdays and not any(is_in_hours(valid, local.replace(hour=hour)) for hour in range(24)):
        days = ", ".join(valid.weekdays)
        return [Reason("not_today", f"is for {days}", "valid.weekdays", days, WEEKDAYS[local.weekday()])]
    hours = ", ".join("-".join(each) for each in valid.hours)
    return [Reason("not_at_this_hour", f"is for {hours} ({zone})", "valid.hours", hours, f"{local:%H:%M}")]


def is_in_hours(valid: Valid, local: datetime) -> bool:
    """Whether the shop's clock is in one of the windows, of one of the days."""
    today = _is_day(valid, local)
    if not valid.hours:
        return today
    yesterday = _is_day(valid, local - timedelta(days=1))
    # Times of two digits each compare as texts.
    time = f"{local:%H:%M}"
    for opens, closes in valid.hours:
        if opens < closes:
            if today and opens <= time < closes:
                return True
        elif (today and time >= opens) or (yesterday and time < closes):
            return True
    return False


def _is_day(valid: Valid, local: datetime) -> bool:
    return not valid.weekdays or WEEKDAYS[local.weekday()] in valid.weekdays


def _who(offer: Offer, issue: Issue, facts: Facts) -> list[Reason]:
    found, eligible = [], offer.eligible
    if issue.user_id is not None and issue.user_id != facts.user_id:
        found.append(Reason("other_user", "was issued to somebody else", "user_id"))
    if eligible.segments and not facts.segments & set(eligible.segments):
        told = f"is for {', '.join(eligible.segments)}"
        found.append(Reason("not_in_segment", told, "eligible.segments", ", ".join(eligible.segments)))
    if eligible.tiers and not facts.tiers & set(eligible.tiers):
        told = f"is for {', '.join(eligible.tiers)}"
        theirs = ", ".join(sorted(facts.tiers)) or None
        found.append(Reason("not_in_tier", told, "eligible.tiers", ", ".join(eligible.tiers), theirs))
    if eligible.first_order and not facts.first_order:
        known = "this is not the first" if facts.first_order is False else "nobody knows whether this is the first"
        found.append(Reason("not_first_order", f"is for a first order; {known}", "eligible.first_order"))
    return found


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
