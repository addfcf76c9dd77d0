"""Ledger watch: a thread of the jobs process that looks at the ledger again and again, whatever goes wrong."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from engine.errors import HawkerError
from engine.settings import Settings
from engine.storage.ledger import LedgerPool, open_ledger


@contextmanager
def looking(
    name: str,
    look: Callable[[LedgerPool], None],
    settings: Settings,
    stopping: threading.Event,
    *,
    log: logging.Logger,
    pause: float,
    landing: float,
) -> Iterator[None]:
    """`look` every `pause` seconds until `stopping` is set; what is in hand then gets `landing` seconds to end.

    Stores that are away are waited for, and told of once.
    """
    again = partial(_again, name, look, settings, stopping, log=log, pause=pause)
    thread = threading.Thread(target=again, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(landing)


def _again(
    name: str,
    look: Callable[[LedgerPool], None],
    settings: Settings,
    stopping: threading.Event,
    *,
    log: logging.Logger,
    pause: float,
) -> None:
    ledger: LedgerPool | None = None
    said = ""
    while not stopping.is_set():
        try:
            ledger = ledger or open_ledger(settings.postgres_url, settings.shop)
            look(ledger)
            said = ""
        except (HawkerError, OSError) as problem:
            if str(problem) != said:
                said = str(problem)
                log.warning("%s: waiting: %s", name, said)
        except Exception:  # one that cannot be read must not stop all others for good
            log.exception("%s: a look was left; it is taken again", name)
        stopping.wait(pause)
    if ledger is not None:
        ledger.dispose()
