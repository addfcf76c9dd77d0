"""Stages: where the time of a request goes, told to Prometheus for one request of several.

A histogram's count costs about as much as a small stage, so that counting all of every request would slow it down by
what it measures.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.types import Scope

from engine.recommend.query import unmarked
from serving.metrics import Metrics

EVERY = 8  # requests, of which one is measured
_KEY = "hawker.mark"


class Stopwatch:
    """Called at the end of each stage, with its name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


class Stages:
    """The stopwatches of one process."""

    def __init__(self, metrics: Metrics) -> None:
        self._tallies = metrics.tallies
        self._histogram = metrics.stages
        self._turns = itertools.count()

    def begin(self, scope: Scope) -> None:
        if next(self._turns) % EVERY == 0:
            scope[_KEY] = Stopwatch()

    def end(self, scope: Scope) -> None:
        if (watch := scope.get(_KEY)) is not None:
            placement = scope.get("hawker.placement", "")
            for stage, seconds in watch.seconds.items():
                self._tallies.time(self._histogram, (stage, placement), seconds)


def mark_of(request: Request) -> Callable[[str], None]:
    """What the stages of this request tell that they are over."""
    mark: Callable[[str], None] = request.scope.get(_KEY, unmarked)
    return mark
