"""The clock of campaigns: a thread of the jobs process that starts, ends and closes them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import HawkerError
from engine.settings import Settings
from engine.storage import clock
from engine.storage.campaign_launch import start_due_campaigns
from engine.storage.campaign_moves import complete_due_campaigns
from engine.storage.home import Home
from engine.storage.ledger import LedgerPool, open_ledger
from serving.campaign_closer import Closer

log = logging.getLogger("hawker.campaigns")

_PAUSE = 5.0  # seconds between two looks
_LANDING = 3.0  # seconds for what is in hand at the end; a launch that is cut has not happened


@contextmanager
def keeping_campaigns(settings: Settings, home: Home, stopping: threading.Event) -> Iterator[None]:
    """Campaigns start and end by the shop's clock, in a thread, until `stopping` is set."""
    thread = threading.Thread(target=_keep, args=(settings, home, stopping), name="campaigns", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_LANDING)


def _keep(settings: Settings, home: Home, stopping: threading.Event) -> None:
    ledger: LedgerPool | None = None
    closer, said = Closer(home, settings, stopping), ""
    while not stopping.is_set():
        try:
            ledger = ledger or open_ledger(settings.postgres_url, settings.shop)
            look(home, ledger, settings)
            closer.look(ledger)
            said = ""
        except (HawkerError, OSError) as problem:
            if str(problem) != said:
                said = str(problem)
                log.warning("the campaigns wait: %s", said)
        except Exception:  # one that cannot be read must not stop all others for good
            log.exception("the campaigns wait")
        stopping.wait(_PAUSE)
    if ledger is not None:
        ledger.dispose()


def look(home: Home, ledger: LedgerPool, settings: Settings) -> None:
    """Start and end what the shop's clock says."""
    now = clock.now(home)
    for campaign_id in complete_due_campaigns(ledger, now=now):
        log.info("campaign %s is over", campaign_id)
    for campaign_id, told in start_due_campaigns(home, ledger, settings, now=now).items():
        log.info("campaign %s: %s", campaign_id, told)
