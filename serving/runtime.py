"""Runtime: what a storefront process answers from: the live bundle and the shop's clock.

Recommendations need the shop's files only: they go on while PostgreSQL and Valkey are down.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from engine.bundle import Bundle
from engine.errors import BundleUnusable, HawkerError, StoreUnavailable
from engine.event_check import Terms
from engine.recommend.soundness import check_sound
from engine.settings import Settings, read_settings
from engine.storage import clock, releases
from engine.storage.home import Home
from engine.storage.live_reads import PATIENCE
from engine.storage.online import LIVE_SECONDS
from serving.customer_facts import CustomerFacts
from serving.doors import Doors
from serving.guard import Guard
from serving.list_memory import ListMemory
from serving.live_catalog import LiveCatalog
from serving.live_offers import LiveOffers
from serving.live_profile import ProfileReader
from serving.metrics import Metrics
from serving.placement_book import PlacementBook
from serving.sales_memory import SalesMemory
from serving.served_log import ServedLog
from serving.tried_book import TriedBook

log = logging.getLogger("hawker.runtime")

CHECK_EVERY = 0.2  # seconds between two looks at the pointer
_NICE = 10  # of the thread that opens a new bundle


@dataclass(frozen=True, slots=True)
class Live:
    """A bundle in service, under the version number that the pointer gave it."""

    version: int
    bundle: Bundle


class Runtime:
    """Follows the pointer: a request takes `live` once and keeps it, so that no answer mixes two bundles."""

    def __init__(
        self,
        home: Home,
        *,
        real_time: Callable[[], float] = time.time,
        metrics: Metrics | None = None,
        settings: Settings | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Load the published bundle, None where nothing is published yet.

        A request waits for the live store no longer than `patience`, seconds. When the published bundle is broken, the
        newest sound one of its history serves; BundleUnusable when there is none.
        """
        self.home = home
        self.metrics = metrics or Metrics()
        self.settings = settings or read_settings({})
        self.doors = Doors(self.settings, home.root, live_seconds=max(LIVE_SECONDS, patience), patience=patience)
        self.guard = Guard(self.settings, home)
        self.placements = PlacementBook(home)
        self.guard.also.append(self.placements.look_at_ledger)
        self.tried = TriedBook(home)
        self.guard.look()
        self.reader = ProfileReader(self.doors.profiles, self.doors.reads)
        self.catalog = LiveCatalog(self.doors.live, self.doors.profiles, self.settings.shop, patience=patience)
        self.lists = ListMemory(self.doors.reads, self.doors.live, self.settings.shop)
        self.sales = SalesMemory(self.settings.shop)
        self.customers = CustomerFacts(self.doors, self.settings.shop, self._bundle)
        self.offers = LiveOffers(self.doors.ledger, self.settings.zone, self.now)
        self.served = ServedLog(self.doors.stream, self.metrics)
        self._problems: dict[str, str] = {}
        self._real_time = real_time
        self._opening = ThreadPoolExecutor(1, "bundle", initializer=_step_back)
        self.clock_offset = clock.read_offset(home)
        self._seen = self._stamp()
        self.live: Live | None = self._first()
        self._tell_metrics()

    def now(self) -> float:
        """The shop's time, epoch seconds; a request reads it once."""
        return self._real_time() + self.clock_offset

    def serving(self) -> Live:
        """The bundle in service; StoreUnavailable while nothing is published."""
        if self.live is None:
            raise StoreUnavailable(
                "nothing is published yet; run `hawker train`, then `hawker publish`", code="nothing_published"
            )
        return self.live

    def terms(self, now: float) -> Terms:
        """What events are held against."""
        own = frozenset(each.name for each in self.settings.event_types)
        return Terms(now, self.settings.oldest_event_days, own)

    @property
    def problem(self) -> str | None:
        """What is wrong although requests are answered."""
        told = [*self._problems.values(), *([self.placements.problem] if self.placements.problem else [])]
        return "; ".join(told) or None

    def _bundle(self) -> Bundle | None:
        return None if self.live is None else self.live.bundle

    async def follow(self) -> None:
        """Look at the pointer again and again until cancelled."""
        await _again_and_again(self.check, every=CHECK_EVERY)

    async def tend(self) -> None:
        """Look after the stores and what is known of them, until cancelled: apart, since any of them may be slow."""
        await _again_and_again(self._every_second, every=1.0)

    async def _every_second(self) -> None:
        if self.doors.pressure is not None:
            await self.doors.pressure.look()
        await self.served.flush()
        self.placements.look_at_file()
        self.tried.look()
        if self.live is not None:
            self.metrics.bundle_age.set(max(0.0, self.now() - self.live.bundle.manifest.as_of))
            await self.catalog.refresh(self.live.bundle, self.now())

    async def check(self) -> None:
        """Take up a newly published bundle; refuse a broken one and keep what is live."""
        self._read_clock()
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        self._problems.pop("bundle", None)
        try:
            pointer = releases.current(self.home)
            if pointer is None:
                raise BundleUnusable("the pointer to the published bundle is gone; `hawker publish` writes it anew")
            if self.live is None or pointer.version != self.live.version:
                loop = asyncio.get_running_loop()
                live = await loop.run_in_executor(self._opening, _load, self.home, pointer.version)
                await self.catalog.prepare(live.bundle, self.now())
                self.live = live
                self.metrics.swaps.inc()
                self._tell_metrics()
                log.info("serving bundle %d", self.live.version)
        except HawkerError as error:
            self._refuse(error)

    def _tell_metrics(self) -> None:
        self.metrics.bundle_version.set(self.live.version if self.live else 0)
        self.metrics.index_recall.set(self.live.bundle.index.facts.recall if self.live else 0)

    def _first(self) -> Live | None:
        pointer = releases.current(self.home)
        if pointer is None:
            return None
        refused: HawkerError | None = None
        for version in (pointer.version, *reversed(pointer.history)):
            try:
                return _load(self.home, version)
            except HawkerError as error:
                self._refuse(error)
                refused = refused or error
        assert refused is not None
        raise refused

    def _refuse(self, error: HawkerError) -> None:
        self._problems.setdefault("bundle", error.message)
        self.metrics.refused.inc()
        log.error("refused a published bundle: %s", error.message)

    def _read_clock(self) -> None:
        try:
            self.clock_offset = clock.read_offset(self.home)
            self._problems.pop("clock", None)
        except StoreUnavailable as error:
            self._problems["clock"] = error.message

    def _stamp(self) -> tuple[int, int, int] | None:
        """What changes whenever the pointer does: each replacement is another file."""
        try:
            status = releases.pointer_path(self.home).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size


def _step_back() -> None:
    """Let this thread have what requests leave of a core."""
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


async def _again_and_again(work: Callable[[], Awaitable[None]], *, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        try:
            await work()
        except Exception:
            # Whatever goes wrong here must not end the following, nor touch what is served.
            log.exception("the look at the published bundle or the stores failed")


def _load(home: Home, version: int) -> Live:
    bundle = releases.open_bundle(home, version)
    check_sound(bundle)
    return Live(version, bundle)
