"""Triggered campaigns: customers to whom something happened become members, and their message waits to be sent.

The arm is drawn as at a launch, by the same salted hash, so that those held out are such as would have been written to.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from engine.errors import NotAllowed
from engine.settings import Settings
from engine.storage.campaign_audience import People, read_people
from engine.storage.campaign_launch import lock_launch
from engine.storage.campaign_occurrences import occurrences
from engine.storage.campaign_outbox import PERSONS
from engine.storage.campaigns import StoredCampaign, list_campaigns
from engine.storage.home import Home
from engine.storage.ledger import Ledger, LedgerConnection, LedgerPool, connection_of, rows_of
from engine.storage.segments import moment
from engine.storage.shop_secrets import HOLDOUT_SALT, shop_secret
from engine.targeting.assignment import Assigned, assign
from engine.targeting.campaign_draws import ARMS, Holdouts
from engine.targeting.plans import PlannedOffer
from engine.targeting.triggers import OF_A_DAY, Occurrence, fired

_DAY = timedelta(days=1)


def pull_triggers(home: Home, ledger: LedgerPool, settings: Settings, *, now: float) -> dict[str, int]:
    """Look at all running campaigns that wait for something; how many messages each got to send.

    `now` is the shop's time. Repeated at once it finds nothing new. Raises NotEnoughData before the customers were
    computed.
    """
    told = {}
    for stored in _triggered(ledger):
        try:
            told[stored.id] = pull(home, ledger, stored, settings, now=now)
        except NotAllowed:
            continue  # somebody else looks at it, or it was paused meanwhile
    return told


def pull(home: Home, ledger: LedgerPool, stored: StoredCampaign, settings: Settings, *, now: float) -> int:
    """The same for one campaign, all of it or nothing. NotAllowed while another process looks at it."""
    trigger = stored.campaign.trigger
    assert trigger is not None and stored.launched_at is not None
    begun = stored.launched_at - (_DAY if trigger.on in OF_A_DAY else timedelta())
    seen = occurrences(home, trigger, since=begun.timestamp(), now=now, zone=settings.zone)
    if not seen:
        return 0
    with connection_of(ledger) as connection:
        lock_launch(connection, stored.id)
        if trigger.on == "calendar" and _was_told(connection, stored.id, seen[0]):
            return 0
        before = _before(connection, stored.id, [each.user_id for each in seen])
        due = fired(trigger, seen, before, now=now)
        if not due:
            return 0
        people = read_people(home, connection, stored.campaign, settings, now=now, only=due)
        if not people.user_ids or not _still_runs(connection, stored.id):
            return 0
        _join(connection, stored, people, _assigned(connection, stored, people, settings), now)
        return _put_out(connection, stored, people.user_ids, due)


def _triggered(ledger: Ledger) -> list[StoredCampaign]:
    found: list[StoredCampaign] = []
    after = ""
    while page := list_campaigns(ledger, state="running", after=after):
        found += [each for each in page if each.document.get("trigger") is not None and each.launched_at is not None]
        after = page[-1].id
    return found


def _was_told(connection: LedgerConnection, campaign_id: str, day: Occurrence) -> bool:
    """Whether the day of the calendar led to messages already: all of them are put out at once."""
    known = rows_of(
        connection,
        "SELECT 1 FROM campaign_outbox WHERE campaign_id = :id AND occurred_at = :at LIMIT 1",
        id=campaign_id,
        at=moment(day.at),
    )
    return bool(known)


def _before(connection: LedgerConnection, campaign_id: str, users: list[str]) -> dict[str, tuple[int, float]]:
    """What each of these persons was told last, under whichever of their ids."""
    rows = rows_of(
        connection,
        f"WITH {PERSONS} SELECT told.id, max(o.step), extract(epoch FROM max(o.occurred_at))::float8"
        " FROM unnest(CAST(:users AS TEXT[])) AS told (id) LEFT JOIN merged_users k ON k.user_id = told.id"
        " JOIN ids ON ids.person = coalesce(k.into_user, told.id)"
        " JOIN campaign_outbox o ON o.campaign_id = :id AND o.user_id = ids.user_id GROUP BY told.id",
        id=campaign_id,
        users=users,
    )
    return {user: (step, at or 0.0) for user, step, at in rows}


def _still_runs(connection: LedgerConnection, campaign_id: str) -> bool:
    told = "SELECT 1 FROM campaigns WHERE campaign_id = :id AND state = 'running' FOR SHARE"
    return bool(rows_of(connection, told, id=campaign_id))


def _assigned(connection: LedgerConnection, stored: StoredCampaign, people: People, settings: Settings) -> Assigned:
    campaign = stored.campaign
    salt = shop_secret(connection, HOLDOUT_SALT)
    holdouts = Holdouts(salt, settings.global_holdout, stored.salt, campaign.holdout)
    # What the offers take off is of no matter in a draw: the budget is kept when messages are sent.
    offers = [PlannedOffer(each.offer_id, 0.0, campaign.reason_class_of(each) or "") for each in campaign.offers]
    return assign(campaign, people.user_ids, people.segment, offers, None, holdouts)


def _join(connection: LedgerConnection, stored: StoredCampaign, people: People, assigned: Assigned, now: float) -> None:
    """New members; who is one keeps what was drawn."""
    offers = [each.offer_id for each in stored.campaign.offers]
    rows = assigned.rows.tolist()
    treated = assigned.treated.tolist()
    offer = np.where(assigned.treated, assigned.offer, -1).tolist()
    rows_of(
        connection,
        "INSERT INTO campaign_members (campaign_id, user_id, arm, variant, offer_id, segment, propensity,"
        " before_orders, before_revenue, joined_at) SELECT :id, m.*, :at FROM unnest(CAST(:users AS TEXT[]),"
        " CAST(:arms AS TEXT[]), CAST(:variants AS TEXT[]), CAST(:offers AS TEXT[]), CAST(:segments AS TEXT[]),"
        " CAST(:chances AS FLOAT8[]), CAST(:orders AS BIGINT[]), CAST(:revenues AS BIGINT[])) AS m"
        " ON CONFLICT DO NOTHING",
        id=stored.id,
        at=moment(now),
        users=[people.user_ids[row] for row in rows],
        arms=[ARMS[arm] for arm in assigned.arm.tolist()],
        variants=[assigned.variants[place] for place in assigned.variant.tolist()],
        offers=[offers[place] if place >= 0 and mine else None for place, mine in zip(offer, treated, strict=True)],
        segments=[str(people.segment[row]) or None for row in rows],
        chances=assigned.propensity.tolist(),
        orders=people.before_orders[assigned.rows].tolist(),
        revenues=people.before_revenue[assigned.rows].tolist(),
    )


def _put_out(
    connection: LedgerConnection, stored: StoredCampaign, users: list[str], due: dict[str, tuple[int, float]]
) -> int:
    """A message for each of these who is treated; how many that are."""
    made = rows_of(
        connection,
        "INSERT INTO campaign_outbox (campaign_id, user_id, step, channel, due_at, occurred_at)"
        " SELECT :id, d.user_id, d.step, :channel, d.at, d.at FROM unnest(CAST(:users AS TEXT[]),"
        " CAST(:steps AS INT[]), CAST(:ats AS TIMESTAMPTZ[])) AS d (user_id, step, at) JOIN campaign_members m"
        " ON m.campaign_id = :id AND m.user_id = d.user_id AND m.arm = 'treatment' ON CONFLICT DO NOTHING RETURNING 1",
        id=stored.id,
        channel=stored.campaign.channel,
        users=users,
        steps=[due[user][0] for user in users],
        ats=[moment(due[user][1]) for user in users],
    )
    return len(made)
