"""Arbitration: of the messages that are due for one customer, which leave now, which wait, and which never leave.

One decision a customer, at the moment of sending: eligibility, then consent, then the campaign's own money and quota,
then quiet hours, then the exclusion group, then the cap; the higher priority is asked first, and of equals the one with
the larger expected value. Each message is told the reason that decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from engine.targeting.consents import Said, allowed

Verdict = Literal["send", "skip", "wait"]

#: Why a message is never sent, or waits, in the order in which it is asked.
REASONS: Mapping[str, str] = {
    "merged": "the customer turned out to be another one, who gets it or got it",
    "held_out": "the customer belongs to a holdout",
    "ended": "the campaign ended before it could leave",
    "offer_disabled": "its offer was disabled",
    "minor": "the customer is a child",
    "opted_out": "the customer wants nothing that is chosen for them",
    "no_consent": "the customer did not agree, or took it back",
    "no_address": "nobody knows where to send it",
    "suppressed": "a complaint of the customer's is open",
    "budget": "the campaign's budget is spent",
    "quota": "the hour's or day's part of the campaign is given out",
    "quiet": "it is night where the customer lives",
    "exclusion_group": "another campaign of its group reached the customer",
    "capped": "the customer got enough messages on the channel today",
}
#: Channels on which nobody is disturbed: the customer comes by themselves, or somebody else sends.
_SILENT = frozenset({"storefront", "file"})
_SUPPRESSED_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of a customer at the moment; `said` as `engine.storage.consents.last_words` tells it.

    `contacts` counts messages by channel and the customer's own day. `groups` are exclusion groups with the campaign
    that reached the customer.
    """

    zone: str
    minor: bool = False
    opted_out: bool = False
    complaint: bool = False
    subscribed: bool | None = None
    has_address: bool = True
    said: Mapping[tuple[str, str], Said] = field(default_factory=dict)
    contacts: Mapping[tuple[str, date], int] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Due:
    """One message. `cap` messages a day on its channel, None for none; `quiet` are wall clock times, None for none.

    `value` and `cost` are expected ones, minor units; `ends_at` in epoch seconds. `counted` is the day on which it is
    counted already. `refusal` is what speaks against it whoever the customer is: held_out, offer_disabled.
    """

    campaign_id: str
    step: int
    channel: str
    purpose: str
    priority: int = 0
    value: float = 0.0
    cost: float = 0.0
    cap: int | None = None
    quiet: tuple[str, str] | None = None
    exclusion_group: str | None = None
    ends_at: float | None = None
    counted: date | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """`until` is when a waiting message is asked again, epoch seconds; `day` that on which one that is sent counts."""

    due: Due
    verdict: Verdict
    reason: str | None = None
    until: float | None = None
    day: date | None = None


class Purse:
    """What campaigns may still give out, in all and in this hour or day, minor units. What leaves takes of it."""

    def __init__(self, quotas: Mapping[str, tuple[float, float]], money: Mapping[str, float]) -> None:
        """`quotas`: what is left, and when it is filled anew; campaigns that are not named have no bound."""
        self._quotas = {name: [left, again] for name, (left, again) in quotas.items()}
        self._money = dict(money)

    def fault(self, campaign_id: str, cost: float) -> tuple[str, float | None] | None:
        """The reason why nothing can be taken, and until when, if it is not for good."""
        if self._money.get(campaign_id, cost) < cost:
            return "budget", None
        left, again = self._quotas.get(campaign_id, (cost, 0.0))
        return ("quota", again) if left < cost else None

    def take(self, campaign_id: str, cost: float) -> None:
        if campaign_id in self._money:
            self._money[campaign_id] -= cost
        if campaign_id in self._quotas:
            self._quotas[campaign_id][0] -= cost


def arbitrate(messages: Iterable[Due], person: Person, *, now: float, purse: Purse) -> list[Decision]:
    """What becomes of all messages that are due for one customer."""
    zone = ZoneInfo(person.zone)
    today = datetime.fromtimestamp(now, zone).date()
    contacts, groups = dict(person.contacts), dict(person.groups)
    found = []
    for due in sorted(messages, key=lambda each: (-each.priority, -each.value, each.campaign_id, each.step)):
        decision = (
            _unfit(due, person, now)
            or _too_dear(due, purse)
            or _untimely(due, zone, now)
            or _too_much(due, contacts, groups, zone, today)
        )
        if decision is None:
            decision = Decision(due, "send", day=today)
            purse.take(due.campaign_id, 0.0 if due.counted else due.cost)
            if due.exclusion_group:
                groups[due.exclusion_group] = due.campaign_id
            contacts[due.channel, today] = contacts.get((due.channel, today), 0) + (due.counted != today)
        found.append(_in_time(decision))
    return found


