"""Bench `soak`: ten minutes at a steady pace, and whether a storefront's memory stays what it was.

Pages, similar items and events come mixed, each once in so many. What processes hold before everything was made that
is made at first use is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import numpy as np

from engine.storage.home import Home
from experiments.findings import Asked, Conditions, Findings
from experiments.served_million import large_home, lasting, size_of
from experiments.serving_bench import failed, other_requests, page_requests, told
from experiments.traffic.asking import at_pace
from experiments.traffic.connection import post
from experiments.traffic.cores import own_mib
from experiments.traffic.meanwhile import meanwhile
from experiments.traffic.served import Served, served
from experiments.traffic.shoppers import batches

_WORKERS = 2
_PACE, _QUICK_PACE = 300, 100
#: One of so many requests is for similar items, and one tells of an event.
_SIMILAR, _EVENT = 10, 20
_COMPARED = 0.2  # of the looks at the memory, at either end


def measure_soak(conditions: Conditions) -> Findings:
    """Errors, answer times and the growth of each storefront process."""
    home, size = Home(conditions.scratch / "home"), size_of(conditions)
    pace = _QUICK_PACE if conditions.quick else _PACE
    seconds, warm = lasting(conditions, 600, quick=20), lasting(conditions, 60, quick=5)
    with large_home(home, conditions), served(home.root, workers=str(_WORKERS)) as shop:
        shop.wait_until_whole()
        requests = _mixed(size.users, size.items, conditions.seed)
        at_pace(shop.port, requests, per_second=pace, seconds=warm)
        with _watched(shop, every=seconds / 100) as seen:
            load = at_pace(shop.port, requests, per_second=pace, seconds=seconds)
    figures = {
        "items": size.items,
        "workers": _WORKERS,
        "a_second": pace,
        "seconds": round(load.took, 1),
        **told(load),
        "statuses": {str(status): number for status, number in sorted(load.statuses.items())},
        "own_mib": {str(place): grown(each) for place, each in enumerate(seen.values(), 1)},
    }
    growth = max((each["growth"] for each in figures["own_mib"].values()), default=float("nan"))
    asked = (
        Asked("answers other than 200", float(failed(load)), at_most=0),
        Asked("growth of a storefront's own memory", growth, at_most=0.05),
        Asked("storefront processes that were there from first to last", float(_steady(seen)), at_least=_WORKERS),
    )
    return Findings(figures, asked)


def grown(mib: list[float]) -> dict[str, float]:
    """What a process held in the first and in the last looks, MiB, and the growth in between as a part of the first."""
    n = max(1, int(len(mib) * _COMPARED))
    first, last = float(np.median(mib[:n])), float(np.median(mib[-n:]))
    return {"first": round(first, 1), "last": round(last, 1), "most": round(max(mib), 1), "growth": last / first - 1}


def _steady(seen: dict[int, list[float]]) -> int:
    looks = max(map(len, seen.values()), default=0)
    return sum(len(each) == looks for each in seen.values())


def _mixed(users: int, items: int, seed: int) -> list[bytes]:
    rng = np.random.default_rng(seed)
    pages, similar = page_requests(rng, users, 20_000), other_requests(rng, users, items)["similar_items"]
    told_of = [post("/v1/events", body) for _, body in batches("soak", 2_000, 1, users=users, items=items, seed=seed)]
    mixed = []
    for place, page in enumerate(pages):
        if place % _SIMILAR == 1:
            page = similar[place // _SIMILAR % len(similar)]
        elif place % _EVENT == 2:
            page = told_of[place // _EVENT % len(told_of)]
        mixed.append(page)
    return mixed


@contextmanager
def _watched(shop: Served, *, every: float) -> Iterator[dict[int, list[float]]]:
    """MiB that each storefront process shares with nobody, again and again."""
    seen: dict[int, list[float]] = {}

    def watch(over: Event) -> None:
        while True:
            for pid in shop.alive("storefront"):
                seen.setdefault(pid, []).append(own_mib(pid, "Private_Dirty"))
            if over.wait(every):
                return

    with meanwhile(watch):
        yield seen
