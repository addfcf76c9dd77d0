"""The customers: `python -m serving.customers_process`, started by the supervisor; one is active for a shop.

It keeps traits and segments up to the lake and to the clock. Whatever goes wrong is logged once and tried again: the
state before is served meanwhile, with its time.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Sequence

from engine.errors import HawkerError
from engine.settings import Settings
from engine.storage import clock
from engine.storage.customer_reach import Reach
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.ledger import LedgerPool, open_ledger
from engine.storage.live_segments import announce_moves, live_rules, watched_segments
from engine.storage.shop_secrets import HOLDOUT_SALT, shop_secret
from serving.child import run_duty

log = logging.getLogger("hawker.customers")

GRACE = 7.0  # seconds for the refresh in hand
# Seconds between two refreshes. With the worker's pause, an entry and an exit are visible well within a minute.
_PAUSE = 10.0
_PATIENCE = 2.0  # seconds before a store that was away is asked again


def main(arguments: Sequence[str]) -> int:
    """Work until told to stop."""
    # Everything else comes first.
    return run_duty("customers", arguments, _work, nice=19, grace=GRACE)


def _work(settings: Settings, home: Home, stopping: threading.Event) -> None:
    ledger: LedgerPool | None = None
    said = ""
    while not stopping.is_set():
        try:
            ledger = ledger or open_ledger(settings.postgres_url, settings.shop)
            _refresh(settings, home, ledger)
            said = ""
            stopping.wait(_PAUSE)
        except (HawkerError, OSError) as problem:
            if str(problem) != said:
                said = str(problem)
                log.warning("the customers wait: %s", said)
            stopping.wait(_PATIENCE)


def _refresh(settings: Settings, home: Home, ledger: LedgerPool) -> None:
    now = clock.now(home)
    refresh_customers(
        home,
        now=now,
        zone=settings.zone,
        rules=live_rules(settings, ledger, now),
        watched=watched_segments(ledger),
        reach=Reach(ledger, shop_secret(ledger, HOLDOUT_SALT), settings.global_holdout),
        moved=lambda segment, change, users: announce_moves(
            ledger, segment, change, users, now=now, real_now=time.time()
        ),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
