"""Tried book: what exploring found so far, as the worker last wrote it, for the requests of one process."""

from __future__ import annotations

from engine.recommend.exploring import NOTHING_TRIED, Tried
from engine.storage.explored_items import read_tried, tried_file
from engine.storage.home import Home


class TriedBook:
    """Looked at beside the requests."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._stamp: tuple[int, int] | None = None
        self._of: dict[str, Tried] = {}
        self.look()

    def of(self, placement: str) -> Tried:
        return self._of.get(placement, NOTHING_TRIED)

    def look(self) -> None:
        """Take up a file that was written anew; one that cannot be read tells nothing."""
        try:
            status = tried_file(self._home).stat()
            stamp = status.st_ino, status.st_mtime_ns
        except OSError:
            stamp = None
        if stamp != self._stamp:
            self._stamp, self._of = stamp, read_tried(self._home)
