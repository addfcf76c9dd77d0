"""The served log: what was answered, in batches, beside the requests. Shown is another thing: an exposure event."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

import orjson

from engine.errors import StoreUnavailable
from engine.storage.event_stream import EventStream
from serving.metrics import Metrics

log = logging.getLogger("hawker.served")

#: Answers kept while the stream is away; the oldest are dropped first, and counted.
MOST_WAITING = 10_000
_AT_ONCE = 500


class ServedLog:
    """Answers on their way to the lake's table `served`; a process that is killed loses its last second."""

    def __init__(self, stream: EventStream | None, metrics: Metrics) -> None:
        self._stream = stream
        self._dropped = metrics.served_dropped
        self._waiting: deque[dict[str, Any]] = deque()

    def note(self, row: dict[str, Any]) -> None:
        """Remember an answer, in the columns of the lake."""
        if self._stream is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._dropped.inc()
        self._waiting.append(row)

    async def flush(self) -> None:
        """Bring what waits to the stream; what it does not take now waits on."""
        while self._stream is not None and self._waiting:
            rows = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            try:
                await self._stream.append("served", [text for row in rows if (text := _line(row)) is not None])
            except StoreUnavailable as problem:
                self._waiting.extendleft(reversed(rows))
                log.debug("%s", problem.message)
                return


def _line(row: dict[str, Any]) -> bytes | None:
    try:
        return orjson.dumps(row)
    except TypeError:  # an id that is half a surrogate pair: no lake can hold it
        return None
