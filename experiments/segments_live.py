"""Live segments of bench `segments`: events are written, customers refreshed and memberships read, each by a process.

The shop's clock runs from the shop's last event on as fast as any clock. Events are accepted evenly at RATE; a writer
brings them into the lake as the worker does, one commit every few seconds. One in a hundred is a check-in, by which its
customer enters a segment of those who checked in within ten minutes; others had checked in before at such times that
they leave it meanwhile. A reader looks who is in whenever there is a new state: the time from the event's acceptance,
or from the end of its ten minutes, is what a marketer waits.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.storage.customer_files import CustomerFiles
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_sql import half_the_cores, open_sql, quoted
from engine.storage.lake_tables import EVENTS
from engine.storage.memberships import Rule
from experiments.customer_scale import ScaledShop
from experiments.traits_bench import measured

RATE = 500  # events a second
#: Who checked in; nobody else of the generated shop does.
PROBE = "checked-in"
CHECKED_IN = "did(check_in, 10m)"
_WINDOW = timedelta(minutes=10)
_CHECK_INS = 100  # one event in so many
# As in serving: the worker's pause between two commits, and the customers' process's between two refreshes.
_WORKER_PAUSE, _CUSTOMERS_PAUSE = 5.0, 10.0
_PATIENCE = 600.0  # seconds after the last event until the figures are what they are


@dataclass(frozen=True, slots=True)
class Live:
    """One run: `ahead` is the shop's clock minus the real one, `start` and `end` are times of the shop's clock."""

    home: Home
    zone: str
    ahead: float
    start: float
    end: float
    before: int  # people who checked in before the start

    def now(self) -> float:
        return time.time() + self.ahead

    @property
    def written(self) -> Path:
        """The file that says that the last event is in the lake, from the moment on that it tells."""
        return self.home.shop_folder / "written"


def followed_live(shop: ScaledShop, rules: list[Rule], zone: str, seconds: float) -> dict[str, Any]:
    """The figures of a run of so many seconds, after a first refresh in which everybody enters what fits."""
    last = shop.last.timestamp() + 60
    before = round(RATE / _CHECK_INS * seconds)
    leaving = last - _WINDOW.total_seconds() + np.linspace(0, seconds, before) + 60
    Lake(shop.home).append_events(_check_ins([f"before-{each}" for each in range(before)], leaving))
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        first = pool.apply(measured, (_refreshed, (shop.home, rules, zone, last)))
    (shop.home.shop_folder / "written").unlink(missing_ok=True)
    live = Live(shop.home, zone, last + 60 - time.time(), last + 60, last + 60 + seconds, before)
    with context.Pool(3) as pool:
        parts = (_written, (live, shop)), (measured, (_refreshing, (live, rules))), (_read, (live,))
        written, refreshed, read = [each.get() for each in [pool.apply_async(*part) for part in parts]]
    return {"segments": len(rules), "first": first, **written, **refreshed, **read}


def _refreshed(home: Home, rules: list[Rule], zone: str, now: float) -> dict[str, Any]:
    """One refresh, at half the cores as the customers' process has them."""
    began, used = time.perf_counter(), time.process_time()
    done = refresh_customers(home, now=now, zone=zone, rules=rules, threads=half_the_cores())
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - used, 2),
        "entered": sum(each.entered for each in done.changes),
        "left": sum(each.left for each in done.changes),
    }


def _refreshing(live: Live, rules: list[Rule]) -> dict[str, Any]:
    """What the customers' process does, at its priority, until all that was written is followed."""
    os.nice(19)
    rounds: list[dict[str, Any]] = []
    over = False
    while not over:
        over = live.written.exists() or live.now() > live.end + _PATIENCE
        now = live.now()
        rounds.append(_refreshed(live.home, rules, live.zone, now))
        if not over:
            time.sleep(_CUSTOMERS_PAUSE)
    return {
        "refreshes": len(rounds),
        "slowest_seconds": max(each["seconds"] for each in rounds),
        "slowest_cpu_seconds": max(each["cpu_seconds"] for each in rounds),
        "median_cpu_seconds": float(np.median([each["cpu_seconds"] for each in rounds])),
        "entered": sum(each["entered"] for each in rounds),
        "left": sum(each["left"] for each in rounds),
    }


