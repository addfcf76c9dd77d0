"""Bench `growth`: a storefront of ten thousand, a hundred thousand and a million items, with one and two processes.

For each: how soon a shop that was served before is ready again, pages a second as fast as they are answered, how long
pages take at half of that pace, and who had no time left: the storefront, the store, the load itself, or the machine.
"""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Any

import numpy as np

from engine.storage.home import Home
from experiments.findings import Asked, Conditions, Findings
from experiments.served_million import QUICK, WHOLE, large_home, lasting
from experiments.serving_bench import failed, page_requests, rate_of
from experiments.shop import ShopSize
from experiments.traffic.asking import as_fast_as_answered, at_pace
from experiments.traffic.cores import cpu_seconds, own_mib
from experiments.traffic.served import Served, served

_SIZES = (*(ShopSize(users=n, items=n, days=20) for n in (10_000, 100_000)), WHOLE)
_QUICK_SIZES = (ShopSize(users=1_000, items=1_000, days=20), QUICK)
_WORKERS = (1, 2)
_AT_ONCE = 16
_BUSY = 0.9  # of its time, from which on somebody counts as having none left


def measure_growth(conditions: Conditions) -> Findings:
    """The table; asked are the start and the memory of a further process at the largest size."""
    rows: list[dict[str, Any]] = []
    for size in _QUICK_SIZES if conditions.quick else _SIZES:
        folder = conditions.scratch / str(size.items)
        home = Home(folder / "home")
        with large_home(home, dataclasses.replace(conditions, scratch=folder), size=size):
            with served(home.root, workers="1"):
                pass  # the first start of a home makes its stores, which no later one does
            rows += [_row(home, size, workers, conditions) for workers in _WORKERS]
    last = [row for row in rows if row["items"] == rows[-1]["items"]]
    asked = (
        Asked("answers other than 200", float(sum(row["not_200"] for row in rows)), at_most=0),
        Asked("seconds from the start until ready, most items", last[0]["seconds_until_ready"], at_most=5),
        Asked("MiB that a further process has for itself, most items", last[-1]["own_mib_each"], at_most=250),
    )
    return Findings({"rows": rows}, asked)


def _row(home: Home, size: ShopSize, workers: int, conditions: Conditions) -> dict[str, Any]:
    began = time.monotonic()
    with served(home.root, workers=str(workers)) as shop:
        shop.wait_until_ready(path="/health/ready")
        ready = time.monotonic() - began
        shop.wait_until_whole()
        pages = page_requests(np.random.default_rng(conditions.seed), size.users, 20_000)
        at_pace(shop.port, pages, per_second=100, seconds=lasting(conditions, 5, quick=2))
        before, at = _computed(shop), time.monotonic()
        fast = as_fast_as_answered(shop.port, pages, at_once=_AT_ONCE, seconds=lasting(conditions, 20, quick=3))
        wall = time.monotonic() - at
        shares = {name: (used - before[name]) / wall for name, used in _computed(shop).items()}
        shares["storefront"] /= workers
        pace = max(1.0, rate_of(fast) / 2)
        paced = at_pace(shop.port, pages, per_second=pace, seconds=lasting(conditions, 20, quick=3))
        own = min(own_mib(pid) for pid in shop.alive("storefront")) if workers > 1 else float("nan")
    return {
        "items": size.items,
        "workers": workers,
        "seconds_until_ready": round(ready, 2),
        "closed_loop_a_second": rate_of(fast),
        "p99_ms_closed_loop": round(fast.percentile(99), 2),
        "paced_a_second": round(pace, 1),
        "p50_ms": round(paced.percentile(50), 2),
        "p99_ms": round(paced.percentile(99), 2),
        "not_200": failed(fast) + failed(paced),
        "own_mib_each": round(own, 1),
        "busy": {name: round(share, 2) for name, share in shares.items()},
        "bound_by": bound_by(shares, workers, len(os.sched_getaffinity(0))),
    }


def bound_by(shares: dict[str, float], workers: int, cores: int) -> str:
    """Who had no time left, by the part of the time that each computed: one storefront process, the store, the load.

    `the machine` where none of them but all cores together were busy, `waiting` where not even these were.
    """
    name = max(shares, key=lambda each: shares[each])
    if shares[name] >= _BUSY:
        return name
    total = sum(shares.values()) + (workers - 1) * shares["storefront"]
    return "the machine" if total >= _BUSY * cores else "waiting"


def _computed(shop: Served) -> dict[str, float]:
    """CPU seconds so far."""
    return {
        "storefront": sum(map(cpu_seconds, shop.alive("storefront"))),
        "store": sum(map(cpu_seconds, shop.alive("valkey-live"))),
        "load": cpu_seconds(os.getpid()),
    }
