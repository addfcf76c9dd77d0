"""Triggers: what makes a customer a member of a campaign while it runs, and when the same may happen to them again.

Each look finds what occurred in the last days, so that events which came late are seen; what led to a message before is
told by the moment at which it occurred. So a look that is repeated, a clock that is set back and a customer who goes
round in a circle lead to no second message before `again_after` is over; without it, to none at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from engine.errors import BadInput
from engine.targeting.arbitration import midnight
from engine.targeting.calendar import holidays
from engine.targeting.campaign_parts import Trigger
from engine.targeting.terms_reader import duration, seconds_of

#: Occurrences are looked for so far back: longer than an event is on its way, shorter than anybody would wonder about.
LOOK_BACK_SECONDS = 2 * 86_400.0
#: What is so on a day, such as a birthday, counts although the campaign began later on that day.
OF_A_DAY = frozenset({"birthday", "calendar", "due_again", "cart_left"})
#: Below this a loop of events would be a loop of messages.
LEAST_AGAIN_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What a trigger stands for. `needs` and `may` are the words beside `on` and `again_after`, with what they mean."""

    meaning: str
    needs: Mapping[str, str]
    may: Mapping[str, str]


_AFTER = {"after": "how long after it, such as PT4H"}
_BEFORE = {"before": "how long before it, such as P3D"}
KINDS: Mapping[str, Kind] = {
    "entered": Kind("The customer entered a segment or ready-made group.", {"segment": "which one"}, _AFTER),
    "cart_left": Kind("Something was left in the cart.", {}, _AFTER),
    "due_again": Kind("The next order is due, by the customer's own interval.", {}, _BEFORE),
    "delivered": Kind("An order arrived.", {}, _AFTER),
    "signed_up": Kind("The customer was seen for the first time.", {}, _AFTER),
    "birthday": Kind("The customer's birthday is near.", {}, _BEFORE),
    "calendar": Kind("A day of the calendar is near.", {"day": "double_11, 618, a holiday's id, or MM-DD"}, _BEFORE),
    "tier_change": Kind("The customer came into a class of a classification, such as a higher membership level.",
                        {"classification": "which one"}, {"class": "into which class only", **_AFTER}),
    "price_drop": Kind("Something that the customer saved or left in the cart became cheaper.", {},
                       {"least": "part of the price that it fell by, at least; 0.05 where it is not said"}),
}  # fmt: skip
_DURATIONS = ("after", "before")
_LONGEST_SECONDS = 90 * 86_400.0
_DEFAULT_AFTER: Mapping[str, float] = {"cart_left": 4 * 3_600.0}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened to a customer, at a moment of the shop's clock (epoch seconds)."""

    user_id: str
    at: float


def checked_trigger(trigger: Trigger) -> Trigger:
    """The trigger as it was given. Raises BadInput that names what is missing, unknown or too short."""
    kind = KINDS.get(trigger.on)
    if kind is None:
        known = ", ".join(KINDS)
        raise BadInput(f"trigger.on: {trigger.on[:50]!a} is no trigger; one of {known}", field="trigger.on")
    for name, meaning in kind.needs.items():
        if not isinstance(trigger.more.get(name), str):
            raise BadInput(f"trigger.{name}: say {meaning}", field=f"trigger.{name}")
    known_words = {**kind.needs, **kind.may}
    for name in trigger.more:
        if name not in known_words:
            told = f"; it knows {', '.join(known_words)}" if known_words else ""
            raise BadInput(f"trigger.{name}: nobody knows this of {trigger.on}{told}", field=f"trigger.{name}")
    if not isinstance(trigger.more.get("class", ""), str):
        raise BadInput("trigger.class: say into which class only, as a text", field="trigger.class")
    for name in _DURATIONS:
        if name in trigger.more:
            _duration(trigger, name)
    if not 0 < least_drop(trigger) < 1:
        raise BadInput("trigger.least: a part of the price, such as 0.1", field="trigger.least")
    if trigger.on == "calendar":
        next_day(trigger, date(2026, 1, 1))
    if trigger.again_after is not None and seconds_of(trigger.again_after) < LEAST_AGAIN_SECONDS:
        told = "is less than an hour, and would make a loop of events a loop of messages"
        raise BadInput(f"trigger.again_after: {told}", field="trigger.again_after")
    return trigger


def shift_of(trigger: Trigger) -> float:
    """Seconds between what happens and the message: behind it, or before it where it is negative."""
    if "before" in trigger.more:
        return -_duration(trigger, "before")
    if "after" in trigger.more:
        return _duration(trigger, "after")
    return _DEFAULT_AFTER.get(trigger.on, 0.0)


def least_drop(trigger: Trigger) -> float:
    """The part of the price that something must have fallen by."""
    told = trigger.more.get("least", 0.05)
    return float(told) if type(told) in (int, float) else 0.0


def next_day(trigger: Trigger, today: date) -> date:
    """The day of the calendar that is meant, today or the next time. Raises BadInput for none that is known."""
    wanted = str(trigger.more["day"])
    coming = next((each.day for each in holidays(today, days=366) if each.id == wanted), None)
    if coming is not None:
        return coming
    for year in range(today.year, today.year + 5):
        try:
            found = date.fromisoformat(f"{year}-{wanted}")
        except ValueError:
            continue
        if found >= today:
            return found
    names = ", ".join(sorted({each.id for each in holidays(today, days=366)}))
    raise BadInput(f"trigger.day: {wanted[:50]!a} is none of {names}, and no MM-DD", field="trigger.day")


def calendar_moment(trigger: Trigger, now: float, zone: ZoneInfo) -> float | None:
    """When everybody is due for the day of the calendar, if that was within the look back; epoch seconds."""
    today = datetime.fromtimestamp(now, zone).date()
    # A message before the day belongs to a day that lies ahead, one on the day to today.
    for day in {next_day(trigger, today - timedelta(days=2)), next_day(trigger, today)}:
        at = midnight(day, zone) + shift_of(trigger)
        if now - LOOK_BACK_SECONDS < at <= now:
            return at
    return None


def fired(
    trigger: Trigger, occurrences: Sequence[Occurrence], before: Mapping[str, tuple[int, float]], *, now: float
) -> dict[str, tuple[int, float]]:
    """Who gets a message now: the step of it and the moment of what occurred, by user.

    `before` tells the last step of each customer and when what led to it occurred.
    """
    again = None if trigger.again_after is None else seconds_of(trigger.again_after)
    found: dict[str, tuple[int, float]] = {}
    for each in sorted(occurrences, key=lambda one: one.at):
        if each.user_id in found or not now - LOOK_BACK_SECONDS < each.at <= now:
            continue
        last = before.get(each.user_id)
        if last is None:
            found[each.user_id] = (0, each.at)
        elif again is not None and each.at >= last[1] + again:
            found[each.user_id] = (last[0] + 1, each.at)
    return found


def _duration(trigger: Trigger, name: str) -> float:
    seconds = seconds_of(duration(trigger.more[name], f"trigger.{name}"))
    if seconds > _LONGEST_SECONDS:
        raise BadInput(f"trigger.{name}: at most 90 days", field=f"trigger.{name}")
    return float(seconds)
