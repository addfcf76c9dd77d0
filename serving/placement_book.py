"""Placement book: the lists that a storefront knows: those built in, those of the shop's file, those of the ledger.

Of one name the ledger's wins over the file's, and the file's over the one built in. The ledger is read beside the
requests, in the thread that reads the keys.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from engine.errors import HawkerError, UnknownThing
from engine.expression import nearest
from engine.recommend.placement_reader import read_placement
from engine.recommend.placement_text import read_placements
from engine.recommend.placements import PLACEMENTS, Placement
from engine.storage.home import Home
from engine.storage.ledger import LedgerPool
from engine.storage.placements import Definitions, definitions_of, placement_file, remember, remembered

log = logging.getLogger("hawker.placements")

_LONGEST_TOLD = 80


class PlacementBook:
    """Of one process. `problem` says what of it cannot be read; the rest, and what was read before, goes on."""

    def __init__(self, home: Home) -> None:
        """Raises BadInput for a file that is wrong: a shop that starts with half of its lists would not see it."""
        self._home = home
        self._file = placement_file(home)
        self._stamp = self._seen = self._stamped()
        self._of_file = self._read_file()
        self._definitions: Definitions = {}
        self._of_ledger: Mapping[str, Placement] = {}
        self._known: Mapping[str, Placement] = PLACEMENTS
        self._problems: dict[str, str] = {}
        self._take(remembered(home))

    @property
    def problem(self) -> str | None:
        return "; ".join(self._problems.values()) or None

    def find(self, name: str) -> Placement:
        """The placement of that name; UnknownThing names the nearest."""
        found = self._known.get(name)
        if found is None:
            told = f"no placement is called {name[:_LONGEST_TOLD]!r}{nearest(name[:_LONGEST_TOLD], self._known)}"
            raise UnknownThing(told, code="unknown_placement", field="placement")
        return found

    def look_at_ledger(self, ledger: LedgerPool) -> None:
        """Take up what the ledger says by now."""
        found = definitions_of(ledger)
        if found != self._definitions:
            remember(self._home, found)
            self._take(found)

    def look_at_file(self) -> None:
        """Take up a file that was changed; one that is wrong is refused and what was read before stays.

        It counts once two looks found it the same: an editor may be in the middle of writing it.
        """
        stamp, before = self._stamped(), self._seen
        self._seen = stamp
        if stamp == self._stamp or stamp != before:
            return
        self._stamp = stamp
        try:
            self._of_file = self._read_file()
            self._problems.pop("file", None)
        except HawkerError as problem:
            self._problems["file"] = problem.message
            log.error("refused the placements of the file: %s", problem.message)
        self._join()

    def _take(self, definitions: Definitions) -> None:
        self._definitions, made = definitions, {}
        self._problems.pop("ledger", None)
        for name, given in definitions.items():
            try:
                made[name] = read_placement(name, given)
            except HawkerError as problem:  # defined by another version
                self._problems["ledger"] = f"placement {name}: {problem.message}"
                log.error("left out placement %s: %s", name, problem.message)
        self._of_ledger = made
        self._join()

    def _join(self) -> None:
        self._known = {**PLACEMENTS, **self._of_file, **self._of_ledger}

    def _read_file(self) -> Mapping[str, Placement]:
        if self._stamp is None:
            return {}
        return read_placements(self._file.read_text(encoding="utf-8", errors="replace"), self._file.name)

    def _stamped(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
