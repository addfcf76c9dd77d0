"""Past campaigns of an import go to the ledger."""

from __future__ import annotations

from engine.settings import Settings
from engine.storage.embedded import open_stores
from engine.storage.ledger import opened_ledger
from engine.storage.migrate import migrate
from engine.storage.past_campaigns import PastCampaigns, record_past_campaigns


def record_in_ledger(settings: Settings, past: PastCampaigns) -> dict[str, int]:
    """Start or reach the ledger, bring its tables up to date and store what is new; the new rows by table."""
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            return record_past_campaigns(ledger, past)
