"""Bench `traits`: a million portraits computed anew, and after a hundred thousand new events."""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from pathlib import Path
from typing import Any

from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_sql import open_sql, quoted
from experiments.customer_scale import ScaledShop, scaled_shop
from experiments.findings import Asked, Conditions, Findings

_ZONE = "Asia/Shanghai"


def measure_traits(conditions: Conditions) -> Findings:
    """Each refresh in a process of its own, whose memory is told; beside only reading and counting the same events."""
    shop = scaled_shop(conditions)
    whole = in_own_process(refreshed, shop.home, shop.last.timestamp(), True)
    floor = in_own_process(_counted, shop)
    new = Lake(shop.home).append_events(shop.what_is_new).stored
    followed = in_own_process(refreshed, shop.home, shop.last.timestamp() + 60, False)
    idle = in_own_process(refreshed, shop.home, shop.last.timestamp() + 75, False)
    figures = {
        "people": shop.people,
        "events": shop.rows,
        "new_events": new,
        "whole": whole,
        "after_new_events": followed,
        "after_fifteen_seconds_without_events": idle,
        "counting_the_same_events_by_user": floor,
        "whole_over_counting": whole["seconds"] / floor["seconds"],
    }
    asked = (
        Asked("seconds of a whole rebuild", whole["seconds"], at_most=120),
        Asked("seconds after 100,000 new events", followed["seconds"], at_most=5),
        Asked("peak memory, GiB", max(whole["peak_mib"], followed["peak_mib"]) / 1024, at_most=4),
    )
    return Findings(figures, asked)


def refreshed(home: Home, now: float, whole: bool) -> dict[str, Any]:
    began, used = time.perf_counter(), time.process_time()
    refresh_customers(home, now=now, zone=_ZONE, whole=whole, threads=2)
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - used, 2),
        "load_average": os.getloadavg()[0],
    }


def _counted(shop: ScaledShop) -> dict[str, Any]:
    """The floor: the same file read once and counted by its users."""
    began = time.perf_counter()
    with open_sql(shop.events.with_name("spill"), threads=2, memory="2GB") as sql:
        sql.execute(
            "SELECT count(*), max(n) FROM (SELECT user_id, count(*) AS n, max(time), sum(amount)"
            f" FROM read_parquet({quoted(shop.events)}) GROUP BY user_id)"
        ).fetchall()
    return {"seconds": round(time.perf_counter() - began, 2)}


def in_own_process(work: Any, *arguments: Any) -> dict[str, Any]:
    """What `work` tells, with `peak_mib` of a fresh process that did nothing else."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return dict(pool.apply(measured, (work, arguments)))


def measured(work: Any, arguments: Any) -> dict[str, Any]:
    """What `work` tells, with `peak_mib` of this process."""
    told = work(*arguments)
    # Not getrusage's, which begins with what the parent had.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return {**told, "peak_mib": int(peak[1]) // 1024 if peak else 0}
