"""The worker: `python -m serving.worker_process`, started by the supervisor; one is active for a shop.

It drains the event stream into the lake and keeps the lake's files in order. Stores that go away come back: it waits.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Sequence

from engine.errors import HawkerError, StoreUnavailable
from engine.settings import Settings
from engine.storage import clock
from engine.storage.drain import Drain
from engine.storage.explored_items import count_tried
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_tables import LAKE_TABLES
from engine.storage.migrate import migrate
from engine.storage.online import Client, StoreError, connect_stream, open_async
from engine.storage.rebuild import rebuild_documents
from serving.child import run_duty
from serving.metrics import WorkerMetrics

log = logging.getLogger("hawker.worker")

GRACE = 7.0  # seconds for the round in hand
# Seconds between two rounds that leave nothing behind: each costs a few writes to the disk that the stream shares.
_PAUSE = 5.0
_FOLLOW_EVERY = 30.0  # seconds; each look that finds changed tables compares all documents
_LIVE_SECONDS = 10.0  # of one command of a batch
_TIDY_EVERY = 60.0  # seconds
_COUNT_EVERY = 300.0  # seconds between two counts of what exploring found
_MOST_FILES = 40  # of a table, before they are joined
_STUCK_AFTER = 300.0  # seconds of one round, which takes about one; joining a large table's files takes longer
_PATIENCE = 1.0  # seconds before a store that was away is asked again


def main(arguments: Sequence[str]) -> int:
    """Work until told to stop."""
    # The storefront comes first.
    return run_duty("worker", arguments, _work, nice=10, grace=GRACE)


def _work(settings: Settings, home: Home, stopping: threading.Event) -> None:
    """Duties in turn. Whatever goes wrong is logged once and tried again: nothing is lost by waiting."""
    metrics, lake = WorkerMetrics(), Lake(home)
    client: Client | None = None
    migrated, said, tidied = False, "", time.monotonic()
    counted = -_COUNT_EVERY
    followed: tuple[int, int] | None = None
    followed_at = -_FOLLOW_EVERY
    watchdog = threading.Event()
    threading.Thread(target=_end_when_stuck, args=(watchdog,), daemon=True).start()
    while not stopping.is_set():
        try:
            if settings.postgres_url and not migrated:
                migrate(settings.postgres_url, settings.shop)
                migrated = True
            _check_room(settings, home)
            client = client or connect_stream(settings.stream_url)
            watchdog.set()
            more = _drain(Drain(lake, client, settings.shop), home, metrics)
            if not more and time.monotonic() - followed_at > _FOLLOW_EVERY:
                followed = _follow_imports(lake, settings, followed)
                followed_at = time.monotonic()
            if not more and time.monotonic() - tidied > _TIDY_EVERY:
                _tidy(lake, settings)
                tidied = time.monotonic()
            if not more and time.monotonic() - counted > _COUNT_EVERY:
                counted = time.monotonic()  # before it: what cannot be counted now is not worth a second look at once
                count_tried(home, lake, clock.now(home))
            said = ""
            watchdog.clear()
            stopping.wait(0 if more else _PAUSE)
        except (HawkerError, StoreError, OSError) as problem:
            watchdog.clear()
            if str(problem) != said:
                said = str(problem)
                log.warning("the worker waits: %s", said)
            if client is not None and not isinstance(problem, HawkerError):
                client.close()
                client = None
            stopping.wait(_PATIENCE)


def _check_room(settings: Settings, home: Home) -> None:
    """Begin no write on a full disk: one that fills up within a write stops the lake's writer for good."""
    least = settings.least_free_mib * 2**20 / 2
    if shutil.disk_usage(home.root).free < least:
        raise StoreUnavailable("the disk is nearly full; what was accepted waits in the stream")


def _end_when_stuck(working: threading.Event) -> None:
    """End this process when one round takes impossibly long: the next one goes on where it stood."""
    while True:
        working.wait()
        began = time.monotonic()
        while working.is_set():
            time.sleep(1.0)
            if time.monotonic() - began > _STUCK_AFTER:
                log.error("a round took %d s; ending, to be started again", _STUCK_AFTER)
                os._exit(1)


def _drain(drain: Drain, home: Home, metrics: WorkerMetrics) -> bool:
    """One round; whether it left something behind."""
    done = drain.round(clock.now(home))
    entries, oldest = drain.waiting()
    metrics.waiting.set(entries)
    metrics.lag.set(max(0.0, time.time() - oldest) if oldest else 0.0)
    metrics.rows.inc(done.rows)
    metrics.dead.inc(done.dead)
    if done.dead:
        log.error("%d rows could not be stored; see the lake's table dead_letters", done.dead)
    return done.more


def _follow_imports(lake: Lake, settings: Settings, seen: tuple[int, int] | None) -> tuple[int, int] | None:
    """Bring items and users that came by import to the live store; what was seen of the lake's tables by then."""
    versions = lake.versions()
    now = versions["items"], versions["users"]
    if now == seen or not settings.redis_url:
        return now

    async def bring() -> bool:
        live = open_async(settings.redis_url, "HAWKER_REDIS_URL", seconds=_LIVE_SECONDS)
        stream = open_async(settings.stream_url, "HAWKER_STREAM_URL", seconds=_LIVE_SECONDS)
        try:
            return await rebuild_documents(lake, live, stream, settings.shop) is not None
        finally:
            await live.aclose()
            await stream.aclose()

    return now if asyncio.run(bring()) else seen


def _tidy(lake: Lake, settings: Settings) -> None:
    for name in LAKE_TABLES:
        try:
            lake.compact(name, more_files_than=_MOST_FILES, retention_days=settings.lake_retention_days)
        except StoreUnavailable as problem:
            log.warning("%s", problem.message)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
