"""One round of campaign messages: what is due is claimed, decided customer by customer, noted, and left to leave.

Consent, complaints, caps, quiet hours, holdouts, budgets and quotas are asked here, at the moment of sending, in the
transaction that notes the answer: what was true when a campaign was launched does not count any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from engine.mail_address import mail_address
from engine.storage.campaign_coupons import Wish, issue_coupons, read_offers
from engine.storage.campaign_outbox import Note, Row, claim_due, contacts_since, note, reached_groups, turn
from engine.storage.campaign_people import Customer
from engine.storage.campaign_persons import once_each
from engine.storage.campaign_purses import add_up, read_purse
from engine.storage.consents import last_words, merging
from engine.storage.ledger import LedgerConnection, LedgerPool, rows_of
from engine.storage.offer_ledger import StoredOffer
from engine.targeting.arbitration import Decision, Due, Person, Purse, arbitrate
from engine.targeting.campaign import Campaign, checked_campaign


@dataclass(frozen=True, slots=True)
class Habits:
    """What holds where a campaign does not say otherwise: the shop's zone, quiet hours and messages a day."""

    zone: str
    quiet: tuple[str, str] | None
    cap: int


@dataclass(frozen=True, slots=True)
class Leaving:
    """A message that may leave now. `day` is the customer's, on which it counts as a contact."""

    row: Row
    campaign: Campaign
    customer: Customer
    offer: StoredOffer | None
    code: str | None
    day: date


#: Who gives the customers of a round, and who lets its messages leave and says what became of each.
People = Callable[[Sequence[str]], Mapping[str, Customer]]
Leave = Callable[[LedgerConnection, Sequence[Leaving]], list[Note]]


def take_round(
    ledger: LedgerPool,
    habits: Habits,
    *,
    channels: Collection[str],
    most: int,
    people: People,
    leave: Leave,
    now: float,
    real_now: float,
) -> int:
    """Decide about what is due for at most `most` customers; how many messages that were. All of it or nothing."""
    with turn(ledger) as connection:
        merging(connection, alone=False)
        claimed = claim_due(connection, channels=channels, most=most, now=now, real_now=real_now)
        if not claimed:
            return 0
        rows, doubles = once_each(connection, claimed)
        users = list(dict.fromkeys(each.person for each in rows))
        facts = _facts(connection, rows, people(users))
        zone = ZoneInfo(habits.zone)
        purse = read_purse(connection, facts.campaigns, now=now, zone=zone)
        persons = _persons(connection, facts.customers, habits, now)
        sending, notes = _decided(rows, facts, persons, habits, purse, now)
        codes = _issue(connection, [row for row, _ in sending], facts.offers, now)
        left = leave(connection, [_leaving(row, day, facts, codes) for row, day in sending])
        note(connection, [*doubles, *notes, *left], now=now)
        add_up(connection, facts.campaigns, _given(left), now=now, zone=zone)
    return len(claimed)


@dataclass(frozen=True, slots=True)
class _Facts:
    campaigns: Mapping[str, Campaign]
    customers: Mapping[str, Customer]
    offers: Mapping[str, StoredOffer]


def _facts(connection: LedgerConnection, rows: Sequence[Row], customers: Mapping[str, Customer]) -> _Facts:
    found = rows_of(
        connection,
        "SELECT campaign_id, document::text FROM campaigns WHERE campaign_id = ANY (:ids)",
        ids=sorted({each.campaign_id for each in rows}),
    )
    offers = read_offers(connection, [each.offer_id for each in rows if each.offer_id is not None])
    return _Facts({name: _read(document) for name, document in found}, customers, offers)


