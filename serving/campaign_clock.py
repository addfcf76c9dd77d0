"""The clock of campaigns: a thread of the jobs process that starts, ends and closes them."""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager

from engine.settings import Settings
from engine.storage import clock
from engine.storage.campaign_launch import start_due_campaigns
from engine.storage.campaign_moves import complete_due_campaigns
from engine.storage.home import Home
from engine.storage.ledger import LedgerPool
from serving.campaign_closer import Closer
from serving.ledger_watch import looking

log = logging.getLogger("hawker.campaigns")

_PAUSE = 5.0  # seconds between two looks
_LANDING = 3.0  # seconds for what is in hand at the end; a launch that is cut has not happened


def keeping_campaigns(settings: Settings, home: Home, stopping: threading.Event) -> AbstractContextManager[None]:
    """Campaigns start and end by the shop's clock, in a thread, until `stopping` is set."""
    closer = Closer(home, settings, stopping)

    def look_and_close(ledger: LedgerPool) -> None:
        look(home, ledger, settings)
        closer.look(ledger)

    return looking("campaigns", look_and_close, settings, stopping, log=log, pause=_PAUSE, landing=_LANDING)


def look(home: Home, ledger: LedgerPool, settings: Settings) -> None:
    """Start and end what the shop's clock says."""
    now = clock.now(home)
    for campaign_id in complete_due_campaigns(ledger, now=now):
        log.info("campaign %s is over", campaign_id)
    for campaign_id, told in start_due_campaigns(home, ledger, settings, now=now).items():
        log.info("campaign %s: %s", campaign_id, told)
