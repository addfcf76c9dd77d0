"""Sellers counted: what sold within each window, in the customers' files; storefronts read the lists alone."""

from __future__ import annotations

from typing import Any

from engine.recommend.windows import WINDOWS
from engine.storage.customer_files import moment_sql
from engine.storage.lake_sql import quoted
from engine.storage.sellers import EVERYBODY, MOST_SOLD, Line


class Counter:
    """Counts in the customers' files, as `CustomerFiles.reading` shows them, as of `now` (epoch seconds)."""

    def __init__(self, sql: Any, now: float) -> None:
        self._sql = sql
        longest = 2 * max(WINDOWS.values())
        sql.execute(
            "CREATE OR REPLACE TEMP TABLE recent_sales AS"
            f" SELECT person, item, (epoch({moment_sql(now)}) - epoch(time)) / 86400.0 AS age FROM happenings"
            f" WHERE type = 'purchase' AND item IS NOT NULL AND time < {moment_sql(now)}"
            f" AND time >= {moment_sql(now - longest * 86_400)}"
        )

    def __call__(self, segment: str) -> dict[str, list[Line]]:
        """By window the best sold items and those that rose most."""
        members = f" SEMI JOIN (SELECT person FROM memberships WHERE segment = {quoted(segment)}) USING (person)"
        counts = ", ".join(
            f"count(*) FILTER (age < {days}) AS sold_{days},"
            f" count(*) FILTER (age >= {days} AND age < {2 * days}) AS before_{days}"
            for days in WINDOWS.values()
        )
        self._sql.execute(
            f"CREATE OR REPLACE TEMP TABLE sold AS SELECT item, {counts}"
            f" FROM recent_sales{members if segment != EVERYBODY else ''} GROUP BY item"
        )
        return {window: self._best(days) for window, days in WINDOWS.items()}

    def _best(self, days: int) -> list[Line]:
        rows: list[Line] = self._sql.execute(
            f"SELECT item_id, sold_{days}, before_{days} FROM sold JOIN things USING (item) WHERE sold_{days} > 0"
            f" QUALIFY row_number() OVER (ORDER BY sold_{days} DESC, item_id) <= {MOST_SOLD} OR row_number() OVER"
            f" (ORDER BY (sold_{days} - before_{days}) / sqrt(before_{days} + 1) DESC, item_id) <= {MOST_SOLD}"
            f" ORDER BY sold_{days} DESC, item_id"
        ).fetchall()
        return rows
