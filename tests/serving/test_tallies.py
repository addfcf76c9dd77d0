"""What is tallied reaches Prometheus as if each had been told to it."""

from __future__ import annotations

import asyncio
import re

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from serving.drawn_ids import drawn_id
from serving.tallies import BROUGHT_EVERY, Tallies

BOUNDS = (0.1, 0.5, 1.0)


def figures():
    registry = CollectorRegistry()
    counter = Counter("n", "number", ("of",), registry=registry)
    return registry, counter, Histogram("s", "seconds", ("of",), buckets=BOUNDS, registry=registry)


def page(registry):
    return re.sub(r"_created\S+ \S+", "", generate_latest(registry).decode())


def test_they_are_what_prometheus_would_have_counted():
    rng = np.random.default_rng(0)
    mine, counter, histogram = figures()
    theirs, their_counter, their_histogram = figures()

    async def counted():
        tallies = Tallies()
        tallies.counter(counter)
        tallies.histogram(histogram, BOUNDS)
        for seconds in (*BOUNDS, 0.0, 7.0, *rng.random(50) * 2):
            label = str(int(seconds * 10) % 3)
            tallies.count(counter, (label,), 2)
            tallies.time(histogram, (label,), seconds)
            their_counter.labels(label).inc(2)
            their_histogram.labels(label).observe(seconds)
            if rng.random() < 0.3:
                tallies.bring()
        tallies.bring()
        tallies.bring()

    asyncio.run(counted())
    lines = [sorted(each for each in page(of).splitlines() if not each.startswith("s_sum")) for of in (mine, theirs)]
    assert lines[0] == lines[1]
    sums = [[float(each) for each in re.findall(r"s_sum\S+ (\S+)", page(of))] for of in (mine, theirs)]
    np.testing.assert_allclose(sorted(sums[0]), sorted(sums[1]))


def test_they_arrive_by_themselves():
    registry, counter, _ = figures()

    async def counted():
        tallies = Tallies()
        tallies.counter(counter)
        tallies.count(counter, ("a",))
        while 'n_total{of="a"} 1.0' not in page(registry):
            await asyncio.sleep(BROUGHT_EVERY)

    asyncio.run(asyncio.wait_for(counted(), 30))


def test_ids_are_random_uuids_and_differ():
    drawn = [drawn_id() for _ in range(2_000)]
    assert len(set(drawn)) == len(drawn)
    assert all(re.fullmatch("[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", each) for each in drawn)
    assert len({each[:12] for each in drawn}) == len(drawn)
