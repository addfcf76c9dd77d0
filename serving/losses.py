"""Losses: what failed of an answer that was given all the same, for the log, the metrics and `degraded`."""

from __future__ import annotations

import logging

from serving.metrics import Metrics

log = logging.getLogger("hawker.losses")


class Losses:
    """Those of one answer."""

    def __init__(self, metrics: Metrics) -> None:
        self._lost = metrics.lost
        self.any = False

    def __call__(self, what: str, problem: Exception) -> None:
        self.any = True
        self._lost.labels(what).inc()
        log.error("an answer went without %s", what, exc_info=problem)
