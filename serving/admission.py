"""Admission: how many lists may be in work at once.

A burst may fill the queue, which is gone a moment later. Where the queue stands, more is asked than can be made: from
then on so many are taken that the last of them is answered within `WITHIN`, and the others are turned away before they
cost anything, since behind so many nobody waits for a list. That a queue is told from a burst by how long it stands is
from Nichols and Jacobson: Controlling queue delay (2012).

What a list takes is learned from those that are answered: of several at once each waits for the ones before, so that
its time over their number is what one costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.errors import Overloaded

#: Seconds of work that are taken in at once where the queue stands. Who comes meanwhile waits about as long again
#: before being looked at.
WITHIN = 0.06
#: Seconds after which a queue stands; lists are made in rounds, so that it may be gone for part of that, but not as
#: long as `GONE`.
STANDING, GONE = 0.3, 0.5
FEWEST, MOST = 16, 128
#: Fewer at once wait for the stores rather than for each other, and tell nothing.
_TELLING = 8
_WEIGHT = 0.02  # of the latest list in what is known

Ticket = tuple[float, int]


class Admission:
    """Of one process; `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.at_once = 0
        self._clock = clock
        self._one_takes = WITHIN / MOST
        self._queue_since = self._queue_at = -GONE

    @property
    def in_time(self) -> int:
        """How many are answered within `WITHIN`."""
        return int(min(MOST, max(FEWEST, WITHIN / self._one_takes)))

    def full(self) -> Overloaded | None:
        """What the next one is told where no more are taken."""
        if self.at_once < self.in_time:
            return None
        now = self._clock()
        if now - self._queue_at >= GONE:
            self._queue_since = now
        self._queue_at = now
        if self.at_once < MOST and now - self._queue_since < STANDING:
            return None
        return Overloaded("more lists are asked for than can be made; try again in a second")

    def enter(self) -> Ticket:
        """A ticket for `leave`."""
        self.at_once += 1
        return self._clock(), self.at_once

    def leave(self, ticket: Ticket) -> None:
        """A list was made, or refused."""
        self.at_once -= 1
        began, place = ticket
        if place >= _TELLING:
            self._one_takes += _WEIGHT * ((self._clock() - began) / place - self._one_takes)
