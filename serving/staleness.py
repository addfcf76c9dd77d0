"""Staleness: a thread of the jobs process that watches how well the served bundle still fits, and asks for a retraining
when one is due."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.bundle_files import read_manifest
from engine.errors import BundleUnusable, HawkerError
from engine.settings import Settings
from engine.storage import clock
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.ledger import LedgerPool, open_ledger
from engine.storage.releases import current, open_bundle, version_folder, versions
from engine.storage.retrainings import Plan, Seen, retrain_if_due
from engine.storage.staleness import DRIFTS, count_events, drift_of
from serving.metrics import TrainingMetrics

log = logging.getLogger("hawker.retraining")

_FIRST_AFTER, _PAUSE = 5.0, 60.0  # seconds; a look counts the lake's events
_DRIFT_EVERY = 3_600.0  # seconds; it asks for some hundred lists
_LANDING = 3.0


@contextmanager
def watching_staleness(
    settings: Settings, home: Home, figures: TrainingMetrics, stopping: threading.Event
) -> Iterator[None]:
    """Watch in a thread, until `stopping` is set."""
    thread = threading.Thread(target=_watch, args=(settings, home, figures, stopping), name="staleness", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_LANDING)


class Watch:
    """What was seen last, so that nothing is counted again while nothing has changed."""

    def __init__(self, home: Home, figures: TrainingMetrics) -> None:
        self._home, self._lake, self._figures = home, Lake(home), figures
        self._of: tuple[int, int] | None = None  # the version served and the lake's events that were counted
        self._seen = Seen(0, 0)
        self._drift_at, self._drift_version = -_DRIFT_EVERY, -1
        self._drift_of: tuple[int, int] | None = None

    def look(self) -> Seen:
        """Count what is new since the last look, and set the figures."""
        at = (_served(self._home)[0], self._lake.versions()["events"])
        if at != self._of:
            self._seen = look_at_lake(self._home)
            self._figures.events_since.set(self._seen.events_since)
            self._of = at
        return self._seen

    def measure_drift(self, now: float) -> None:
        """Set the figures of drift of what the last look saw: about once an hour, and at once for another bundle.

        Raises what opening the bundle and asking it do; then it waits for its hour all the same.
        """
        version = self._seen.version
        is_another, waited = version != self._drift_version, time.monotonic() - self._drift_at
        if self._of == self._drift_of or not (is_another or waited > _DRIFT_EVERY):
            return
        self._drift_at, self._drift_version = time.monotonic(), version
        if is_another:
            self._tell({})
        if version:
            self._tell(drift_of(open_bundle(self._home, version), self._lake, now))
        self._drift_of = self._of

    def _tell(self, drift: Mapping[str, float]) -> None:
        # What too little is known of now is no number: a figure that processes share cannot be taken away.
        for name in DRIFTS:
            self._figures.drift.labels(name).set(drift.get(name, math.nan))


def look_at_lake(home: Home) -> Seen:
    """What is served, what the lake holds, and how much of that is new. Raises StoreUnavailable.

    A bundle that cannot be read, such as one of an earlier format, counts as none: training anew is what mends it.
    """
    there = versions(home)
    newest = _manifest(home, there[-1]) if there else None
    trained_at = None if newest is None else float(newest["created_at"]) + clock.read_offset(home)
    version, as_of = _served(home)
    events, since = count_events(Lake(home), as_of)
    return Seen(events, since, trained_at, version, as_of)


def _served(home: Home) -> tuple[int, int]:
    """The version served and the first moment that it does not know; twice 0 for none that can be read."""
    try:
        pointer = current(home)
    except BundleUnusable:
        return 0, 0
    manifest = _manifest(home, pointer.version) if pointer else None
    return (0, 0) if pointer is None or manifest is None else (pointer.version, int(manifest["as_of"]))


def _manifest(home: Home, version: int) -> Mapping[str, Any] | None:
    try:
        return read_manifest(version_folder(home, version))
    except BundleUnusable:
        return None


def _watch(settings: Settings, home: Home, figures: TrainingMetrics, stopping: threading.Event) -> None:
    plan, watch, said = Plan.of(settings), Watch(home, figures), ""
    ledger: LedgerPool | None = None
    pause = _FIRST_AFTER
    while not stopping.wait(pause):
        pause = _PAUSE
        try:
            now = clock.now(home)
            seen = watch.look()
            if plan.schedule or plan.events:
                ledger = ledger or open_ledger(settings.postgres_url, settings.shop)
                job = retrain_if_due(ledger, plan, seen, recipe=settings.retrain_recipe, now=now)
                if job is not None:
                    log.info("a retraining is due (%s): job %s", job.arguments["because"], job.id)
            watch.measure_drift(now)  # last: a bundle that cannot be asked is trained anew all the same
            said = ""
        except (HawkerError, OSError) as problem:
            if str(problem) != said:
                said = str(problem)
                log.warning("staleness is not known: %s", said)
        except Exception:  # one look that fails must not end the watch
            log.exception("staleness is not known")
    if ledger is not None:
        ledger.dispose()