def _written(live: Live, shop: ScaledShop) -> dict[str, Any]:
    """The worker's part: what was accepted since the last commit, as the next one."""
    with open_sql(shop.events.with_name("written"), threads=1) as sql:
        sample = sql.sql(
            f"SELECT * FROM read_parquet({quoted(shop.events)}) USING SAMPLE reservoir(100000 ROWS) REPEATABLE (1)"
        ).to_arrow_table()
    rows = sample.select([name for name in EVENTS.schema.names if name in sample.schema.names])
    lake, number, commits = Lake(live.home), 0, []
    while live.now() < live.end + _WORKER_PAUSE:
        began = time.perf_counter()
        accepted = int(RATE * (min(live.now(), live.end) - live.start))
        if accepted > number:
            batch = _batch(live, rows, number, accepted)
            lake.take_from_stream("events", batch, lake.position("events") + 1)
            number = accepted
        commits.append(time.perf_counter() - began)
        time.sleep(_WORKER_PAUSE)
    live.written.write_text(str(live.now()))
    return {"arrived": number, "slowest_commit_seconds": round(max(commits), 2)}


def _batch(live: Live, rows: pa.Table, start: int, end: int) -> pa.Table:
    """The events numbered `start` to `end`, each accepted at its number over RATE."""
    numbers = np.arange(start, end)
    accepted = live.start + numbers / RATE
    probes = numbers % _CHECK_INS == 0
    told = rows.take(pa.array(numbers[~probes] % rows.num_rows))
    told = told.set_column(
        told.schema.get_field_index("event_id"), "event_id", pa.array([f"live-{each}" for each in numbers[~probes]])
    ).set_column(told.schema.get_field_index("time"), "time", _moments(accepted[~probes]))
    check_ins = _check_ins([f"probe-{each}" for each in numbers[probes]], accepted[probes])
    return pa.concat_tables([_whole(told), check_ins])


def _check_ins(users: list[str], at: Any) -> pa.Table:
    columns = {
        "event_id": pa.array([f"check-in-{each}" for each in users]),
        "type": pa.array(["check_in"] * len(users)),
        "time": _moments(at),
        "user_id": pa.array(users),
        "quantity": pa.array([1.0] * len(users)),
    }
    return _whole(pa.table(columns))


def _whole(rows: pa.Table) -> pa.Table:
    columns = {
        each.name: rows[each.name] if each.name in rows.schema.names else pa.nulls(rows.num_rows, each.type)
        for each in EVENTS.schema
    }
    return pa.table(columns).cast(EVENTS.schema)


def _moments(seconds: Any) -> pa.Array:
    return pa.array(np.round(np.asarray(seconds) * 1e6).astype(np.int64)).cast(EVENTS.schema.field("time").type)


def _read(live: Live) -> dict[str, Any]:
    """What a reader sees, whenever there is a new state: how long each entry and each exit took to be there."""
    files = CustomerFiles(live.home)
    seen: dict[str, float] = {}
    gone: dict[str, float] = {}
    present: set[str] = set()
    as_of, settled = 0.0, False
    while not settled and live.now() < live.end + _PATIENCE:
        state = files.state()
        if state is None or state.as_of == as_of:
            time.sleep(0.25)
            continue
        as_of = state.as_of
        with files.reading(live.now(), threads=1) as sql:
            rows = sql.execute(
                f"SELECT user_id FROM memberships JOIN people USING (person) WHERE segment = {quoted(PROBE)}"
            ).fetchall()
        now, users = live.now(), {user for (user,) in rows}
        for user in users - present:
            seen.setdefault(user, now)
        for user in present - users:
            gone.setdefault(user, now)
        present = users
        settled = live.written.exists() and as_of > float(live.written.read_text())
    return _waited(live, seen, gone)


def _waited(live: Live, seen: Mapping[str, float], gone: Mapping[str, float]) -> dict[str, Any]:
    """Seconds until entries and exits were visible; what never was counts as infinitely late."""
    numbers = range(0, int(RATE * (live.end - live.start)), _CHECK_INS)
    entries = [seen.get(f"probe-{each}", np.inf) - (live.start + each / RATE) for each in numbers]
    leaving = np.linspace(0, live.end - live.start, live.before)
    exits = [gone.get(f"before-{each}", np.inf) - (live.start + leaving[each]) for each in range(live.before)]
    both = np.array([*entries, *exits])
    return {
        "entries": len(entries),
        "exits": len(exits),
        "never_visible": int(np.isinf(both).sum()),
        "entry_p50_seconds": round(float(np.percentile(entries, 50)), 1),
        "entry_p99_seconds": float(np.percentile(entries, 99, method="higher")),
        "exit_p50_seconds": round(float(np.percentile(exits, 50)), 1),
        "exit_p99_seconds": float(np.percentile(exits, 99, method="higher")),
        "p99_visible_seconds": float(np.percentile(both, 99, method="higher")),
    }
