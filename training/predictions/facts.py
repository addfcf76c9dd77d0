"""Facts: what the lake knew of each buyer at a moment, and what the buyer did next, by SQL through the lake's door.

One SELECT gives the facts, with `time < moment` on every event that it reads; another gives the next order. Sums are
of whole numbers, so that the same events give the same facts on any number of threads. The catalogue has no history:
an item's categories are read as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.storage.lake import Lake

WINDOWS = (7, 30, 90, 365)
_DAY = 86_400_000_000  # microseconds

# An order without an id is all that one user bought within a second. Ages are whole microseconds before the moment,
# so that no interval depends on a calendar.
_FACTS = """
WITH told AS (
  SELECT user_id, {subject} AS subject, type, $us - epoch_us(time) AS age,
    coalesce(amount, 0) AS paid, greatest(coalesce(list_amount, amount, 0), coalesce(amount, 0)) AS listed,
    coalesce(order_id, CAST(epoch_us(time) // 1000000 AS VARCHAR)) AS basket
  FROM events {placed}
  WHERE time < $moment AND user_id IS NOT NULL AND user_id NOT IN (SELECT user_id FROM users WHERE deleted)
), baskets AS (
  SELECT user_id, subject, basket, max(age) AS age, sum(paid) AS paid, sum(listed) AS listed, count(*) AS lines
  FROM told WHERE type = 'purchase' GROUP BY user_id, subject, basket
), spaced AS (
  SELECT *,
    (lag(age) OVER (PARTITION BY user_id, subject ORDER BY age DESC, basket DESC) - age) // 1000000 AS gap,
    row_number() OVER (PARTITION BY user_id, subject ORDER BY age, basket) AS place
  FROM baskets
), bought AS (
  SELECT user_id, subject, min(age) AS recency, {orders}, {paid}, sum(lines) FILTER (age < 365 * {day}) AS lines,
    sum(listed) FILTER (age < 365 * {day}) AS listed, count(gap) AS gaps, sum(gap) AS gap_sum,
    sum(gap::HUGEINT * gap) AS gap_squares, max(gap) FILTER (place = 1) AS last_gap
  FROM spaced GROUP BY user_id, subject
), looked AS (
  SELECT user_id, subject, min(age) AS idle, max(age) AS tenure,
    count(*) FILTER (type IN ('view', 'click') AND age < 7 * {day}) AS views_7,
    count(*) FILTER (type IN ('view', 'click') AND age < 30 * {day}) AS views_30,
    count(*) FILTER (type IN ('cart_add', 'wishlist_add', 'checkout') AND age < 30 * {day}) AS wishes_30,
    count(*) FILTER (type = 'search' AND age < 30 * {day}) AS searches_30,
    count(*) FILTER (type = 'return' AND age < 365 * {day}) AS returns
  FROM told GROUP BY user_id, subject
)
SELECT user_id, subject, COLUMNS(* EXCLUDE (user_id, subject))::DOUBLE
FROM looked LEFT JOIN bought USING (user_id, subject) ORDER BY user_id, subject
"""
_NEXT = """
SELECT user_id, {subject} AS subject, min(epoch_us(time) - $us)::DOUBLE AS wait
FROM events {placed}
WHERE time >= $moment AND time < $until AND type = 'purchase' AND user_id IS NOT NULL
GROUP BY user_id, {subject} ORDER BY user_id, subject
"""
_PLACED = """JOIN (
  SELECT item_id, array_to_string(categories[1:{level}], ' / ') AS subject FROM items WHERE len(categories) >= {level}
) AS placed USING (item_id)"""
_LARGEST = """
SELECT subject, count(DISTINCT user_id) AS buyers FROM events {placed}
WHERE type = 'purchase' AND time < $moment AND user_id IS NOT NULL AND coalesce(subject, '') <> ''
GROUP BY subject ORDER BY buyers DESC, subject
"""


def span(lake: Lake, until: datetime | None) -> tuple[datetime, datetime, int] | None:
    """The times of the first and the last event before `until`, and how many users bought; None without any event."""
    clause = "" if until is None else " AND time < $until"
    (row,) = lake.query(
        "SELECT min(time) AS first, max(time) AS last, count(DISTINCT user_id) FILTER (type = 'purchase') AS buyers "
        f"FROM events WHERE user_id IS NOT NULL{clause}",
        None if until is None else {"until": until},
    ).to_pylist()
    return None if row["last"] is None else (row["first"], row["last"], row["buyers"])


def largest(lake: Lake, moment: datetime, level: int) -> list[tuple[str, int]]:
    """The categories of this level with their buyers before the moment, most buyers first."""
    rows = lake.query(_LARGEST.format(placed=_PLACED.format(level=int(level))), {"moment": moment}).to_pylist()
    return [(row["subject"], row["buyers"]) for row in rows]


def facts(lake: Lake, moment: datetime, *, level: int = 0, subjects: Sequence[str] = ()) -> pa.Table:
    """One row a user with an event before `moment`, or with a level one a user and category of `subjects`.

    Columns user_id, subject ("" without a level) and numbers: ages in microseconds, gaps in seconds, null unknown.
    """
    statement = _FACTS.format(
        **_source(level),
        day=_DAY,
        orders=", ".join(f"count(*) FILTER (age < {days} * {_DAY}) AS orders_{days}" for days in WINDOWS),
        paid=", ".join(f"sum(paid) FILTER (age < {days} * {_DAY}) AS paid_{days}" for days in (30, 365)),
    )
    found = lake.query(statement, {"moment": moment, "us": _microseconds(moment)})
    return _of(found, subjects) if level else found


def next_orders(
    lake: Lake, moment: datetime, until: datetime, *, level: int = 0, subjects: Sequence[str] = ()
) -> pa.Table:
    """Who ordered in [moment, until), by user_id and subject as in `facts`; `wait` is microseconds to that order."""
    parameters = {"moment": moment, "us": _microseconds(moment), "until": until}
    found = lake.query(_NEXT.format(**_source(level)), parameters)
    return _of(found, subjects) if level else found


def in_days(column: np.ndarray) -> np.ndarray:
    """Microseconds as days."""
    return np.asarray(column / _DAY)


def days_before(moment: datetime, days: float) -> datetime:
    return moment - timedelta(days=days)


def _source(level: int) -> Mapping[str, Any]:
    if not level:
        return {"subject": "''", "placed": ""}
    return {"subject": "placed.subject", "placed": _PLACED.format(level=int(level))}


def _of(found: pa.Table, subjects: Sequence[str]) -> pa.Table:
    return found.filter(pc.is_in(found["subject"], value_set=pa.array(list(subjects), pa.string())))


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
