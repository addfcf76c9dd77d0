"""The look for what campaigns wait for: a thread of the jobs process."""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager, suppress

from engine.errors import NotEnoughData
from engine.settings import Settings
from engine.storage import clock
from engine.storage.campaign_triggers import pull_triggers
from engine.storage.home import Home
from engine.storage.ledger import LedgerPool
from serving.ledger_watch import looking

log = logging.getLogger("hawker.campaigns")

_PAUSE = 15.0  # seconds between two looks; what they look at is a refresh old
_LANDING = 3.0  # seconds for the look in hand


def pulling_triggers(settings: Settings, home: Home, stopping: threading.Event) -> AbstractContextManager[None]:
    """Triggered campaigns get their members, in a thread, until `stopping` is set."""

    def look(ledger: LedgerPool) -> None:
        with suppress(NotEnoughData):  # nobody was computed yet, so that nothing happened to anybody
            pull_triggers(home, ledger, settings, now=clock.now(home))

    return looking("triggers", look, settings, stopping, log=log, pause=_PAUSE, landing=_LANDING)
