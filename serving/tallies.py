"""Tallies: what is counted of every request, kept as plain numbers until somebody looks.

Prometheus' own counters take a lock and, with several processes, write to a file: several times a request that costs
more than a small stage. What waits here is brought to them a few times a second, and before they are read.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Sequence

from prometheus_client import Counter, Histogram

#: Seconds after which other processes see what this one counted.
BROUGHT_EVERY = 0.2
Labels = tuple[str, ...]


class Tallies:
    """Those of one process and event loop."""

    def __init__(self) -> None:
        self._counts: dict[Counter, dict[Labels, float]] = {}
        self._times: dict[Histogram, tuple[Sequence[float], dict[Labels, list[float]]]] = {}
        self._bringing: asyncio.TimerHandle | None = None

    def counter(self, counter: Counter) -> None:
        """Let `count` take it."""
        self._counts[counter] = {}

    def histogram(self, histogram: Histogram, bounds: Sequence[float]) -> None:
        """Let `time` take it; `bounds` are those of its buckets, but for infinity."""
        self._times[histogram] = bounds, {}

    def count(self, counter: Counter, labels: Labels, number: float = 1) -> None:
        self._soon()
        waiting = self._counts[counter]
        waiting[labels] = waiting.get(labels, 0) + number

    def time(self, histogram: Histogram, labels: Labels, seconds: float) -> None:
        self._soon()
        bounds, waiting = self._times[histogram]
        kept = waiting.get(labels)
        if kept is None:
            kept = waiting[labels] = [0.0] * (len(bounds) + 2)
        kept[bisect_left(bounds, seconds)] += 1
        kept[-1] += seconds

    def bring(self) -> None:
        """Tell Prometheus."""
        if self._bringing is not None:
            self._bringing.cancel()
            self._bringing = None
        for counter, counted in self._counts.items():
            for labels, number in counted.items():
                counter.labels(*labels).inc(number)
            counted.clear()
        for histogram, (_, timed) in self._times.items():
            for labels, kept in timed.items():
                _observe(histogram.labels(*labels), kept)
            timed.clear()

    def _soon(self) -> None:
        if self._bringing is None:
            self._bringing = asyncio.get_running_loop().call_later(BROUGHT_EVERY, self.bring)


def _observe(histogram: Histogram, kept: Sequence[float]) -> None:
    """What `histogram.observe` does, for many at once."""
    *numbers, seconds = kept
    histogram._sum.inc(seconds)
    for bucket, number in zip(histogram._buckets, numbers, strict=True):
        if number:
            bucket.inc(number)
