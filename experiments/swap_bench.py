"""Bench `swap`: twenty newly published bundles taken up by a storefront that answers 500 pages a second meanwhile.

Two versions of a large shop take turns. In one of them every price is a million higher, so that an answer that came of
both at once would show.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event
from typing import Any

import numpy as np

from engine.storage import releases
from engine.storage.home import Home
from experiments.findings import Asked, Conditions, Findings
from experiments.served_million import large_home, lasting, published, size_of
from experiments.serving_bench import failed, page_requests, told
from experiments.traffic.asking import at_pace
from experiments.traffic.cores import own_mib, pinned
from experiments.traffic.meanwhile import meanwhile
from experiments.traffic.served import Served, served

_DEARER = 1_000_000
_SWAPS = 20
_PACE = 500
_PATIENCE = 60.0  # seconds for a bundle to be taken up


def measure_swap(conditions: Conditions) -> Findings:
    """Errors, mixed answers and memory over twenty swaps."""
    home, size, seconds = Home(conditions.scratch / "home"), size_of(conditions), lasting(conditions, 240, quick=12)
    with large_home(home, conditions):
        versions = _cheap_and_dear(home)
        with served(home.root, workers="1") as shop, pinned(shop):
            shop.wait_until_whole()
            pages = page_requests(np.random.default_rng(conditions.seed), size.users, 20_000, fields=["price"])
            at_pace(shop.port, pages, per_second=100, seconds=lasting(conditions, 2, quick=2))
            quiet = at_pace(shop.port, pages, per_second=_PACE, seconds=seconds / 10)
            answers = _Answers(versions[1])
            with _watched(shop) as memory, _swapping(home, versions, answers, seconds / (_SWAPS + 1)):
                load = at_pace(
                    shop.port, pages, per_second=_PACE, seconds=seconds, seen=answers.see, until=answers.over.is_set
                )
    figures = {
        "items": size.items,
        "without_swaps": told(quiet),
        "with_swaps": told(load),
        "taken_up": len(answers.taken_up),
        "seconds_until_taken_up": {
            f"p{share}": round(float(np.percentile(answers.taken_up or [np.nan], share)), 2) for share in (50, 100)
        },
        "mixed": answers.mixed,
        "answers_by_version": dict(answers.by_version),
        "private_mib_before": memory[0],
        "private_mib_most": max(memory),
        "private_mib_after": memory[-1],
    }
    asked = (
        Asked("bundles taken up", float(len(answers.taken_up)), at_least=_SWAPS),
        Asked("answers other than 200", float(failed(load)), at_most=0),
        Asked("answers that mix two bundles", float(answers.mixed), at_most=0),
        Asked("the storefront's own memory at most, over that before", max(memory) / memory[0], at_most=2),
    )
    return Findings(figures, asked)


def _cheap_and_dear(home: Home) -> tuple[int, int]:
    """The version that is served, and another one."""
    bundle = releases.open_bundle(home)
    dearer = dataclasses.replace(bundle.catalog, price=bundle.catalog.price + _DEARER)
    served_now = releases.current(home)
    assert served_now is not None
    return served_now.version, published(home, dataclasses.replace(bundle, catalog=dearer))


class _Answers:
    """Which bundle each answer says that it is of, and whether its prices are of that one."""

    def __init__(self, dearer: int) -> None:
        self._dearer = dearer
        self.last: int | None = None
        self.by_version: Counter[int] = Counter()
        self.mixed = 0
        self.taken_up: list[float] = []
        self.over = Event()

    def see(self, status: int, body: bytes, took: float) -> None:
        if status != 200:
            return
        answer: dict[str, Any] = json.loads(body)
        version = answer["bundle_version"]
        self.last = version
        self.by_version[version] += 1
        prices = [each["fields"]["price"] for each in answer["items"]]
        self.mixed += any((price >= _DEARER) != (version == self._dearer) for price in prices)


def _swapping(home: Home, versions: tuple[int, int], answers: _Answers, every: float) -> AbstractContextManager[None]:
    """The two take turns, beginning with the one that is not served, each when an answer of the last one was seen."""

    def swap(over: Event) -> None:
        for turn in range(_SWAPS):
            if over.wait(every):
                break
            began, version = time.monotonic(), versions[turn % 2]
            releases.point_to(home, version, time.time())
            while answers.last != version and time.monotonic() - began < _PATIENCE and not over.wait(0.01):
                pass
            if answers.last != version:
                break
            answers.taken_up.append(time.monotonic() - began)
        answers.over.set()

    return meanwhile(swap)


@contextmanager
def _watched(shop: Served) -> Iterator[list[float]]:
    """MiB that the storefront shares with nobody, again and again; the last one when the block has ended."""
    pid = shop.processes("storefront")[0]
    found = [own_mib(pid, "Private_Dirty")]

    def watch(over: Event) -> None:
        while not over.wait(0.2):
            found.append(own_mib(pid, "Private_Dirty"))

    with meanwhile(watch):
        yield found
    time.sleep(1.0)
    found.append(own_mib(pid, "Private_Dirty"))
