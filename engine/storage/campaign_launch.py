"""Launch: the audience is frozen, its messages wait in the outbox, its coupons are issued; all of it or nothing.

Everything is written in one transaction, so that a launch that was cut has not happened and may be repeated. An
advisory lock is held from the plan to the commit: of two launches at once one is told that the other is under way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import BadInput, NotAllowed
from engine.settings import Settings
from engine.storage.campaign_moves import due_campaigns, note_approval, unschedule_campaign
from engine.storage.campaign_plan import PlannedCampaign, plan_campaign
from engine.storage.campaigns import StoredCampaign, campaign_changes, find_campaign, note_change
from engine.storage.coupon_bulk import csv_of, issue_to_many, repeated
from engine.storage.home import Home
from engine.storage.ledger import LedgerConnection, LedgerPool, connection_of, copy_csv, rows_of
from engine.storage.offer_ledger import find_offer
from engine.storage.segments import moment
from engine.targeting.campaign_draws import ARMS, message_id
from engine.targeting.campaign_states import moved, needs_approval
from engine.targeting.offers import checked_offer

#: What a launch goes through; those that are scheduled or triggered are not planned.
STAGES = ("plan", "freeze")
_MEMBERS = (
    "campaign_id", "user_id", "arm", "variant", "offer_id", "segment", "propensity", "expected_cost",
    "expected_profit", "before_orders", "before_revenue", "joined_at",
)  # fmt: skip
_OUTBOX = ("campaign_id", "user_id", "step", "channel", "due_at")


def launch_campaign(
    home: Home,
    ledger: LedgerPool,
    campaign_id: str,
    settings: Settings,
    *,
    actor: str | None,
    now: float,
    token: str | None = None,
    goes_on: Callable[[str], bool] = lambda stage: True,
) -> StoredCampaign:
    """Start a campaign, or schedule it where it starts later.

    `token` names this launch: repeated under the same one after it was done, it changes nothing. `goes_on` is told each
    stage of STAGES before it begins and ends the launch when it is False. Raises UnknownThing, and NotAllowed or
    BadInput that says why it cannot start; then nothing is stored.
    """
    found = find_campaign(ledger, campaign_id)
    if token is not None and _was_done(ledger, found, token):
        return found
    check_launch(found, settings, now=now)
    with connection_of(ledger) as connection:
        lock_launch(connection, campaign_id)
        campaign, planned = found.campaign, None
        later = found.starts_at is not None and found.starts_at.timestamp() > now
        for each in campaign.offers:
            find_offer(connection, each.offer_id)
        if not later and campaign.trigger is None:
            if not goes_on("plan"):
                return found
            planned = plan_campaign(home, ledger, found, settings, now=now)
            if planned.stops:
                raise planned.stops[0]
        if not goes_on("freeze"):
            return found
        _check_unchanged(connection, found)
        if found.approved_at is None:
            detail = {"revision": found.revision, "by_itself": f"budget up to {settings.approval_budget}"}
            note_approval(connection, found, state="approved", detail=detail, actor=None, now=now)
        if planned is not None:
            _freeze(connection, found, planned, now)
        _start(connection, found, planned, "scheduled" if later else "running", token, actor=actor, now=now)
        return find_campaign(connection, campaign_id)


def check_launch(found: StoredCampaign, settings: Settings, *, now: float) -> None:
    """NotAllowed or BadInput for a campaign that is not ready: its state, its approval, its end."""
    moved(found.state, "start" if found.state == "scheduled" else "launch")
    if found.approved_at is None and needs_approval(found.campaign, settings.approval_budget):
        raise NotAllowed(
            f"budget: above {settings.approval_budget:,} somebody else than its author must approve a campaign first",
            code="approval_needed", field="budget",
        )  # fmt: skip
    if found.ends_at is not None and found.ends_at.timestamp() <= now:
        raise BadInput("ends_at: lies in the past; say a later time", field="ends_at")


def lock_launch(connection: LedgerConnection, campaign_id: str) -> None:
    """Held until the transaction ends. NotAllowed while somebody else launches the campaign."""
    ((mine,),) = rows_of(
        connection,
        "SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || :id, 4))",
        id=campaign_id,
    )
    if not mine:
        raise NotAllowed("this campaign is being launched already", code="launch_under_way", field="campaign_id")


def start_due_campaigns(home: Home, ledger: LedgerPool, settings: Settings, *, now: float) -> dict[str, str]:
    """Launch the scheduled campaigns whose time has come; what became of each: running, or why it was refused.

    A refused one is taken off the schedule and stays approved, with the reason on record.
    """
    told = {}
    for campaign_id in due_campaigns(ledger, now=now):
        try:
            told[campaign_id] = launch_campaign(home, ledger, campaign_id, settings, actor=None, now=now).state
        except (NotAllowed, BadInput) as problem:
            if problem.code == "launch_under_way":
                continue
            unschedule_campaign(ledger, campaign_id, reason=problem.message, actor=None, now=now)
            told[campaign_id] = problem.message
    return told


def _was_done(ledger: LedgerPool, found: StoredCampaign, token: str) -> bool:
    if found.state in ("draft", "approved"):
        return False
    return any(each.detail.get("token") == token for each in campaign_changes(ledger, found.id))


def _check_unchanged(connection: LedgerConnection, found: StoredCampaign) -> None:
    now_at = find_campaign(connection, found.id, locked=True)
    if (now_at.state, now_at.revision) != (found.state, found.revision):
        raise NotAllowed(
            "the campaign was changed while its launch was planned; look at it and launch it again",
            code="changed_meanwhile", field="revision",
        )  # fmt: skip


def _start(
    connection: LedgerConnection,
    found: StoredCampaign,
    planned: PlannedCampaign | None,
    state: str,
    token: str | None,
    *,
    actor: str | None,
    now: float,
) -> None:
    rows_of(
        connection,
        "UPDATE campaigns SET state = :state, plan = CAST(:plan AS JSONB),"
        " launched_at = CASE WHEN :state = 'running' THEN CAST(:at AS TIMESTAMPTZ) END WHERE campaign_id = :id",
        id=found.id,
        state=state,
        plan=None if planned is None else json.dumps(planned.record),
        at=moment(now),
    )
    detail: dict[str, Any] = {"revision": found.revision}
    detail |= {} if token is None else {"token": token}
    detail |= {} if planned is None else {name: planned.record[name] for name in ("customers", "treated")}
    note_change(connection, found.id, "launched" if state == "running" else state, detail, actor=actor, now=now)


def _freeze(connection: LedgerConnection, found: StoredCampaign, planned: PlannedCampaign, now: float) -> None:
    """Members, messages and coupons of those who were drawn or planned."""
    people, assigned = planned.people, planned.assigned
    assert assigned is not None  # a plan without members is stopped before
    number, treated = len(assigned.rows), np.flatnonzero(assigned.treated)
    users = pa.array(people.user_ids, pa.string()).take(pa.array(assigned.rows))
    at = datetime.fromtimestamp(now, UTC).isoformat()
    # What somebody held out would have got is told by the variant alone: an offer is what was given.
    offer = np.where(assigned.treated, assigned.offer, -1)
    members = {
        "campaign_id": repeated(found.id, number),
        "user_id": users,
        "arm": _named(list(ARMS), assigned.arm),
        "variant": _named(list(assigned.variants), assigned.variant),
        "offer_id": _named([*(each.offer_id for each in planned.offers), None], offer),
        "segment": _named_or_null(people.segment[assigned.rows]),
        "propensity": pa.array(assigned.propensity),
        "expected_cost": _of_treated(assigned.cost, assigned.treated),
        "expected_profit": _of_treated(assigned.profit, assigned.treated),
        "before_orders": pa.array(people.before_orders[assigned.rows]),
        "before_revenue": pa.array(people.before_revenue[assigned.rows]),
        "joined_at": repeated(at, number),
    }
    copy_csv(connection, "campaign_members", _MEMBERS, csv_of(pa.table(members)))
    told = {
        "campaign_id": repeated(found.id, len(treated)),
        "user_id": users.take(pa.array(treated)),
        "step": repeated(0, len(treated)),
        "channel": repeated(found.campaign.channel, len(treated)),
        "due_at": repeated(at, len(treated)),
    }
    copy_csv(connection, "campaign_outbox", _OUTBOX, csv_of(pa.table(told)))
    for place, each in enumerate(planned.offers):
        if checked_offer(dict(each.terms)).code == "unique":
            mine = users.take(pa.array(np.flatnonzero(offer == place))).to_pylist()
            issue_to_many(connection, each, mine, [message_id(found.id, user) for user in mine], now=now)


def _named(names: list[Any], places: Any) -> pa.Array:
    """Texts by their places; -1 is the last."""
    return pa.array(names, pa.string()).take(pa.array(np.where(places < 0, len(names) - 1, places)))


def _named_or_null(labels: Any) -> pa.Array:
    names, places = np.unique(labels, return_inverse=True)
    return pa.array([str(each) or None for each in names], pa.string()).take(pa.array(places))


def _of_treated(told: Any, treated: Any) -> pa.Array:
    return pa.array(np.where(treated, told, np.nan), from_pandas=True)
