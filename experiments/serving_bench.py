"""Bench `serving`: a storefront's pages over a shop of a million items and users, on one core of two.

The server has one core, the stores and the load the other. Beside it, on the same core, the floor: a FastAPI route that
sends the same bytes, and one that reads a key of Valkey before.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from engine.storage.home import Home
from experiments.findings import Asked, Conditions, Findings
from experiments.served_million import large_home, lasting, size_of
from experiments.traffic.asking import as_fast_as_answered, at_pace
from experiments.traffic.connection import get, post
from experiments.traffic.cores import beside, cpu_seconds, pinned
from experiments.traffic.drive import Load
from experiments.traffic.served import Served, free_port, served

_AT_ONCE = 16
_STAGE = re.compile(r'hawker_stage_seconds_(sum|count)\{(?:placement="[^"]*",)?stage="(\w+)"[^}]*\} (\S+)')


def measure_serving(conditions: Conditions) -> Findings:
    """Closed loop for what a page costs, open loop for how long it takes."""
    home, size = Home(conditions.scratch / "home"), size_of(conditions)
    with large_home(home, conditions) as live_url, served(home.root, workers="1") as shop, pinned(shop):
        figures, asked = measured(shop, live_url, size.users, size.items, conditions)
    return Findings({"users": size.users, "items": size.items, **figures}, asked)


def measured(
    shop: Served, live_url: str, users: int, items: int, conditions: Conditions
) -> tuple[dict[str, Any], tuple[Asked, ...]]:
    """The figures of a shop that is served already."""
    rng = np.random.default_rng(conditions.seed)
    pages = page_requests(rng, users, 3_000 if conditions.quick else 60_000)
    seconds = lasting(conditions, 20, quick=2)
    shop.wait_until_whole()
    # What is made at first use is not the page's time.
    at_pace(shop.port, pages, per_second=100, seconds=lasting(conditions, 2, quick=2))
    ours, stages, used = closed(shop, pages, seconds)
    with floor(shop, pages[0], conditions.scratch) as (port, process):
        before = cpu_seconds(process)
        empty = as_fast_as_answered(port, pages, at_once=_AT_ONCE, seconds=seconds)
        floor_used = (cpu_seconds(process) - before) / empty.requests
        paced_floor = at_pace(port, pages, per_second=500, seconds=lasting(conditions, 30, quick=2))
    with floor(shop, pages[0], conditions.scratch, live_url) as (port, _):
        with_read = as_fast_as_answered(port, pages, at_once=_AT_ONCE, seconds=seconds)
    paced = at_pace(shop.port, pages, per_second=500, seconds=lasting(conditions, 120, quick=3))
    faster = at_pace(shop.port, pages, per_second=1_000, seconds=lasting(conditions, 60, quick=2))
    others = {
        name: at_pace(shop.port, made, per_second=500, seconds=lasting(conditions, 20, quick=2))
        for name, made in other_requests(rng, users, items).items()
    }
    rate = {"page": rate_of(ours), "empty_route": rate_of(empty), "empty_route_with_a_read": rate_of(with_read)}
    figures = {
        "closed_loop_a_second": rate,
        "page_over_empty_route": rate["page"] / rate["empty_route"],
        "read_over_empty_route": rate["empty_route_with_a_read"] / rate["empty_route"],
        "cpu_microseconds": {"page": round(used * 1e6, 1), "empty_route": round(floor_used * 1e6, 1)},
        "stages_microseconds": stages,
        "open_loop_500": told(paced),
        "open_loop_1000": told(faster),
        "open_loop_500_empty_route": told(paced_floor),
        **{f"open_loop_500_{name}": told(load) for name, load in others.items()},
    }
    return figures, asked_of(rate, paced, faster, paced_floor, others)


def asked_of(
    rate: dict[str, float], paced: Load, faster: Load, paced_floor: Load, others: dict[str, Load]
) -> tuple[Asked, ...]:
    late = max(25.0, 5 * paced_floor.percentile(99))
    return (
        Asked("pages a second over those of an empty route", rate["page"] / rate["empty_route"], at_least=0.2),
        Asked("500 pages a second, p50, ms", paced.percentile(50), at_most=4),
        Asked("500 pages a second, p90, ms", paced.percentile(90), at_most=8),
        Asked("500 pages a second, p99, ms", paced.percentile(99), at_most=late),
        Asked("500 pages a second, answers other than 200", float(failed(paced)), at_most=0),
        Asked("1,000 pages a second, p90, ms", faster.percentile(90), at_most=20),
        Asked("1,000 pages a second, answers other than 200", float(failed(faster)), at_most=0),
        *(Asked(f"500 {name} a second, p90, ms", load.percentile(90), at_most=6) for name, load in others.items()),
    )


def page_requests(rng: np.random.Generator, users: int, number: int, **more: Any) -> list[bytes]:
    """Pages of `number` users: never bought before, on sale, at most four of a category."""
    rules = {"placement": "discover", "limit": 20, "diversity": {"max": {"category": 4}}, **more}
    chosen = rng.choice(users, min(number, users), replace=False)
    return [_asked("/v1/recommendations", {**rules, "user_id": f"u{user}"}) for user in chosen]


def other_requests(rng: np.random.Generator, users: int, items: int) -> dict[str, list[bytes]]:
    """Similar items, lists for somebody's visit only, and a hundred given items in a user's order."""
    looked = [f"i{row}" for row in (items * rng.random(2_000) ** 2).astype(int)]
    given = [[f"i{row}" for row in rng.integers(items, size=100)] for _ in range(500)]
    return {
        "similar_items": [get(f"/v1/items/{item}/similar?limit=20") for item in looked],
        "lists_for_a_visit": [
            _asked("/v1/recommendations", {"placement": "home", "session_id": f"s{visit}", "limit": 20})
            for visit in range(2_000)
        ],
        "given_lists_of_100": [
            _asked("/v1/rank", {"item_ids": each, "user_id": f"u{rng.integers(users)}"}) for each in given
        ],
    }


def closed(shop: Served, requests: Sequence[bytes], seconds: float) -> tuple[Load, dict[str, float], float]:
    """As fast as the server answers; what its own clock says of the stages, microseconds a request; its CPU seconds."""
    before, pid = _stages(shop), shop.processes("storefront")[0]
    used = cpu_seconds(pid)
    load = as_fast_as_answered(shop.port, requests, at_once=_AT_ONCE, seconds=seconds)
    used = (cpu_seconds(pid) - used) / load.requests
    after = _stages(shop)
    stages = {
        stage: round((total - before.get(stage, (0, 0))[0]) / max(count - before.get(stage, (0, 0))[1], 1) * 1e6, 1)
        for stage, (total, count) in after.items()
    }
    return load, stages, used


@contextmanager
def floor(shop: Served, request: bytes, scratch: Path, url: str | None = None) -> Iterator[tuple[int, int]]:
    """The empty route, with the bytes that the shop answers to `request`; gives its port and process."""
    file, port = scratch / "page.json", free_port()
    body = request.partition(b"\r\n\r\n")[2]
    file.write_bytes(_answer(shop, body))
    command = [sys.executable, "-m", "experiments.traffic.empty_route", str(port), str(file), *([url] if url else [])]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    beside(process.pid, shop.processes("storefront")[0])
    try:
        Served(scratch, port, process).wait_until_ready()
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(10)


def told(load: Load) -> dict[str, Any]:
    """`sent_late`: what of the times the load itself took before it came to send."""
    late = {"sent_late_p99_ms": round(float(np.percentile(load.late, 99)) * 1_000, 2)} if load.late else {}
    return {
        "requests": load.requests,
        "not_200": failed(load),
        **{f"p{share:g}_ms": round(load.percentile(share), 2) for share in (50, 90, 99, 99.9)},
        **late,
    }


def rate_of(load: Load) -> float:
    return round(load.statuses.get(200, 0) / load.took, 1)


def failed(load: Load) -> int:
    return load.requests - load.statuses.get(200, 0)


def _asked(path: str, body: dict[str, Any]) -> bytes:
    return post(path, json.dumps(body, separators=(",", ":")).encode())


def _answer(shop: Served, body: bytes) -> bytes:
    request = urllib.request.Request(  # noqa: S310 (our own)
        f"{shop.url}/v1/recommendations", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10.0) as answer:  # noqa: S310
        return bytes(answer.read())


def _stages(shop: Served) -> dict[str, tuple[float, float]]:
    """Seconds and requests by stage, since the server began."""
    found: dict[str, dict[str, float]] = {}
    for kind, stage, value in _STAGE.findall(str(shop.get("/metrics"))):
        of = found.setdefault(stage, {"sum": 0.0, "count": 0.0})
        of[kind] += float(value)
    return {stage: (each["sum"], each["count"]) for stage, each in found.items()}
