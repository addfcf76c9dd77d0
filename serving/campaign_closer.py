"""The end of campaigns: figures are kept soon after completion, made anew once all windows are over, and recorded.

Recording is training's, which serving never imports: it runs as a child process, `hawker campaign record`.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
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


class Closer:
    """Remembers what failed, so that one campaign that cannot be closed is told once and does not stop the others."""

    def __init__(self, home: Home, settings: Settings, stopping: threading.Event) -> None:
        self._home, self._settings, self._stopping = home, settings, stopping
        self._failed: set[tuple[str, str]] = set()

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
        if (what, campaign_id) in self._failed:
            return
        try:
            work()
        except (HawkerError, OSError, subprocess.SubprocessError) as problem:
            self._failed.add((what, campaign_id))
            log.warning("campaign %s: could not %s its figures: %s", campaign_id, what, problem)

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