def _unfit(due: Due, person: Person, now: float) -> Decision | None:
    answers_customer = due.purpose == "service"
    if due.ends_at is not None and now >= due.ends_at:
        return Decision(due, "skip", "ended")
    held = {
        "minor": person.minor and not answers_customer,
        "opted_out": person.opted_out and not answers_customer,
        "no_consent": not allowed(due.purpose, due.channel, person.said, person.subscribed),
        "no_address": due.channel == "email" and not person.has_address,
    }
    reason = due.refusal or next((name for name, holds in held.items() if holds), None)
    if reason is not None:
        return Decision(due, "skip", reason)
    if person.complaint and not answers_customer:
        return Decision(due, "wait", "suppressed", now + _SUPPRESSED_SECONDS)
    return None


def _too_dear(due: Due, purse: Purse) -> Decision | None:
    if due.counted is not None:
        return None  # what it takes was taken when it was tried before
    fault = purse.fault(due.campaign_id, due.cost)
    if fault is None:
        return None
    reason, again = fault
    return Decision(due, "skip", reason) if again is None else Decision(due, "wait", reason, again)


def _untimely(due: Due, zone: ZoneInfo, now: float) -> Decision | None:
    if due.quiet is None or due.channel in _SILENT:
        return None
    until = quiet_until(now, zone, *due.quiet)
    return None if until is None else Decision(due, "wait", "quiet", until)


def _too_much(
    due: Due, contacts: Mapping[tuple[str, date], int], groups: Mapping[str, str], zone: ZoneInfo, today: date
) -> Decision | None:
    first = groups.get(due.exclusion_group or "")
    if first is not None and first != due.campaign_id:
        return Decision(due, "skip", "exclusion_group")
    if due.cap is None or due.purpose == "service":
        return None
    got = contacts.get((due.channel, today), 0) - (due.counted == today)
    if got < due.cap:
        return None
    return Decision(due, "wait", "capped", midnight(today + timedelta(days=1), zone))


def _in_time(decision: Decision) -> Decision:
    """Who would wait until the campaign is over need not wait."""
    ends_at = decision.due.ends_at
    if decision.verdict == "wait" and ends_at is not None and (decision.until or 0.0) >= ends_at:
        return Decision(decision.due, "skip", decision.reason)
    return decision


def quiet_until(now: float, zone: ZoneInfo, begins: str, ends: str) -> float | None:
    """When the quiet hours end that `now` lies in, None outside of them. A window may go over midnight.

    Wall clock times: where clocks are put back, a window that ends in the repeated hour ends at its second turn, if
    the first is over; an end that clocks jump over is where they land.
    """
    local = datetime.fromtimestamp(now, zone)
    first, last, wall = time.fromisoformat(begins), time.fromisoformat(ends), local.time()
    if first == last:
        return None
    inside = first <= wall < last if first < last else wall >= first or wall < last
    if not inside:
        return None
    day = local.date() + timedelta(days=1 if first > last and wall >= first else 0)
    turn, second = (datetime.combine(day, last, zone).replace(fold=fold).timestamp() for fold in (0, 1))
    # (of an hour that clocks jump over, Python's second turn lies before the first)
    return next((each for each in (turn, second) if each > now and each >= turn), now + 60.0)


def midnight(day: date, zone: ZoneInfo) -> float:
    """Epoch seconds of the beginning of a day there."""
    return datetime.combine(day, time(), zone).astimezone(UTC).timestamp()


def period_of(now: float, zone: ZoneInfo, per: str) -> tuple[str, float]:
    """The name of the hour or day of a quota, and when the next begins (epoch seconds)."""
    local = datetime.fromtimestamp(now, zone)
    if per == "day":
        return f"day {local.date()}", midnight(local.date() + timedelta(days=1), zone)
    hour = now - now % 3_600 + 3_600
    return f"hour {datetime.fromtimestamp(hour - 3_600, UTC):%Y-%m-%dT%H}Z", hour