def _decided(
    rows: Sequence[Row], facts: _Facts, persons: Mapping[str, Person], habits: Habits, purse: Purse, now: float
) -> tuple[list[tuple[Row, date]], list[Note]]:
    """What leaves, with the day on which it counts, and what does not."""
    by_user: dict[str, dict[tuple[str, int], Row]] = {}
    for row in rows:
        by_user.setdefault(row.person, {})[row.campaign_id, row.step] = row
    sending, notes = [], []
    for user, mine in by_user.items():
        due = [_due(row, facts, habits) for row in mine.values()]
        for decision in arbitrate(due, persons[user], now=now, purse=purse):
            row = mine[decision.due.campaign_id, decision.due.step]
            if decision.day is not None:
                sending.append((row, decision.day))
            else:
                notes.append(_held(row, decision))
    return sending, notes


@lru_cache(maxsize=256)
def _read(document: str) -> Campaign:
    return checked_campaign(json.loads(document))


def _persons(
    connection: LedgerConnection, customers: Mapping[str, Customer], habits: Habits, now: float
) -> dict[str, Person]:
    users = list(customers)
    # Nowhere is it the day before yesterday of the shop's own UTC day.
    since = datetime.fromtimestamp(now, UTC).date() - timedelta(days=1)
    said, groups = last_words(connection, users), reached_groups(connection, users)
    contacts = contacts_since(connection, users, since)
    return {
        user: Person(
            each.zone or habits.zone,
            each.minor,
            each.opted_out,
            each.complaint,
            each.subscribed,
            mail_address(each.email) is not None,
            said.get(user, {}),
            contacts.get(user, {}),
            groups.get(user, {}),
        )
        for user, each in customers.items()
    }


def _due(row: Row, facts: _Facts, habits: Habits) -> Due:
    campaign, offers = facts.campaigns[row.campaign_id], facts.offers
    silent = campaign.channel == "storefront"
    quiet = (campaign.quiet.from_, campaign.quiet.until) if campaign.quiet else habits.quiet
    cap = campaign.cap.messages if campaign.cap else None if silent else habits.cap or None
    refusal = None
    if row.arm != "treatment":
        refusal = "held_out"
    elif row.offer_id is not None and (row.offer_id not in offers or offers[row.offer_id].state != "active"):
        refusal = "offer_disabled"
    return Due(
        row.campaign_id, row.step, row.channel, campaign.purpose, campaign.priority, row.expected_profit or 0.0,
        row.expected_cost or 0.0, cap, quiet, campaign.exclusion_group,
        campaign.ends_at.timestamp() if campaign.ends_at else None, row.counted_on, refusal,
    )  # fmt: skip


def _held(row: Row, decision: Decision) -> Note:
    if decision.verdict == "skip":
        return Note(row, "skipped", decision.reason, row.attempts)
    # What was tried before stays counted: it may have arrived.
    return Note(row, "waiting", decision.reason, row.attempts, decision.until, counted_on=row.counted_on)


def _issue(
    connection: LedgerConnection, rows: Sequence[Row], offers: Mapping[str, StoredOffer], now: float
) -> dict[str, str]:
    wishes: dict[str, list[Wish]] = {}
    for row in rows:
        if row.offer_id is not None:
            wishes.setdefault(row.offer_id, []).append(Wish(row.message_id, row.offer_id, row.person))
    codes: dict[str, str] = {}
    for offer_id in sorted(wishes):
        codes |= issue_coupons(connection, offers[offer_id], wishes[offer_id], now=now)
    return codes


def _leaving(row: Row, day: date, facts: _Facts, codes: Mapping[str, str]) -> Leaving:
    offer, code = facts.offers.get(row.offer_id or ""), codes.get(row.message_id) or None
    return Leaving(row, facts.campaigns[row.campaign_id], facts.customers[row.person], offer, code, day)


def _given(left: Sequence[Note]) -> dict[str, tuple[int, float]]:
    """Messages and expected cost by campaign of what is counted from now on."""
    found: dict[str, tuple[int, float]] = {}
    for each in left:
        if each.counted_on is not None and each.row.counted_on is None:
            number, cost = found.get(each.row.campaign_id, (0, 0.0))
            found[each.row.campaign_id] = (number + 1, cost + (each.row.expected_cost or 0.0))
    return found
