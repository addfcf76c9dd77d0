"""Mail room: sends claimed letters over a few connections at once and notes what became of them.

A claim is for a while. What is not begun well before its end is left to the next claim; who withdrew meanwhile gets
nothing. A server that is away is waited for, but no letter is older than news may be: what is due for longer than the
shop's patience is given up while the server is away.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from engine.errors import HawkerError, StoreUnavailable
from engine.storage.campaign_outbox import Note, give_up_overdue, note
from engine.storage.consents import refused
from engine.storage.ledger import LedgerPool, connection_of
from engine.targeting.webhook_messages import pause_after
from serving.channels.email import SECONDS, Letter, MailServer, Refused

log = logging.getLogger("hawker.campaigns")

LEASE = 600.0  # seconds of real time that a claim lasts
CONNECTIONS = 4
_CHUNK = 10  # letters between two notes
_FIRST_REST, _LONGEST_REST = 5.0, 300.0  # seconds before a server that was away is asked again


class _Away:
    """Whether the mail server was found away, and how that was told first."""

    def __init__(self) -> None:
        self._found = threading.Event()
        self.told = ""

    def __bool__(self) -> bool:
        return self._found.is_set()

    def find(self, told: str) -> None:
        if not self:
            self.told = told
            log.warning("e-mail waits: %s", told)
        self._found.set()


class MailRoom:
    """Sends one round's letters at a time. So many seconds of `patience` one may be due while the server is away."""

    def __init__(
        self,
        ledger: LedgerPool,
        url: str,
        sender: str,
        *,
        patience: float,
        shop_time: Callable[[], float],
        real_time: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._ledger, self._url, self._sender, self._patience = ledger, url, sender, patience
        self._shop_time, self._real_time, self._chance = shop_time, real_time, chance
        self._rest, self._rest_until = _FIRST_REST, 0.0
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    @property
    def has_room(self) -> bool:
        busy = self._thread is not None and self._thread.is_alive()
        return not busy and self._real_time() >= self._rest_until

    def take(self, letters: Sequence[Letter]) -> None:
        """Send them in threads of their own. Their claims must be in the ledger by now."""
        until = time.monotonic() + LEASE - 2 * SECONDS
        self._thread = threading.Thread(target=self._send_all, args=(letters, until), name="mail", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Finish the letters in hand; what is not begun is given back."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _send_all(self, letters: Sequence[Letter], until: float) -> None:
        away = _Away()
        with ThreadPoolExecutor(CONNECTIONS, "letters") as threads:
            lanes = [letters[start::CONNECTIONS] for start in range(CONNECTIONS)]
            done = [threads.submit(self._lane, lane, until, away) for lane in lanes if lane]
        for each in done:
            if (problem := each.exception()) is not None:
                # The claims end, and they are tried again: nothing is lost by what nobody foresaw.
                log.error("letters were left: %s", problem)
        if away:
            self._give_up(away.told)
            self._rest_until, self._rest = self._real_time() + self._rest, min(self._rest * 2, _LONGEST_REST)
        else:
            self._rest = _FIRST_REST

    def _give_up(self, told: str) -> None:
        now, hours = self._shop_time(), self._patience / 3600
        try:
            number = give_up_overdue(
                self._ledger, "email", f"given up after {hours:g} hours: {told}",
                before=now - self._patience, now=now, real_now=self._real_time(),
            )  # fmt: skip
        except HawkerError as problem:
            log.warning("letters that are overdue are given up later: %s", problem.message)
            return
        if number:
            log.warning("%d letters were due for %g hours and are given up: %s", number, hours, told)

    def _lane(self, letters: Sequence[Letter], until: float, away: _Away) -> None:
        with MailServer(self._url, self._sender) as server:
            for start in range(0, len(letters), _CHUNK):
                notes = self._chunk(server, letters[start : start + _CHUNK], until, away)
                with connection_of(self._ledger) as connection:
                    note(connection, notes, now=self._shop_time(), fenced=True)

    def _chunk(self, server: MailServer, letters: Sequence[Letter], until: float, away: _Away) -> list[Note]:
        notes = []
        withdrew = self._withdrew(letters)
        for letter in letters:
            if away or self._closing.is_set() or time.monotonic() > until:
                notes.append(_given_back(letter))
            elif letter.leaving.row.person in withdrew:
                notes.append(Note(letter.leaving.row, "skipped", "no_consent", letter.leaving.row.attempts + 1))
            else:
                notes.append(self._sent(server, letter, away))
        return notes

    def _withdrew(self, letters: Sequence[Letter]) -> set[str]:
        by_purpose: dict[str, list[str]] = {}
        for each in letters:
            by_purpose.setdefault(each.leaving.campaign.purpose, []).append(each.leaving.row.person)
        found: set[str] = set()
        for purpose, users in by_purpose.items():
            found |= refused(self._ledger, users, purpose, "email")
        return found

    def _sent(self, server: MailServer, letter: Letter, away: _Away) -> Note:
        leaving, attempts = letter.leaving, letter.leaving.row.attempts + 1
        try:
            server.send(letter)
        except StoreUnavailable as problem:
            away.find(problem.message)
            # It may have arrived, so that it stays counted. The room rests, so that it needs no pause of its own.
            return Note(leaving.row, "waiting", problem.message, attempts - 1, counted_on=leaving.day)
        except Refused as problem:
            later = None if problem.for_good else pause_after(attempts, self._chance())
            if later is None:
                return Note(leaving.row, "dead", str(problem), attempts)
            again = self._real_time() + later
            return Note(leaving.row, "waiting", str(problem), attempts, not_before=again, counted_on=leaving.day)
        return Note(leaving.row, "sent", None, attempts, counted_on=leaving.day)


def _given_back(letter: Letter) -> Note:
    """As before the claim, but for the contact that it was counted as."""
    row = letter.leaving.row
    return Note(row, "waiting", None, row.attempts, counted_on=letter.leaving.day)
