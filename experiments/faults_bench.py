"""Bench `faults`: a storefront whose stores are frozen or killed, and one that is asked for three times its most."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Event
from typing import Any

import numpy as np

from engine.storage.home import Home
from experiments.findings import Asked, Conditions, Findings
from experiments.served_million import large_home, lasting, size_of
from experiments.serving_bench import page_requests, rate_of, told
from experiments.traffic.asking import as_fast_as_answered, at_pace
from experiments.traffic.cores import pinned
from experiments.traffic.drive import Load
from experiments.traffic.meanwhile import meanwhile
from experiments.traffic.served import Served, served

_PACE = 500
_BACK = 10.0  # seconds after a fault within which all has to be as before


def measure_faults(conditions: Conditions) -> Findings:
    """500 pages a second through each fault, and three times the most through none."""
    home, size, seconds = Home(conditions.scratch / "home"), size_of(conditions), lasting(conditions, 60, quick=4)
    back = lasting(conditions, _BACK, quick=_BACK)
    with large_home(home, conditions), served(home.root, workers="1") as shop, pinned(shop):
        shop.wait_until_whole()
        pages = page_requests(np.random.default_rng(conditions.seed), size.users, 20_000)
        at_pace(shop.port, pages, per_second=100, seconds=lasting(conditions, 2, quick=2))
        undisturbed = told(at_pace(shop.port, pages, per_second=_PACE, seconds=seconds / 2))
        faults = {
            "live_store_frozen": _through(shop, pages, seconds, back, lambda: _frozen(shop, "valkey-live")),
            "live_store_killed": _through(shop, pages, seconds, back, lambda: _killed(shop, "valkey-live")),
            "ledger_killed": _through(shop, pages, seconds, back, lambda: _killed(shop, "postgres")),
        }
        most = rate_of(as_fast_as_answered(shop.port, pages, at_once=16, seconds=min(seconds, 10.0)))
        overload, after = _overloaded(shop, pages, 3 * most, seconds, back)
    figures = {
        "items": size.items,
        "undisturbed": undisturbed,
        "most_a_second": most,
        **faults,
        "overload": overload,
        "after_overload": after,
    }
    return Findings(figures, _asked(faults, overload, after))


def _asked(faults: dict[str, Any], overload: dict[str, Any], after: dict[str, Any]) -> tuple[Asked, ...]:
    named = {name: name.replace("_", " ") for name in faults}
    return (
        *(Asked(f"{named[name]}: answers other than 200", each["not_200"], at_most=0) for name, each in faults.items()),
        *(Asked(f"{named[name]}: p99, ms", each["p99_ms"], at_most=100) for name, each in faults.items()),
        *(
            Asked(f"{named[name]}: s until nothing is degraded", each["seconds_until_whole"], at_most=_BACK)
            for name, each in faults.items()
        ),
        Asked("three times the most: accepted, p99, ms", overload["accepted_p99_ms"], at_most=200),
        Asked("three times the most: neither answered nor turned away", overload["neither"], at_most=0),
        Asked("10 s after it: p99 at 500 a second, ms", after["p99_ms"], at_most=25),
    )


def _through(shop: Served, pages: list[bytes], seconds: float, back: float, fault: Callable[[], Any]) -> dict[str, Any]:
    """The pace through a fault, and how soon nothing is degraded after it."""
    degraded = [0]

    def see(status: int, body: bytes, took: float) -> None:
        degraded[0] += status == 200 and json.loads(body)["degraded"]

    with fault():
        load = at_pace(shop.port, pages, per_second=_PACE, seconds=seconds, seen=see)
    return {**told(load), "degraded": degraded[0], "seconds_until_whole": _until_whole(shop, pages, back)}


def _until_whole(shop: Served, pages: list[bytes], back: float) -> float:
    """Seconds until the last answer that is not whole; they are looked for while `back` lasts."""
    began, last = time.monotonic(), [0.0]

    def see(status: int, body: bytes, took: float) -> None:
        if status != 200 or json.loads(body)["degraded"]:
            last[0] = time.monotonic() - began

    at_pace(shop.port, pages, per_second=100, seconds=back, seen=see)
    return round(last[0], 2)


def _overloaded(
    shop: Served, pages: list[bytes], per_second: float, seconds: float, back: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    accepted: list[float] = []

    def see(status: int, body: bytes, took: float) -> None:
        if status == 200:
            accepted.append(took * 1_000)

    # So many connections that it is the server who has to bound what waits.
    load = at_pace(shop.port, pages, per_second=per_second, seconds=seconds, at_most=1_000, seen=see)
    time.sleep(back)
    after = told(at_pace(shop.port, pages, per_second=_PACE, seconds=min(seconds, 10.0)))
    figures = {
        **told(load),
        "asked_a_second": round(per_second),
        "accepted_a_second": round(len(accepted) / load.took),
        "accepted_p99_ms": round(float(np.percentile(accepted, 99)), 2) if accepted else float("nan"),
        "turned_away": load.statuses.get(429, 0) + load.statuses.get(503, 0),
        "neither": _neither(load),
    }
    return figures, after


def _neither(load: Load) -> int:
    return load.requests - sum(load.statuses.get(status, 0) for status in (200, 429, 503))


@contextmanager
def _frozen(shop: Served, name: str) -> Iterator[None]:
    """A store that takes connections and says nothing."""
    found = shop.alive(name)
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _killed(shop: Served, name: str) -> AbstractContextManager[None]:
    """A store that is killed again as soon as the supervisor has started it."""

    def kill(over: Event) -> None:
        while not over.wait(0.02):
            shop.kill(name)

    return meanwhile(kill)
