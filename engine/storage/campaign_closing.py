"""Closing a campaign: its figures are kept, and what became of its members goes to the lake to learn from.

Figures are kept for good once all outcome windows are over; until then they are made anew, unless customers were erased
since: then those that were kept count, which knew of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.errors import NotAllowed
from engine.storage.campaign_figures import Gathered, campaign_figures
from engine.storage.campaign_lessons import outcomes_of
from engine.storage.campaign_outcomes import record_outcomes
from engine.storage.campaigns import StoredCampaign, find_campaign
from engine.storage.home import Home
from engine.storage.ledger import Ledger, connection_of, rows_of
from engine.targeting.campaign_members import HOLDOUT


def current_figures(
    home: Home, ledger: Ledger, campaign: StoredCampaign, *, now: float, zone: str
) -> tuple[Mapping[str, Any], Gathered | None]:
    """The figures that count as of `now`; without members where they are those that were kept."""
    kept = campaign.figures
    if kept is not None and (kept["windows_over"] >= 1 or _number(ledger, campaign) < sum(kept["members"].values())):
        return kept, None
    return campaign_figures(home, ledger, campaign, now=now, zone=zone)


def keep_figures(home: Home, ledger: Ledger, campaign_id: str, *, now: float, zone: str) -> Mapping[str, Any]:
    """Keep a completed campaign's figures with it, and its outcomes in the lake; doing it again does no harm.

    Outcomes teach where somebody was held out. Raises UnknownThing, NotAllowed for a
    campaign that is not completed, and what `campaign_figures` raises.
    """
    campaign = find_campaign(ledger, campaign_id)
    if campaign.state != "completed" or campaign.launched_at is None:
        raise NotAllowed(
            f"the campaign {campaign_id!a} is not completed: its figures will still change", code="not_completed"
        )
    figures, gathered = current_figures(home, ledger, campaign, now=now, zone=zone)
    if gathered is not None:
        # First what can be made again: killed in between, the next call does both.
        if (gathered.members.arm == HOLDOUT).any():
            record_outcomes(home, outcomes_of(home, ledger, campaign, gathered, now=now, zone=zone))
        with connection_of(ledger) as connection:
            rows_of(
                connection,
                "UPDATE campaigns SET figures = CAST(:figures AS JSONB) WHERE campaign_id = :id",
                figures=json.dumps(figures, allow_nan=False),
                id=campaign_id,
            )
    return figures


def _number(ledger: Ledger, campaign: StoredCampaign) -> int:
    with connection_of(ledger) as connection:
        return int(
            rows_of(
                connection,
                "SELECT count(*) FROM campaign_members WHERE campaign_id = :id",
                id=campaign.id,
            )[0][0]
        )
