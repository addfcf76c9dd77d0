"""A preview of a rule: how many it fits, how many of them can be reached, and what they are like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake_sql import all_cores, quoted
from engine.storage.segment_reach import REASONS, Channel, days_elsewhere, reach_sql
from engine.storage.segment_sql import members_sql
from engine.targeting.segments import Rule

MOST_SAMPLED = 100


def preview(
    home: Home,
    rule: Rule,
    *,
    now: float,
    sample: int = 10,
    overlap_with: Sequence[str] = (),
    channel: str = "email",
    cap: int | None = None,
    begun: Callable[[Any], None] = lambda sql: None,
) -> dict[str, Any]:
    """Size, reachable size by reason, figures of orders, some users and overlaps, as of `now` (epoch seconds).

    `begun` gets the connection; its `interrupt()` from another thread ends the preview with BadInput. The traits are of
    the last refresh, which the answer names; events of the rule's windows are read up to `now`. Who can be reached is
    told of marketing on `channel`, with at most `cap` messages on the customer's day, the shop's where nobody knows it.
    """
    files = CustomerFiles(home)
    # Somebody waits for this answer, at a lower priority than any storefront's.
    with files.reading(now, threads=all_cores(), memory="2GB") as sql:
        begun(sql)
        state = files.state()
        select = members_sql(rule, datetime.fromtimestamp(now, UTC))
        sql.execute(f"CREATE TEMP TABLE fitting AS SELECT DISTINCT person FROM ({select})")
        (figures,) = _rows(sql, _FIGURES)
        today = datetime.fromtimestamp(now, ZoneInfo(state.zone if state else "UTC")).date()
        reached = _reached(sql, Channel(channel, today, cap, _elsewhere(sql, today, now) if cap else {}))
        users = _rows(
            sql,
            "SELECT user_id FROM people SEMI JOIN fitting USING (person)"
            f" ORDER BY hash(person), person LIMIT {int(sample)}",
        )
        overlaps = [_overlap(sql, name, figures["size"]) for name in overlap_with]
    return {
        "as_of": datetime.fromtimestamp(now, UTC).isoformat(),
        "traits_as_of": datetime.fromtimestamp(state.as_of if state else 0.0, UTC).isoformat(),
        "size": figures.pop("size"),
        "customers": figures.pop("customers"),
        "reachable": reached.get("reachable", 0),
        "unreachable_by": {name: reached.get(name, 0) for name in REASONS},
        "figures": figures,
        "sample": [each["user_id"] for each in users],
        "overlap": overlaps,
    }


def _elsewhere(sql: Any, today: date, now: float) -> dict[str, date]:
    zones = _rows(sql, "SELECT DISTINCT zone FROM traits WHERE zone IS NOT NULL")
    return days_elsewhere([each["zone"] for each in zones], today, now)


def _reached(sql: Any, channel: Channel) -> dict[str, int]:
    """How many are reached on the channel, and how many are not by the first reason."""
    reason, joins = reach_sql(channel)
    rows = _rows(
        sql,
        f"SELECT coalesce({reason}, 'reachable') AS reason, count(*) AS customers"
        f" FROM fitting LEFT JOIN traits USING (person){joins} GROUP BY reason",
    )
    return {each["reason"]: each["customers"] for each in rows}


_FIGURES = """
SELECT count(*) AS size, (SELECT count(*) FROM people) AS customers,
  coalesce(sum(orders_365d), 0)::BIGINT AS orders_365d, coalesce(sum(spend_365d), 0)::BIGINT AS spend_365d,
  avg(spend_365d) AS mean_spend_365d, median(spend_365d) AS median_spend_365d, avg(basket_value) AS mean_basket_value,
  count(*) FILTER (orders_365d > 0) AS buyers_365d
FROM fitting LEFT JOIN traits USING (person)"""


def _overlap(sql: Any, segment: str, size: int) -> dict[str, Any]:
    (found,) = _rows(
        sql,
        "SELECT count(*) AS size, count(fitting.person) AS both FROM memberships"
        f" LEFT JOIN fitting USING (person) WHERE segment = {quoted(segment)}",
    )
    return {"segment": segment, **found, "share": found["both"] / size if size else None}


def _rows(sql: Any, statement: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sql.sql(statement).to_arrow_table().to_pylist()
    return found
