"""Staleness: a thread of the jobs process that watches how well the served bundle still fits, and asks for a retraining
when one is due."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from engine.bundle_files import read_manifest
from engine.errors import HawkerError
from engine.settings import Settings
from engine.storage import clock
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.ledger import LedgerPool, open_ledger
from engine.storage.releases import current, open_bundle, version_folder, versions
from engine.storage.retrainings import Plan, Seen, retrain_if_due
from engine.storage.staleness import count_events, drift_of
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
        self._drift_at = -_DRIFT_EVERY
        self._drift_of: tuple[int, int] | None = None

    def look(self, now: float) -> Seen:
        """Count what is new since the last look (`now`: the shop's time), and set the figures."""
        pointer = current(self._home)
        version = pointer.version if pointer else 0
        at = (version, self._lake.versions()["events"])
        if at != self._of:
            self._seen = look_at_lake(self._home)
            self._figures.events_since.set(self._seen.events_since)
            self._of = at
        if version and at != self._drift_of and time.monotonic() - self._drift_at > _DRIFT_EVERY:
            self._tell(drift_of(open_bundle(self._home, version), self._lake, now))
            self._drift_at, self._drift_of = time.monotonic(), at
        return self._seen

    def _tell(self, drift: Mapping[str, float]) -> None:
        self._figures.drift.clear()  # what too little is known of now has no figure any more
        for name, value in drift.items():
            self._figures.drift.labels(name).set(value)


def look_at_lake(home: Home) -> Seen:
    """What is served, what the lake holds, and how much of that is new. Raises StoreUnavailable, BundleUnusable."""
    there, pointer = versions(home), current(home)
    trained_at: float | None = None
    if there:
        newest = read_manifest(version_folder(home, there[-1]))
        trained_at = float(newest["created_at"]) + clock.read_offset(home)
    as_of = int(read_manifest(version_folder(home, pointer.version))["as_of"]) if pointer else 0
    events, since = count_events(Lake(home), as_of)
    return Seen(events, since, trained_at, pointer.version if pointer else 0, as_of)


def _watch(settings: Settings, home: Home, figures: TrainingMetrics, stopping: threading.Event) -> None:
    plan, watch, said = Plan.of(settings), Watch(home, figures), ""
    ledger: LedgerPool | None = None
    pause = _FIRST_AFTER
    while not stopping.wait(pause):
        pause = _PAUSE
        try:
            now = clock.now(home)
            seen = watch.look(now)
            if plan.schedule or plan.events:
                ledger = ledger or open_ledger(settings.postgres_url, settings.shop)
                job = retrain_if_due(ledger, plan, seen, recipe=settings.retrain_recipe, now=now)
                if job is not None:
                    log.info("a retraining is due (%s): job %s", job.arguments["because"], job.id)
            said = ""
        except (HawkerError, OSError) as problem:
            if str(problem) != said:
                said = str(problem)
                log.warning("staleness is not known: %s", said)
        except Exception:  # a bundle that cannot be asked must not end the watch
            log.exception("staleness is not known")
    if ledger is not None:
        ledger.dispose()
