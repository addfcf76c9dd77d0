"""How classes changed since a moment, from the record of memberships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_moments import instant_sql
from engine.storage.lake_sql import one_row, quoted


@dataclass(frozen=True, slots=True)
class Drift:
    """Of one classification since a moment: who was in each class then, how many entered and left it since.

    `customers` are those of today who were there by then.
    """

    customers: int
    sizes: Mapping[str, int]
    entered: Mapping[str, int]
    left: Mapping[str, int]

    def of(self, segment: str) -> dict[str, Any]:
        """Of one class."""
        size = self.sizes.get(segment, 0)
        return {
            "size_then": size,
            "share_then": size / self.customers if self.customers else None,
            "entered": self.entered.get(segment, 0),
            "left": self.left.get(segment, 0),
        }


def read_drift(home: Home, sql: Any, segments: Sequence[str], since: datetime) -> Drift | None:
    """None where none of the classes was evaluated by then. `sql` has the customers' views."""
    if not segments:
        return None
    moment, lake = instant_sql(since), Lake(home)
    mine = f"FROM memberships WHERE segment IN ({', '.join(map(quoted, segments))})"
    (began,) = lake.query(f"SELECT coalesce(min(time) <= {moment}, false) AS began {mine}")["began"].to_pylist()
    if not began:
        return None
    then = lake.query(
        f"SELECT segment, count(*) AS n FROM (SELECT segment, user_id, arg_max(change, time) AS last {mine}"
        f" AND time <= {moment} GROUP BY segment, user_id) WHERE last = 'entered' GROUP BY segment"
    ).to_pylist()
    moved = lake.query(
        f"SELECT segment, change, count(*) AS n {mine} AND time > {moment} GROUP BY segment, change"
    ).to_pylist()
    (customers,) = one_row(
        sql,
        "SELECT count(*) FROM people LEFT JOIN traits USING (person)"
        f" WHERE first_seen_at IS NULL OR first_seen_at <= {moment}",
    )
    return Drift(
        customers,
        {each["segment"]: each["n"] for each in then},
        {each["segment"]: each["n"] for each in moved if each["change"] == "entered"},
        {each["segment"]: each["n"] for each in moved if each["change"] == "left"},
    )
