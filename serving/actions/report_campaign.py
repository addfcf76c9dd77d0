"""Report a campaign: its figures as they are now, or as they were kept, with the sentences that belong to them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from engine.errors import BadInput, NotAllowed
from engine.storage.campaign_closing import current_figures
from engine.storage.campaigns import find_campaign
from engine.storage.home import Home
from engine.storage.ledger import Ledger
from engine.targeting.campaign_report import as_asked
from engine.targeting.labels import LANGUAGES
from engine.targeting.report_words import sentences


def report_campaign(
    home: Home, ledger: Ledger, campaign_id: str, *, now: float, zone: str, sequential: bool, language: str
) -> dict[str, Any]:
    """The report as of `now` (epoch seconds); of a completed campaign the one that was kept, whoever was erased since.

    UnknownThing, NotAllowed before the launch, BadInput for a language that is none.
    """
    if language not in LANGUAGES:
        raise BadInput(f"language: one of {', '.join(LANGUAGES)}, not {language[:20]!a}", field="language")
    campaign = find_campaign(ledger, campaign_id)
    if campaign.launched_at is None:
        raise NotAllowed(
            f"the campaign {campaign_id!a} was not launched yet: there is nothing to report", code="not_launched"
        )
    figures, gathered = current_figures(home, ledger, campaign, now=now, zone=zone)
    asked = as_asked(figures, sequential=sequential)
    return {
        "campaign_id": campaign_id,
        "name": campaign.document["name"],
        "state": campaign.state,
        "launched_at": _iso(campaign.launched_at),
        "completed_at": _iso(campaign.completed_at),
        "kept": gathered is None,
        "language": language,
        "sentences": sentences(asked, language),
        **asked,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
