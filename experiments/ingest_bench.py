"""Bench `ingest`: events a second over HTTP, durably acknowledged, beside a server that only parses the same bodies.

Whether all of it arrived is told by a checker in a process of its own, from the clients' record and the lake.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import StoreUnavailable
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake import Lake
from experiments.findings import Asked, Conditions, Findings
from experiments.traffic.drive import Batch, Load, as_fast_as_taken, at_pace
from experiments.traffic.history import History
from experiments.traffic.served import Served, free_port, served
from experiments.traffic.shoppers import batches

_USERS, _ITEMS, _BATCH = 100_000, 20_000, 1_000
_PACE = 1_500  # single events a second
_AT_ONCE = 4  # connections that send batches


def measure_ingest(conditions: Conditions) -> Findings:
    """Batches as fast as they are taken, singles at a fixed pace, and what the lake holds afterwards."""
    seconds = 5 if conditions.quick else 60
    many = _made("b", 20_000 * seconds * 3 // 2 // _BATCH, _BATCH, conditions.seed)
    single = _made("s", _PACE * seconds // 2, 1, conditions.seed)
    history, home = conditions.scratch / "history.jsonl", Home(conditions.scratch / "home")
    floor_many, floor_single = _floor(many[: len(many) // 3], single[: len(single) // 3])
    with served(home.root) as shop, history.open("w") as file:
        record = History(file)
        batched = as_fast_as_taken(shop.port, many, at_once=_AT_ONCE, history=record)
        # A steady shop, not one that still digests a burst.
        wait_for_lake(home, batched.events)
        digested = _wait_for_customers(home, batched.events)
        singles = at_pace(shop.port, single, per_second=_PACE, history=record)
        fastest = as_fast_as_taken(shop.port, _made("f", len(single), 1, conditions.seed), at_once=32, history=record)
        file.flush()
        drained = wait_for_lake(home, batched.events + singles.events + fastest.events)
        verdict = independent_check(history, home)
        memory = _memory(shop)
    figures = {
        "batches": _told(batched),
        "singles_at_pace": _told(singles),
        "singles_as_fast_as_taken": _told(fastest),
        "floor_batches": _told(floor_many),
        "floor_singles": _told(floor_single),
        "batches_over_floor": _ratio(batched, floor_many),
        "singles_over_floor": _ratio(fastest, floor_single),
        "seconds_until_all_was_in_the_lake": drained,
        "seconds_until_the_burst_was_in_all_portraits": digested,
        "checker": verdict,
        "resident_mib": memory,
    }
    asked = (
        Asked("events a second in batches of 1,000", batched.events_per_second, at_least=20_000),
        Asked("single events a second", fastest.events_per_second, at_least=1_500),
        Asked("p99 of singles at 1,500/s, ms", singles.percentile(99), at_most=25),
        Asked("answers other than 200", float(_not_ok(batched) + _not_ok(singles) + _not_ok(fastest)), at_most=0),
        Asked("acknowledged events lost", float(verdict["lost"]), at_most=0),
        Asked("events stored twice", float(verdict["duplicated"]), at_most=0),
    )
    return Findings(figures, asked)


def independent_check(history: Path, home: Home) -> dict[str, Any]:
    """The checker's verdict, from a process of its own."""
    command = [sys.executable, "-m", "experiments.traffic.history", str(history), str(home.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    if done.returncode:
        raise StoreUnavailable(f"the checker failed: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout))


def _made(prefix: str, number: int, size: int, seed: int) -> list[Batch]:
    return list(batches(prefix, max(number, 8), size, users=_USERS, items=_ITEMS, seed=seed))


def _floor(many: list[Batch], single: list[Batch]) -> tuple[Load, Load]:
    with _parse_only() as port:
        return as_fast_as_taken(port, many, at_once=_AT_ONCE), as_fast_as_taken(port, single, at_once=32)


@contextmanager
def _parse_only() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "experiments.traffic.parse_only:app", "--port", str(port)]
    command += ["--log-level", "warning", "--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    try:
        _wait_for_port(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    probe: list[Batch] = [([], b"{}")]
    while process.poll() is None and time.monotonic() < deadline:
        if as_fast_as_taken(port, probe, at_once=1).statuses.get(200):
            return
        time.sleep(0.05)
    raise StoreUnavailable("the server that only parses did not start")


def wait_for_lake(home: Home, events: int, *, patience: float = 300.0) -> float:
    """Seconds until the lake holds so many events, at most `patience`."""
    began = time.monotonic()
    while time.monotonic() - began < patience:
        if Lake(home).query("SELECT count(*) AS n FROM events")["n"][0].as_py() >= events:
            break
        time.sleep(1.0)
    return round(time.monotonic() - began, 1)


def _wait_for_customers(home: Home, events: int, *, patience: float = 300.0) -> float:
    """Seconds until the traits and segments know of so many events, at most `patience`."""
    began = time.monotonic()
    while time.monotonic() - began < patience:
        state = CustomerFiles(home).state()
        if state is not None and state.rows >= events:
            break
        time.sleep(1.0)
    return round(time.monotonic() - began, 1)


def _told(load: Load) -> dict[str, Any]:
    return {
        "events": load.events,
        "events_per_second": round(load.events_per_second),
        "requests_per_second": round(load.requests / load.took),
        "p50_ms": round(load.percentile(50), 2),
        "p99_ms": round(load.percentile(99), 2),
        "statuses": load.statuses,
    }


def _ratio(ours: Load, floor: Load) -> float:
    return ours.events_per_second / floor.events_per_second


def _not_ok(load: Load) -> int:
    return sum(count for status, count in load.statuses.items() if status != 200)


def _memory(shop: Served) -> dict[str, int]:
    found = {}
    for name in ("storefront", "worker", "valkey-stream", "valkey-live"):
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in shop.processes(name))
        found[name] = pages * 4096 // 2**20
    return found
