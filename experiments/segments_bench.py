"""Bench `segments`: previews, memberships and freshness at a million people, beside the same rule on PostgreSQL."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake_sql import quoted
from engine.storage.live_segments import group_rules
from engine.storage.memberships import Rule
from engine.storage.segment_listing import read_person
from engine.storage.segment_preview import preview
from engine.storage.segment_sql import members_sql
from engine.targeting.segment_one import decide
from engine.targeting.segment_text import parse_rule
from engine.targeting.segments import Words, needs
from engine.targeting.traits import TRAIT_FIELDS
from engine.thresholds import read_thresholds
from experiments.customer_scale import scaled_shop
from experiments.findings import Asked, Conditions, Findings
from experiments.segments_live import CHECKED_IN, PROBE, followed_live
from experiments.segments_postgres import same_rule_on_postgres
from experiments.traits_bench import in_own_process, refreshed

_ZONE = "Asia/Shanghai"
_WORDS = Words(TRAIT_FIELDS)
#: Five leaves, two of them windows of events.
_NEAR = (
    'orders({0}d) >= 2 and not did(return, {0}d) and days_since_seen <= 60 and (region = "north" or spend_rank >= 0.5)'
)
#: The same with what happens most, so that one user has hundreds of events to look through.
_MANY = f"{_NEAR} and count(view, {{0}}d) >= 20 and count(cart_add, {{0}}d) >= 2"
_LIVE = 100


def measure_segments(conditions: Conditions) -> Findings:
    """All of it over one generated shop; each part in a process of its own, whose memory is told."""
    shop = scaled_shop(conditions)
    now = shop.last.timestamp()
    in_own_process(refreshed, shop.home, now, True)
    times = 5 if conditions.quick else 20
    near = in_own_process(_previews, shop.home, _NEAR.format(90), now, times)
    far = in_own_process(_previews, shop.home, _NEAR.format(365), now, times)
    alone = in_own_process(_alone, shop.home, _MANY.format(365), now, times)
    postgres = same_rule_on_postgres(shop, conditions.scratch, now, runs=3)
    # Last, since it adds to the shop.
    live = followed_live(shop, _hundred(), _ZONE, 20 if conditions.quick else 300)
    parts = (near, far, live, live["first"])
    figures = {
        "people": shop.people,
        "events": shop.rows,
        "preview_90_days": near,
        "preview_365_days": far,
        "one_user": alone,
        "hundred_segments": live,
        "postgres": postgres,
        "postgres_with_traits_kept_over_ours": postgres["seconds_with_traits_kept"] / near["rule_seconds"],
        "load_average": os.getloadavg()[0],
    }
    asked = (
        Asked("p95 of a preview, windows of 90 days, s", near["p95_seconds"], at_most=1),
        Asked("p95 of a preview, windows of 365 days, s", far["p95_seconds"], at_most=2),
        Asked("p99 of one user's answer, ms", alone["p99_ms"], at_most=2),
        Asked("seconds to refresh 100 segments while events arrive", live["slowest_seconds"], at_most=30),
        Asked("99 % of entries and exits visible after, s", live["p99_visible_seconds"], at_most=60),
        Asked(
            "PostgreSQL's time for the same rule over the same events, over ours",
            postgres["seconds"] / near["rule_seconds"],
            at_least=10,
        ),
        Asked("users that PostgreSQL finds and we don't, or the other way", float(postgres["differ"]), at_most=0),
        Asked("peak memory, GiB", max(each["peak_mib"] for each in parts) / 1024, at_most=4),
    )
    return Findings(figures, asked)


def _previews(home: Home, text: str, now: float, times: int) -> dict[str, Any]:
    rule = parse_rule(text, _WORDS)
    used = time.process_time()
    took, found = _timed(lambda: preview(home, rule, now=now), times)
    used = (time.process_time() - used) / times
    with CustomerFiles(home).reading(now, threads=2, memory="2GB") as sql:
        select = members_sql(rule, datetime.fromtimestamp(now, UTC))
        alone, _ = _timed(lambda: sql.execute(f"SELECT count(*) FROM ({select})").fetchall(), times)
    return {
        "rule": text,
        "size": found["size"],
        "p50_seconds": round(float(np.percentile(took, 50)), 3),
        "p95_seconds": round(float(np.percentile(took, 95)), 3),
        "cpu_seconds": round(used, 3),
        "rule_seconds": round(float(np.median(alone)), 3),
    }


def _alone(home: Home, text: str, now: float, times: int) -> dict[str, Any]:
    """One user's answer from what is known of the user, of whom most happened; reading that is told apart.

    The time of the thread is told beside that of the clock: on busy cores the latter is that of others too.
    """
    rule, moment = parse_rule(text, _WORDS), datetime.fromtimestamp(now, UTC)
    with CustomerFiles(home).reading(now) as sql:
        most = (
            "SELECT user_id FROM people JOIN (SELECT person, count(*) AS n FROM happenings WHERE type IN"
            f" ({', '.join(map(quoted, sorted(needs(rule).event_types)))}) GROUP BY person) told USING (person)"
        )
        users = [user for (user,) in sql.execute(f"{most} ORDER BY n DESC, person LIMIT {times}").fetchall()]
    reading, people = [], []
    for user in users:
        began = time.perf_counter()
        people.append(read_person(home, rule, user, now=now))
        reading.append(time.perf_counter() - began)
    took, used = [], []
    for person in people * 50:
        began, busy = time.perf_counter(), time.thread_time()
        decide(rule, person, moment)
        took.append(time.perf_counter() - began)
        used.append(time.thread_time() - busy)
    events = [len(person.happenings) for person in people]
    return {
        "rule": text,
        "p50_ms": round(float(np.percentile(took, 50)) * 1e3, 4),
        "p99_ms": round(float(np.percentile(took, 99)) * 1e3, 4),
        "cpu_p99_ms": round(float(np.percentile(used, 99)) * 1e3, 4),
        "reading_p50_ms": round(float(np.percentile(reading, 50)) * 1e3, 1),
        "fewest_events": min(events),
        "most_events": max(events),
    }


def _hundred() -> list[Rule]:
    """The ready-made groups, those who checked in, and rules with windows of events of many lengths."""
    known = [*group_rules(read_thresholds("")), Rule(PROBE, 1, parse_rule(CHECKED_IN, _WORDS))]
    texts = [_NEAR.format(days) for days in range(7, 7 + _LIVE - len(known))]
    return [*known, *(Rule(f"own-{number}", 1, parse_rule(text, _WORDS)) for number, text in enumerate(texts))]


def _timed(work: Callable[[], Any], times: int) -> tuple[list[float], Any]:
    took, found = [], None
    for _ in range(times):
        began = time.perf_counter()
        found = work()
        took.append(time.perf_counter() - began)
    return took, found
