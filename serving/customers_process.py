"""The customers: `python -m serving.customers_process`, started by the supervisor; one is active for a shop.

It keeps traits and segments up to the lake and to the clock, tells the till who is in segments that offers name, and
storefronts what the members of segments bought lately. Whatever goes wrong is logged once and tried again: the state
before is served meanwhile, with its time.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from engine.errors import HawkerError
from engine.settings import Settings
from engine.storage import clock
from engine.storage.customer_files import CustomerFiles
from engine.storage.customer_reach import Reach
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.ledger import LedgerPool, open_ledger
from engine.storage.live_segments import announce_moves, live_rules, watched_segments
from engine.storage.memberships import Rule
from engine.storage.offered_segments import Move, named_segments, offer_segments
from engine.storage.online import Client, connect_live
from engine.storage.segment_listing import each_member
from engine.storage.sellers import Line, renew_sellers
from engine.storage.sellers_count import Counter
from engine.storage.shop_secrets import HOLDOUT_SALT, shop_secret
from serving.child import run_duty

log = logging.getLogger("hawker.customers")

GRACE = 7.0  # seconds for the refresh in hand
# Seconds between two refreshes. With the worker's pause, an entry and an exit are visible well within a minute.
_PAUSE = 10.0
# Seconds until segments that offers name are told whole once more: who was deleted leaves without a move.
_ANEW_EVERY = 3_600.0
_COUNTING_SECONDS = 5.0  # of what sells, in one round
_LIVE_SECONDS = 5.0  # of one command; nobody waits here
_PATIENCE = 2.0  # seconds before a store that was away is asked again


def main(arguments: Sequence[str]) -> int:
    """Work until told to stop."""
    # Everything else comes first.
    return run_duty("customers", arguments, work, nice=19, grace=GRACE)


def work(settings: Settings, home: Home, stopping: threading.Event) -> None:
    """Refresh again and again; stores that are away are waited for."""
    ledger: LedgerPool | None = None
    said, anew_at = "", 0.0
    aside: Mapping[str, str] = {}
    while not stopping.is_set():
        try:
            ledger = ledger or open_ledger(settings.postgres_url, settings.shop)
            anew = time.monotonic() > anew_at
            aside = _tell(aside, _refresh(settings, home, ledger, anew=anew))
            anew_at = time.monotonic() + _ANEW_EVERY if anew else anew_at
            said = ""
            stopping.wait(_PAUSE)
        except (HawkerError, OSError) as problem:
            if str(problem) != said:
                said = str(problem)
                log.warning("the customers wait: %s", said)
            stopping.wait(_PATIENCE)
    if ledger is not None:
        ledger.dispose()


def _tell(before: Mapping[str, str], aside: Mapping[str, str]) -> Mapping[str, str]:
    """Log each segment that is set aside once, and once that it is not any more."""
    for name, reason in sorted(aside.items()):
        if before.get(name) != reason:
            log.warning("the segment %s is set aside, the others are refreshed: %s", name, reason)
    for name in sorted(before.keys() - aside.keys()):
        log.warning("the segment %s is not set aside any more", name)
    return aside


def _refresh(settings: Settings, home: Home, ledger: LedgerPool, *, anew: bool) -> Mapping[str, str]:
    """One refresh; the segments that are set aside, and why."""
    now, told, named = clock.now(home), watched_segments(ledger), named_segments(ledger)
    before = CustomerFiles(home).state()
    moves: list[Move] = []

    def moved(segment: str, change: str, users: Sequence[str]) -> None:
        if segment in told:
            announce_moves(ledger, segment, change, users, now=now, real_now=time.time())
        if segment in named:
            moves.append((segment, change, users))

    found = live_rules(settings, ledger)
    done = refresh_customers(
        home,
        now=now,
        zone=settings.zone,
        rules=found.rules,
        watched=told | named,
        reach=Reach(ledger, shop_secret(ledger, HOLDOUT_SALT), settings.global_holdout),
        moved=moved,
    )
    if settings.redis_url:
        with connect_live(settings.redis_url, seconds=_LIVE_SECONDS) as live:
            offer_segments(
                live,
                settings.shop,
                named & {each.segment for each in found.rules},
                was=None if before is None or anew else before.as_of,
                now=done.as_of,
                moves=moves,
                members=lambda segment: each_member(home, segment, now=now),
            )
            _tell_sellers(live, settings, home, found.rules, now)
    return found.set_aside


def _tell_sellers(live: Client, settings: Settings, home: Home, rules: Sequence[Rule], now: float) -> None:
    """What sold lately, by segment: for some seconds, and the rest in the next rounds."""
    until = time.monotonic() + _COUNTING_SECONDS
    counters: list[Counter] = []
    with ExitStack() as stack:

        def count(segment: str) -> Mapping[str, Sequence[Line]]:
            if not counters:  # in most rounds nothing has to be counted
                counters.append(Counter(stack.enter_context(CustomerFiles(home).reading(now)), now))
            return counters[0](segment)

        segments = {each.segment for each in rules}
        renew_sellers(live, settings.shop, segments, count, now=now, is_over=lambda: time.monotonic() > until)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
