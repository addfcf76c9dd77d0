"""What is done to a campaign between its draft and its end: edits, approvals and moves from state to state.

Each is one transaction that holds the campaign's row, so that two who come together come one after the other, and
leaves a line in the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import NotAllowed
from engine.storage.campaigns import StoredCampaign, columns_of, find_campaign, note_change
from engine.storage.ledger import Ledger, LedgerConnection, connection_of, rows_of
from engine.storage.segments import moment
from engine.targeting.campaign import Campaign
from engine.targeting.campaign_states import (
    changed_fields,
    check_approver,
    check_new_end,
    check_safe_edit,
    moved,
    needs_approval,
)


def edit_campaign(
    ledger: Ledger,
    campaign_id: str,
    campaign: Campaign,
    *,
    revision: int | None = None,
    approval_budget: int,
    actor: str | None,
    now: float,
) -> StoredCampaign:
    """Give it this document, its next revision; the same one again changes nothing.

    One that was approved or scheduled is a draft again. Of one that runs only what is safe may change, and a budget
    raised above `approval_budget` pauses it until somebody else approved. `revision` is the one that the editor saw.
    Raises UnknownThing, BadInput, NotAllowed where somebody was faster or the edit is not safe.
    """
    with connection_of(ledger) as connection:
        found = find_campaign(connection, campaign_id, locked=True)
        if revision is not None and revision != found.revision:
            raise NotAllowed(
                f"the campaign is at revision {found.revision} now, not {revision}; read it again",
                code="changed_meanwhile", field="revision",
            )  # fmt: skip
        if found.state == "completed":
            raise NotAllowed("a campaign that is completed stays as it was", code="wrong_state", field="state")
        before = found.campaign
        if not changed_fields(before, campaign):
            return found
        state, approved = "draft", False
        if found.state in ("running", "paused"):
            changed = check_safe_edit(before, campaign)
            check_new_end(campaign, now)
            raised = "budget" in changed and needs_approval(campaign, approval_budget)
            approved = found.approved_at is not None and not raised
            state = "paused" if raised else found.state
        rows_of(
            connection,
            "UPDATE campaigns SET state = :state, revision = revision + 1, document = CAST(:document AS JSONB),"
            " starts_at = :starts, ends_at = :ends, updated_at = :at, updated_by = :actor,"
            " approved_at = CASE WHEN :approved THEN approved_at END,"
            " approved_by = CASE WHEN :approved THEN approved_by END WHERE campaign_id = :id",
            id=campaign_id, state=state, approved=approved, at=moment(now), actor=actor, **columns_of(campaign),
        )  # fmt: skip
        detail = {"revision": found.revision + 1, "fields": changed_fields(before, campaign), "state": state}
        note_change(connection, campaign_id, "edited", detail, actor=actor, now=now)
        return find_campaign(connection, campaign_id)


def approve_campaign(ledger: Ledger, campaign_id: str, *, actor: str | None, now: float) -> StoredCampaign:
    """Let it be launched, or go on after its budget was raised, as it stands now.

    Raises UnknownThing, NotAllowed for who wrote it or changed it last, and where there is nothing to approve.
    """
    with connection_of(ledger) as connection:
        found = find_campaign(connection, campaign_id, locked=True)
        state = moved(found.state, "approve")
        if found.state == "paused":
            if found.approved_at is not None:
                raise NotAllowed("a campaign that is paused is approved already", code="wrong_state", field="state")
            state = "paused"
        check_approver(actor, found.created_by, found.updated_by)
        note_approval(connection, found, state=state, detail={"revision": found.revision}, actor=actor, now=now)
        return find_campaign(connection, campaign_id)


def note_approval(
    connection: LedgerConnection,
    found: StoredCampaign,
    *,
    state: str,
    detail: Mapping[str, Any],
    actor: str | None,
    now: float,
) -> None:
    """The approval of the revision that was found."""
    rows_of(
        connection,
        "UPDATE campaigns SET state = :state, approved_at = :at, approved_by = :actor WHERE campaign_id = :id",
        id=found.id,
        state=state,
        at=moment(now),
        actor=actor,
    )
    note_change(connection, found.id, "approved", detail, actor=actor, now=now)


def pause_campaign(
    ledger: Ledger, campaign_id: str, *, reason: str | None = None, actor: str | None, now: float
) -> StoredCampaign:
    """Send nothing more until it is resumed. Raises UnknownThing, NotAllowed unless it runs."""
    return _move(ledger, campaign_id, "pause", reason, actor=actor, now=now)


def resume_campaign(
    ledger: Ledger, campaign_id: str, *, reason: str | None = None, actor: str | None, now: float
) -> StoredCampaign:
    """Go on where it was paused. Raises UnknownThing, NotAllowed unless it is paused and approved."""
    return _move(ledger, campaign_id, "resume", reason, actor=actor, now=now)


def complete_campaign(
    ledger: Ledger, campaign_id: str, *, reason: str | None = None, actor: str | None, now: float
) -> StoredCampaign:
    """End it for good: what waits is not sent any more. Raises UnknownThing, NotAllowed unless it runs or is paused."""
    return _move(ledger, campaign_id, "complete", reason, actor=actor, now=now)


def unschedule_campaign(
    ledger: Ledger, campaign_id: str, *, reason: str | None = None, actor: str | None, now: float
) -> StoredCampaign:
    """Take a scheduled launch back; it stays approved. Raises UnknownThing, NotAllowed unless it is scheduled."""
    return _move(ledger, campaign_id, "unschedule", reason, actor=actor, now=now)


def complete_due_campaigns(ledger: Ledger, *, now: float) -> list[str]:
    """End those whose time is over; their ids."""
    with connection_of(ledger) as connection:
        due = rows_of(
            connection,
            "SELECT campaign_id FROM campaigns WHERE state IN ('running', 'paused') AND ends_at <= :at"
            " ORDER BY campaign_id FOR UPDATE SKIP LOCKED",
            at=moment(now),
        )
        for (campaign_id,) in due:
            complete_campaign(connection, campaign_id, reason="its time is over", actor=None, now=now)
    return [campaign_id for (campaign_id,) in due]


def due_campaigns(ledger: Ledger, *, now: float) -> list[str]:
    """The scheduled ones whose time has come, the earliest first."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "SELECT campaign_id FROM campaigns WHERE state = 'scheduled' AND starts_at <= :at"
            " ORDER BY starts_at, campaign_id",
            at=moment(now),
        )
    return [campaign_id for (campaign_id,) in rows]


def _move(
    ledger: Ledger, campaign_id: str, move: str, reason: str | None, *, actor: str | None, now: float
) -> StoredCampaign:
    with connection_of(ledger) as connection:
        found = find_campaign(connection, campaign_id, locked=True)
        state = moved(found.state, move)
        if move == "resume" and found.approved_at is None:
            raise NotAllowed(
                "budget: was raised; somebody else must approve it before the campaign goes on",
                code="approval_needed", field="budget",
            )  # fmt: skip
        rows_of(
            connection,
            "UPDATE campaigns SET state = :state, completed_at = CASE WHEN :state = 'completed'"
            " THEN CAST(:at AS TIMESTAMPTZ) END WHERE campaign_id = :id",
            id=campaign_id,
            state=state,
            at=moment(now),
        )
        detail = {} if reason is None else {"reason": reason}
        note_change(connection, campaign_id, _DONE[move], detail, actor=actor, now=now)
        return find_campaign(connection, campaign_id)


_DONE = {"pause": "paused", "resume": "resumed", "complete": "completed", "unschedule": "unscheduled"}
