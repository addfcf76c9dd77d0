"""Bench `segments`: previews, memberships and freshness at a million people, beside the same rule on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from engine.storage.customer_files import CustomerFiles
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_views import ParquetRows
from engine.storage.live_segments import group_rules
from engine.storage.memberships import Rule
from engine.storage.segment_listing import read_person
from engine.storage.segment_preview import preview
from engine.storage.segment_sql import members_sql
from engine.targeting.segment_one import decide
from engine.targeting.segment_text import parse_rule
from engine.targeting.segments import Words
from engine.targeting.traits import TRAIT_FIELDS
from engine.thresholds import read_thresholds
from experiments.customer_scale import ScaledShop, scaled_shop
from experiments.findings import Asked, Conditions, Findings
from experiments.segments_postgres import same_rule_on_postgres
from experiments.traits_bench import in_own_process

_ZONE = "Asia/Shanghai"
_WORDS = Words(TRAIT_FIELDS)
#: Five leaves, two of them windows of events.
_NEAR = (
    'orders({0}d) >= 2 and not did(return, {0}d) and days_since_seen <= 60 and (region = "north" or spend_rank >= 0.5)'
)
_LIVE = 100
_PER_SECOND = 500


def measure_segments(conditions: Conditions) -> Findings:
    """All of it over one generated shop; each part in a process of its own, whose memory is told."""
    shop = scaled_shop(conditions)
    now = shop.last.timestamp()
    refresh_customers(shop.home, now=now, zone=_ZONE, threads=2)
    times = 5 if conditions.quick else 20
    near = in_own_process(_previews, shop.home, _NEAR.format(90), now, times)
    far = in_own_process(_previews, shop.home, _NEAR.format(365), now, times)
    alone = in_own_process(_alone, shop.home, _NEAR.format(90), now, times)
    live = in_own_process(_live, shop, now, 2 if conditions.quick else 4)
    postgres = same_rule_on_postgres(shop, conditions.scratch, now, runs=3)
    figures = {
        "people": shop.people,
        "events": shop.rows,
        "preview_90_days": near,
        "preview_365_days": far,
        "one_user": alone,
        "hundred_segments": live,
        "postgres": postgres,
    }
    asked = (
        Asked("p95 of a preview, windows of 90 days, s", near["p95_seconds"], at_most=1),
        Asked("p95 of a preview, windows of 365 days, s", far["p95_seconds"], at_most=2),
        Asked("p99 of one user's answer, ms", alone["p99_ms"], at_most=2),
        Asked("seconds to refresh 100 segments while events arrive", live["slowest_seconds"], at_most=30),
        Asked("99 % of entries and exits visible after, s", live["p99_visible_seconds"], at_most=60),
        Asked("PostgreSQL's time for the same rule over ours", postgres["seconds"] / near["rule_seconds"], at_least=10),
        Asked("users that PostgreSQL finds and we don't, or the other way", float(postgres["differ"]), at_most=0),
        Asked("peak memory, GiB", max(each["peak_mib"] for each in (near, far, live)) / 1024, at_most=4),
    )
    return Findings(figures, asked)


def _previews(home: Home, text: str, now: float, times: int) -> dict[str, Any]:
    rule = parse_rule(text, _WORDS)
    took, found = _timed(lambda: preview(home, rule, now=now), times)
    with CustomerFiles(home).reading(now, threads=2, memory="2GB") as sql:
        select = members_sql(rule, datetime.fromtimestamp(now, UTC))
        alone, _ = _timed(lambda: sql.execute(f"SELECT count(*) FROM ({select})").fetchall(), times)
    return {
        "rule": text,
        "size": found["size"],
        "p50_seconds": round(float(np.percentile(took, 50)), 3),
        "p95_seconds": round(float(np.percentile(took, 95)), 3),
        "rule_seconds": round(float(np.median(alone)), 3),
    }


def _alone(home: Home, text: str, now: float, times: int) -> dict[str, Any]:
    """One user's answer from what is known of the user; reading that from the files is told apart."""
    rule, moment = parse_rule(text, _WORDS), datetime.fromtimestamp(now, UTC)
    with CustomerFiles(home).reading(now) as sql:
        users = [
            user
            for (user,) in sql.execute(f"SELECT user_id FROM people ORDER BY hash(person) LIMIT {times}").fetchall()
        ]
    reading, people = [], []
    for user in users:
        began = time.perf_counter()
        people.append(read_person(home, rule, user, now=now))
        reading.append(time.perf_counter() - began)
    took = []
    for person in people * 50:
        began = time.perf_counter()
        decide(rule, person, moment)
        took.append(time.perf_counter() - began)
    return {
        "p50_ms": round(float(np.percentile(took, 50)) * 1e3, 4),
        "p99_ms": round(float(np.percentile(took, 99)) * 1e3, 4),
        "reading_p50_ms": round(float(np.percentile(reading, 50)) * 1e3, 1),
        "most_events": max(len(person.happenings) for person in people),
    }


def _live(shop: ScaledShop, now: float, rounds: int) -> dict[str, Any]:
    """A hundred segments kept up while events arrive: each round brings what came since the last one began.

    An event that came at the beginning of a round is visible at the end of the next one at the latest; the worker's
    pause before the lake (5 s) is added to what was measured.
    """
    took: list[float] = []
    entered = left = 0
    lake, at, since = Lake(shop.home), now, 10.0
    for number in range(rounds):
        arriving = round(_PER_SECOND * since)
        span = shop.later * 1_000
        low = number * span // rounds
        share = min(span // rounds, max(1, arriving * span // max(shop.rows // shop.later, 1)))
        rows = ParquetRows(
            shop.events, f"hash(event_id) % {span} % {shop.later} = 0 AND (hash(event_id) // {shop.later}) % 1000"
            f" BETWEEN {low // shop.later} AND {(low + share) // shop.later}"
        )  # fmt: skip
        lake.append_events(rows)
        at += since
        began = time.perf_counter()
        done = refresh_customers(shop.home, now=at, zone=_ZONE, rules=_hundred(at), threads=1)
        took.append(time.perf_counter() - began)
        since = took[-1] + 10.0  # the process waits so long between two refreshes
        if number:
            entered += sum(each.entered for each in done.changes)
            left += sum(each.left for each in done.changes)
    later = took[1:] or took
    return {
        "segments": _LIVE,
        "first_seconds": round(took[0], 2),
        "slowest_seconds": round(max(later), 2),
        "entered": entered,
        "left": left,
        "p99_visible_seconds": round(5.0 + 10.0 + 2 * max(later), 1),
    }


def _hundred(now: float) -> list[Rule]:
    """The ready-made groups, and rules with windows of events of many lengths."""
    moment = datetime.fromtimestamp(now, UTC)
    ready_made = group_rules(read_thresholds(""))
    texts = [_NEAR.format(days) for days in range(7, 7 + _LIVE - len(ready_made))]
    own = [Rule(f"own-{number}", 1, members_sql(parse_rule(text, _WORDS), moment)) for number, text in enumerate(texts)]
    return [*ready_made, *own]


def _timed(work: Callable[[], Any], times: int) -> tuple[list[float], Any]:
    took, found = [], None
    for _ in range(times):
        began = time.perf_counter()
        found = work()
        took.append(time.perf_counter() - began)
    return took, found
