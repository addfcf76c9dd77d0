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
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from engine.storage import releases
from engine.storage.home import Home
from experiments.findings import Asked, Conditions, Findings
from experiments.served_million import QUICK, WHOLE, large_home, published
from experiments.serving_bench import failed, page_requests, pinned, told
from experiments.traffic.asking import at_pace
from experiments.traffic.meanwhile import meanwhile
from experiments.traffic.served import Served, served

_DEARER = 1_000_000
_SWAPS = 20


def measure_swap(conditions: Conditions) -> Findings:
    """Errors, mixed answers and memory over twenty swaps."""
    home, size = Home(conditions.scratch / "home"), QUICK if conditions.quick else WHOLE
    seconds = 12.0 if conditions.quick else 240.0
    with large_home(home, conditions):
        bundle = releases.open_bundle(home)
        dearer = dataclasses.replace(bundle.catalog, price=bundle.catalog.price + _DEARER)
        versions = (1, published(home, dataclasses.replace(bundle, catalog=dearer)))
        del bundle
        with served(home.root, workers="1") as shop:
            pinned(shop)
            shop.wait_until_ready(path="/health/ready")
            pages = page_requests(np.random.default_rng(conditions.seed), size.users, 20_000, fields=["price"])
            at_pace(shop.port, pages, per_second=100, seconds=2)
            quiet = at_pace(shop.port, pages, per_second=500, seconds=seconds / 10)
            answers = _Answers(versions[1])
            with _swapping(home, versions, seconds / (_SWAPS + 1)), _watched(shop) as memory:
                load = at_pace(shop.port, pages, per_second=500, seconds=seconds, seen=answers.see)
    figures = {
        "items": size.items,
        "without_swaps": told(quiet),
        "with_swaps": told(load),
        "taken_up": answers.changes,
        "mixed": answers.mixed,
        "answers_by_version": dict(answers.by_version),
        "private_mib_before": memory[0],
        "private_mib_most": max(memory),
        "private_mib_after": memory[-1],
    }
    asked = (
        Asked("bundles taken up", float(answers.changes), at_least=_SWAPS),
        Asked("answers other than 200", float(failed(load)), at_most=0),
        Asked("answers that mix two bundles", float(answers.mixed), at_most=0),
    )
    return Findings(figures, asked)


class _Answers:
    """Which bundle each answer says that it is of, and whether its prices are of that one."""

    def __init__(self, dearer: int) -> None:
        self._dearer = dearer
        self._last: int | None = None
        self.by_version: Counter[int] = Counter()
        self.changes = self.mixed = 0

    def see(self, status: int, body: bytes, took: float) -> None:
        if status != 200:
            return
        answer: dict[str, Any] = json.loads(body)
        version = answer["bundle_version"]
        self.changes += self._last is not None and version != self._last
        self._last = version
        self.by_version[version] += 1
        prices = [each["fields"]["price"] for each in answer["items"]]
        self.mixed += any((price >= _DEARER) != (version == self._dearer) for price in prices)


def _swapping(home: Home, versions: tuple[int, int], every: float) -> AbstractContextManager[None]:
    """The two take turns, beginning with the one that is not served."""

    def swap(over: Event) -> None:
        for turn in range(_SWAPS):
            if over.wait(every):
                return
            releases.point_to(home, versions[turn % 2], time.time())

    return meanwhile(swap)


@contextmanager
def _watched(shop: Served) -> Iterator[list[float]]:
    """MiB that the storefront shares with nobody, again and again; the last one when the block has ended."""
    pid = shop.processes("storefront")[0]
    found = [_private_mib(pid)]

    def watch(over: Event) -> None:
        while not over.wait(0.2):
            found.append(_private_mib(pid))

    with meanwhile(watch):
        yield found
    time.sleep(1.0)
    found.append(_private_mib(pid))


def _private_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1024
