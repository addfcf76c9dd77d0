"""The look for what campaigns wait for: a thread of the jobs process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import HawkerError, NotEnoughData
from engine.settings import Settings
from engine.storage import clock
from engine.storage.campaign_triggers import pull_triggers
from engine.storage.home import Home
from engine.storage.ledger import LedgerPool, open_ledger

log = logging.getLogger("hawker.campaigns")

_PAUSE = 15.0  # seconds between two looks; what they look at is a refresh old
_LANDING = 3.0  # seconds for the look in hand


@contextmanager
def pulling_triggers(settings: Settings, home: Home, stopping: threading.Event) -> Iterator[None]:
    """Triggered campaigns get their members, in a thread, until `stopping` is set."""
    thread = threading.Thread(target=run, args=(settings, home, stopping), name="triggers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_LANDING)


def run(settings: Settings, home: Home, stopping: threading.Event) -> None:
    """Look again and again until `stopping`; stores that are away are waited for."""
    ledger: LedgerPool | None = None
    said = ""
    while not stopping.is_set():
        try:
            ledger = ledger or open_ledger(settings.postgres_url, settings.shop)
            pull_triggers(home, ledger, settings, now=clock.now(home))
            said = ""
        except NotEnoughData:
            pass  # nobody was computed yet, so that nothing happened to anybody
        except (HawkerError, OSError) as problem:
            if str(problem) != said:
                said = str(problem)
                log.warning("the triggers wait: %s", said)
        except Exception:
            log.exception("a look for triggers was left; it is taken again")
        stopping.wait(_PAUSE)
    if ledger is not None:
        ledger.dispose()
