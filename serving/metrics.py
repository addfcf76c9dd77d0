"""Metrics of the processes that answer over HTTP, for Prometheus.

Where `PROMETHEUS_MULTIPROC_DIR` names a folder, as `hawker serve` sets it for its processes, each of them
answers for all: counts are sums, the bundle version is the lowest that a living process serves.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from serving.tallies import Tallies

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_STAGE_SECONDS = (0.00005, 0.0001, 0.00025, 0.0005, *_SECONDS[:8])


class RequestMetrics:
    """What every HTTP interface counts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "hawker_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "hawker_request_seconds",
            "Time from a request's first byte to its answer's last.",
            ("route", "placement"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.tallies = Tallies()
        self.tallies.counter(self.requests)
        self.tallies.histogram(self.seconds, _SECONDS)

    def page(self) -> bytes:
        """All figures in the text format of Prometheus."""
        self.tallies.bring()
        registry = self._registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


class Metrics(RequestMetrics):
    """Figures of a storefront process."""

    def __init__(self) -> None:
        super().__init__()
        self.events = Counter("hawker_events", "Events received, by verdict.", ("verdict",), registry=self._registry)
        self.profiles_behind = Counter(
            "hawker_profile_events_missed", "Events that the live profiles missed.", registry=self._registry
        )
        self.served_dropped = Counter(
            "hawker_served_dropped", "Answers that were not logged as served.", registry=self._registry
        )
        self.degraded = Counter(
            "hawker_degraded_answers", "Recommendations without the live profile.", registry=self._registry
        )
        self.stages = Histogram(
            "hawker_stage_seconds",
            "Time of the stages of recommendations, of every eighth request.",
            ("stage", "placement"),
            buckets=_STAGE_SECONDS,
            registry=self._registry,
        )
        self.tallies.histogram(self.stages, _STAGE_SECONDS)
        self.lost = Counter(
            "hawker_answers_without",
            "What failed of answers that were given all the same.",
            ("what",),
            registry=self._registry,
        )
        self.index_recall = Gauge(
            "hawker_index_recall",
            "Recall of the served bundle's index, as measured when it was built.",
            registry=self._registry,
            multiprocess_mode="livemin",
        )
        self._of_the_bundle()

    def _of_the_bundle(self) -> None:
        """Which one is served, and how well it fits who asks."""
        self.bundle_version = Gauge(
            "hawker_bundle_version", "Bundle that is served.", registry=self._registry, multiprocess_mode="livemin"
        )
        self.bundle_age = Gauge(
            "hawker_bundle_age_seconds",
            "Time since the last event that the served bundle knows.",
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self.asked = Counter(
            "hawker_asked",
            "Users and items in view that lists were asked for, and whether the served bundle knows them.",
            ("what", "known"),
            registry=self._registry,
        )
        self.tallies.counter(self.asked)
        self.swaps = Counter(
            "hawker_bundle_swaps", "Bundles taken into service while running.", registry=self._registry
        )
        self.refused = Counter(
            "hawker_bundles_refused", "Published bundles that were unusable.", registry=self._registry
        )


class WorkerMetrics:
    """Figures of the worker, which the storefront's page shows too."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.waiting = Gauge(
            "hawker_stream_entries",
            "Accepted batches that are not in the lake yet.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.lag = Gauge(
            "hawker_stream_lag_seconds", "Age of the oldest of them.", registry=registry, multiprocess_mode="livemax"
        )
        self.rows = Counter("hawker_drained_rows", "Rows brought from the stream into the lake.", registry=registry)
        self.dead = Counter("hawker_dead_letters", "Rows that no table could hold.", registry=registry)


class TrainingMetrics:
    """Figures of the jobs process on how well the served bundle still fits, which the storefront's page shows too."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.events_since = Gauge(
            "hawker_events_since_bundle",
            "Events of the lake that the served bundle does not know.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.drift = Gauge(
            "hawker_drift",
            "Population stability index of what happened since against training: above 0.25 much moved.",
            ("of",),
            registry=registry,
            multiprocess_mode="livemostrecent",  # it may be no number, which is neither more nor less
        )
        self.running = Gauge(
            "hawker_retraining", "Whether a retraining runs.", registry=registry, multiprocess_mode="livemax"
        )
        self.ended = Counter(
            "hawker_retrainings",
            "Retrainings that ended: published, refused at a gate, failed or cancelled.",
            ("outcome",),
            registry=registry,
        )
