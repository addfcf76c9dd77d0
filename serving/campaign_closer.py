"""The end of campaigns: figures are kept soon after completion, made anew once all windows are over, and recorded.

Recording is training's, which serving never imports: it runs as a child process, `hawker campaign record`.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engine.errors import HawkerError
from engine.settings import Settings
from engine.storage import clock
from engine.storage.campaign_closing import keep_figures
from engine.storage.home import Home
from engine.storage.ledger import LedgerPool, connection_of, rows_of
from engine.storage.segments import moment

log = logging.getLogger("hawker.campaigns")

#: Completed ones that are not recorded yet: whether figures are kept, are final, and all windows are over.
_OPEN = (
    "SELECT campaign_id, figures IS NOT NULL, coalesce((figures->>'windows_over')::float8 >= 1, false), completed_at"
    " + coalesce((document->>'window_days')::int, 28) * interval '1 day' < :at FROM campaigns"
    " WHERE state = 'completed' AND launched_at IS NOT NULL AND run_id IS NULL ORDER BY completed_at, campaign_id"
)


_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3_600.0  # seconds before what failed is tried again


@dataclass(slots=True)
class _Failed:
    """What was told of a failure, when it is tried again, and for how long it then rests if it fails once more."""

    told: str
    again_at: float
    pause: float


class Closer:
    """Remembers what failed: one campaign that cannot be closed is told once, tried again after growing pauses, and
    does not stop the others.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        stopping: threading.Event,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home, self._settings, self._stopping, self._monotonic = home, settings, stopping, monotonic
        self._failed: dict[tuple[str, str], _Failed] = {}

    def look(self, ledger: LedgerPool) -> None:
        """Keep and record what is due."""
        now = clock.now(self._home)
        with connection_of(ledger) as connection:
            due = rows_of(connection, _OPEN, at=moment(now))
        for campaign_id, is_kept, is_final, is_over in due:
            if self._stopping.is_set():
                return
            if is_final:
                self._try("record", campaign_id, partial(self._record, campaign_id))
            elif is_over or not is_kept:
                self._try("keep", campaign_id, partial(self._keep, ledger, campaign_id, now))

    def _try(self, what: str, campaign_id: str, work: Callable[[], None]) -> None:
        before = self._failed.get((what, campaign_id))
        if before is not None and self._monotonic() < before.again_at:
            return
        try:
            work()
        except (HawkerError, OSError, subprocess.SubprocessError) as problem:
            told, pause = str(problem), _FIRST_PAUSE if before is None else before.pause
            self._failed[what, campaign_id] = _Failed(
                told, self._monotonic() + pause, min(2 * pause, _LONGEST_PAUSE)
            )  # fmt: skip
            if before is None or before.told != told:
                log.warning("campaign %s: could not %s its figures, it is tried again: %s", campaign_id, what, told)
        else:
            self._failed.pop((what, campaign_id), None)

    def _keep(self, ledger: LedgerPool, campaign_id: str, now: float) -> None:
        keep_figures(self._home, ledger, campaign_id, now=now, zone=self._settings.zone)
        log.info("campaign %s: its figures are kept", campaign_id)

    def _record(self, campaign_id: str) -> None:
        """Nothing of it is lost when this process ends meanwhile: the next one begins again."""
        child = subprocess.Popen(
            [sys.executable, "-m", "hawker", "campaign", "record", "--", campaign_id],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            while True:
                try:
                    _, told = child.communicate(timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    if self._stopping.is_set():
                        return
        finally:
            if child.poll() is None:
                child.kill()
                child.communicate()
        if child.returncode:
            lines = told.decode(errors="replace").strip().splitlines() or ["no word"]
            raise OSError(f"`hawker campaign record` ended with {child.returncode}: {lines[-1]}")
