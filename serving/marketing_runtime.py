"""Marketing runtime: what the marketing interface answers from: the shop's stores, keys and clock."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from engine.errors import StoreUnavailable
from engine.settings import Settings
from engine.storage import clock
from engine.storage.home import Home
from engine.targeting.definition import words_of
from serving.doors import Doors
from serving.guard import Guard
from serving.metrics import RequestMetrics

log = logging.getLogger("hawker.marketing")

_LOOK_EVERY = 1.0  # seconds between two looks at the shop's clock
_LIVE_SECONDS = 5.0  # of one command: nobody waits here for a page to be drawn


class MarketingRuntime:
    """Routes ask `doors` for the stores and `now` for the time, each request once."""

    def __init__(self, home: Home, settings: Settings, *, real_time: Callable[[], float] = time.time) -> None:
        self.home = home
        self.settings = settings
        self.metrics = RequestMetrics()
        self.doors = Doors(settings, home.root, live_seconds=_LIVE_SECONDS)
        self.guard = Guard(settings, home)
        #: What rules may name.
        self.words = words_of(each.name for each in settings.event_types)
        self.problem: str | None = None
        self._real_time = real_time
        self.clock_offset = clock.read_offset(home)

    def now(self) -> float:
        """The shop's time, epoch seconds; a request reads it once."""
        return self._real_time() + self.clock_offset

    async def follow(self) -> None:
        """Look at the shop's clock again and again until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                self.clock_offset = clock.read_offset(self.home)
                self.problem = None
            except StoreUnavailable as error:
                if self.problem is None:
                    log.warning("the clock is that of the last look: %s", error.message)
                self.problem = error.message

    async def close(self) -> None:
        await self.doors.close()
