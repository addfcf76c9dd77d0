"""Live breaker: from the live store's first failure on nobody asks it within a request, until it answers a probe.

The probe goes beside the requests, on a connection of its own: no request ever finds out that the store is still away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from engine.storage.online import StoreError

log = logging.getLogger("hawker.live")

#: Seconds between two probes of a store that is away.
PROBE_EVERY = 0.25
#: A store that fails again within this time of answering is left alone longer and longer, up to so many seconds: it
#: answers probes and not requests.
STEADY = LONGEST_PAUSE = 1.0


class Breaker:
    """Of one process and event loop; `probe` asks the store something and raises where it does not answer."""

    def __init__(self, probe: Callable[[], Awaitable[object]], *, every: float = PROBE_EVERY) -> None:
        self._probe = probe
        self._every = every
        self._probing: asyncio.Task[None] | None = None
        self._answered_at = -STEADY
        self._pause = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the store is left alone."""
        return self._probing is not None

    def trip(self, problem: Exception) -> None:
        """Leave the store alone from now on; it is probed at once, since that may have been a moment's pause."""
        if self._probing is not None:
            return
        log.warning("the live store is left alone until it answers: %s", problem)
        loop = asyncio.get_running_loop()
        is_steady = loop.time() - self._answered_at >= STEADY
        self._pause = 0.0 if is_steady else min(max(2 * self._pause, self._every), LONGEST_PAUSE)
        self._probing = loop.create_task(self._until_it_answers())

    async def _until_it_answers(self) -> None:
        await asyncio.sleep(self._pause)
        while True:
            try:
                await self._probe()
                break
            except (StoreError, OSError):
                await asyncio.sleep(self._every)
        self._probing, self._answered_at = None, asyncio.get_running_loop().time()
        log.info("the live store answers again")

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
