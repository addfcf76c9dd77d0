"""Campaigns in the ledger: their documents with revisions, their states, and a record of every change."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.errors import BadInput, NotAllowed, UnknownThing
from engine.storage.ledger import Ledger, LedgerConnection, connection_of, rows_of
from engine.storage.segments import is_storable, moment
from engine.targeting.campaign import Campaign, campaign_document, checked_campaign
from engine.targeting.campaign_states import STATES, moved
from engine.targeting.labels import checked_id

_COLUMNS = (
    "campaign_id, state, revision, document, salt, created_at, created_by, updated_at, updated_by, approved_at,"
    " approved_by, starts_at, ends_at, launched_at, completed_at, plan, figures, run_id"
)
_TIMES = ("created_at", "updated_at", "approved_at", "launched_at", "completed_at")


@dataclass(frozen=True, slots=True)
class StoredCampaign:
    """`plan` is what was planned at launch, `figures` the report that completion keeps. Times are aware datetimes."""

    id: str
    state: str
    revision: int
    document: Mapping[str, Any]
    salt: str
    created_at: datetime
    created_by: str | None
    updated_at: datetime
    updated_by: str | None
    approved_at: datetime | None
    approved_by: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    launched_at: datetime | None
    completed_at: datetime | None
    plan: Mapping[str, Any] | None
    figures: Mapping[str, Any] | None
    run_id: str | None

    @property
    def campaign(self) -> Campaign:
        return checked_campaign(dict(self.document))

    def as_json(self) -> dict[str, Any]:
        """As answers have it; the salt stays here, since whoever knows it can tell who is held out."""
        names = ("state", "revision", "created_by", "updated_by", "approved_by", "run_id", "plan", "figures")
        times = {name: None if (at := getattr(self, name)) is None else at.isoformat() for name in _TIMES}
        told = {name: getattr(self, name) for name in names}
        return {"campaign_id": self.id, **told, **times, "campaign": dict(self.document)}


@dataclass(frozen=True, slots=True)
class CampaignChange:
    """What somebody did to a campaign."""

    change: str
    detail: Mapping[str, Any]
    actor: str | None
    at: datetime

    def as_json(self) -> dict[str, Any]:
        return {"change": self.change, "detail": self.detail, "actor": self.actor, "at": self.at.isoformat()}


def create_campaign(
    ledger: Ledger, campaign: Campaign, *, campaign_id: str | None = None, actor: str | None, now: float
) -> StoredCampaign:
    """A new draft. Raises BadInput, NotAllowed for an id that is taken."""
    wanted = secrets.token_hex(8) if campaign_id is None else checked_id(campaign_id, "campaign_id")
    with connection_of(ledger) as connection:
        made = rows_of(
            connection,
            "INSERT INTO campaigns (campaign_id, state, revision, document, salt, created_at, created_by, updated_at,"
            " updated_by, starts_at, ends_at) VALUES (:id, 'draft', 1, CAST(:document AS JSONB), :salt, :at, :actor,"
            " :at, :actor, :starts, :ends) ON CONFLICT DO NOTHING RETURNING 1",
            id=wanted,
            salt=secrets.token_hex(16),
            at=moment(now),
            actor=actor,
            **columns_of(campaign),
        )
        if not made:
            raise NotAllowed(f"there is a campaign {wanted!r} already", code="id_taken", field="campaign_id")
        note_change(connection, wanted, "created", {"revision": 1}, actor=actor, now=now)
        return find_campaign(connection, wanted)


def find_campaign(ledger: Ledger, campaign_id: str, *, locked: bool = False) -> StoredCampaign:
    """Raises UnknownThing. With `locked` nobody else changes it until the transaction ends."""
    with connection_of(ledger) as connection:
        end = " FOR UPDATE" if locked else ""
        rows = (
            rows_of(connection, f"SELECT {_COLUMNS} FROM campaigns WHERE campaign_id = :id{end}", id=campaign_id)
            if is_storable(campaign_id)
            else []
        )
    if not rows:
        told = f"there is no campaign {campaign_id[:100]!a}; `hawker campaign list` shows them"
        raise UnknownThing(told, code="unknown_campaign", field="campaign_id")
    return StoredCampaign(*rows[0])


def list_campaigns(
    ledger: Ledger, *, state: str | None = None, after: str = "", limit: int = 100
) -> list[StoredCampaign]:
    """Campaigns by their ids, from the one behind `after` on, of one state where it is named."""
    if state is not None and state not in STATES:
        raise BadInput(f"state: must be one of {', '.join(STATES)}", field="state")
    if not is_storable(after):
        raise BadInput("after: names no campaign", field="after")
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            f'SELECT {_COLUMNS} FROM campaigns WHERE campaign_id COLLATE "C" > :after'
            ' AND state = coalesce(CAST(:state AS TEXT), state) ORDER BY campaign_id COLLATE "C" LIMIT :limit',
            after=after,
            state=state,
            limit=limit,
        )
    return [StoredCampaign(*row) for row in rows]


def campaign_changes(ledger: Ledger, campaign_id: str) -> list[CampaignChange]:
    """All that was done to a campaign, the first first. Raises UnknownThing."""
    with connection_of(ledger) as connection:
        find_campaign(connection, campaign_id)
        rows = rows_of(
            connection,
            "SELECT change, detail, actor, at FROM campaign_changes WHERE campaign_id = :id ORDER BY place",
            id=campaign_id,
        )
    return [CampaignChange(*row) for row in rows]


def delete_campaign(ledger: Ledger, campaign_id: str) -> StoredCampaign:
    """Remove one that was never launched, with its record. Raises UnknownThing, NotAllowed for one that was."""
    with connection_of(ledger) as connection:
        found = find_campaign(connection, campaign_id, locked=True)
        moved(found.state, "delete")
        rows_of(connection, "DELETE FROM campaign_changes WHERE campaign_id = :id", id=campaign_id)
        rows_of(connection, "DELETE FROM campaigns WHERE campaign_id = :id", id=campaign_id)
        return found


def note_change(
    connection: LedgerConnection,
    campaign_id: str,
    change: str,
    detail: Mapping[str, Any],
    *,
    actor: str | None,
    now: float,
) -> None:
    """One line of the record, which nobody can change afterwards."""
    rows_of(
        connection,
        "INSERT INTO campaign_changes (campaign_id, change, detail, actor, at)"
        " VALUES (:id, :change, CAST(:detail AS JSONB), :actor, :at)",
        id=campaign_id,
        change=change,
        detail=json.dumps(detail),
        actor=actor,
        at=moment(now),
    )


def columns_of(campaign: Campaign) -> dict[str, Any]:
    """A campaign as the columns `document`, `starts` and `ends`."""
    return {
        "document": json.dumps(campaign_document(campaign)),
        "starts": campaign.starts_at,
        "ends": campaign.ends_at,
    }
