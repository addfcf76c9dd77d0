"""What the members of a campaign did after joining: what they saw of it, ordered, paid and sent back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from engine.storage.customer_files import CustomerFiles, moment_sql
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_sql import one_row, quoted
from engine.targeting.campaign_members import Floats, Ints, offers_of

_DAY_US = 86_400_000_000
#: Seeing the campaign: it is named by itself or by one of its offers.
_SEEN = ("exposure", "coupon_view")


@dataclass(frozen=True, slots=True, eq=False)
class Bought:
    """`orders` and `exposed` (first time, epoch seconds, NaN for never) a member [n]; the rest a member and day.

    `revenue` and `margin` are minor units paid less returned; of lines whose cost is not known the margin is 0, and
    `known` is the part of what was paid whose cost is, and `by_items` that whose cost the items say.
    """

    orders: Floats
    exposed: Floats
    member: Ints
    day: Ints
    revenue: Floats
    margin: Floats
    known: float
    by_items: float


def happened_to(
    home: Home, rows: pa.Table, campaign_id: str, document: Mapping[str, Any], window_days: int, *, now: float
) -> Bought:
    """`rows` have a user_id and `joined` (epoch microseconds) a member.

    A member who was merged into somebody is that person since. Where two members turned out to be one person, what
    that person did counts once, for the one who joined first. NotEnoughData before the customers were computed.
    """
    n = rows.num_rows
    asked = pa.table({"member": np.arange(n), "user_id": _today(home, rows["user_id"]), "joined": rows["joined"]})
    with CustomerFiles(home).reading(now, memory="2GB") as sql:
        sql.register("asked", asked)
        _choose(sql, window_days, now)
        orders, exposed = np.zeros(n), np.full(n, np.nan)
        for into, select in ((orders, _ORDERS), (exposed, _exposed(campaign_id, offers_of(document)))):
            found = sql.sql(select).to_arrow_table()
            into[found["member"].to_numpy()] = found["value"].to_numpy()
        by_day = sql.sql(_PAID.format(cost=_cost(document.get("margin")))).to_arrow_table()
        paid, known, by_items = one_row(sql, _KNOWN.format(cost=_cost(document.get("margin"))))
    return Bought(
        orders,
        exposed,
        by_day["member"].to_numpy(),
        by_day["day"].to_numpy(),
        by_day["revenue"].to_numpy(),
        by_day["margin"].to_numpy(),
        known / paid if paid else 1.0,
        by_items / paid if paid else 1.0,
    )


def _today(home: Home, user_ids: pa.ChunkedArray) -> pa.Array:
    """The ids that the users have since merges, most often the same ones."""
    lake = Lake(home)
    if not lake.query("SELECT count(*) AS n FROM merges WHERE kind = 'user'")["n"][0].as_py():
        return user_ids
    merged = lake.query("SELECT id, target FROM merged_users")
    known = dict(zip(merged["id"].to_pylist(), merged["target"].to_pylist(), strict=True))
    return pa.array([known.get(each, each) for each in user_ids.to_pylist()], pa.string())


def _choose(sql: Any, window_days: int, now: float) -> None:
    """The table `chosen` of those who are known, and `lines`: what they paid and sent back in their windows."""
    sql.execute(
        "CREATE TEMP TABLE chosen AS SELECT member, person, joined,"
        f" least(joined + {window_days * _DAY_US}, {round(now * 1e6) + 1}) AS ends FROM asked JOIN everybody"
        " USING (user_id) QUALIFY row_number() OVER (PARTITION BY person ORDER BY joined, member) = 1"
    )
    first, last = one_row(sql, "SELECT min(joined), max(ends) FROM chosen")
    within = "false" if first is None else f"time >= {moment_sql(first / 1e6)} AND time <= {moment_sql(last / 1e6)}"
    kinds = ", ".join(map(quoted, ("purchase", "return", *_SEEN)))
    sql.execute(
        "CREATE TEMP TABLE told AS SELECT member, type, epoch_us(time) AS seen, (epoch_us(time) - joined)"
        f" // {_DAY_US} AS day, coalesce(order_number, hash(time)) AS number, amount, list_amount, quantity, item,"
        " properties FROM (SELECT person, type, time, order_number, amount, list_amount, quantity, item,"
        f" CASE WHEN type IN ({', '.join(map(quoted, _SEEN))}) THEN properties END AS properties FROM happenings"
        f" WHERE type IN ({kinds}) AND {within}) JOIN chosen USING (person)"
        " WHERE epoch_us(time) >= joined AND epoch_us(time) < ends"
    )


_ORDERS = """
SELECT member, count(DISTINCT number)::DOUBLE AS value FROM told WHERE type = 'purchase' GROUP BY member"""

# A return that says no amount may be a goodwill of any size: it is left out whole.
_LINES = """
SELECT member, day, CASE type WHEN 'return' THEN -1 ELSE 1 END AS sign, coalesce(amount, 0) AS paid, {cost} AS cost,
  things.cost IS NOT NULL AS by_item
FROM told LEFT JOIN things USING (item) WHERE type = 'purchase' OR (type = 'return' AND amount IS NOT NULL)"""
_PAID = (
    "SELECT member, day, sum(sign * paid)::DOUBLE AS revenue,"
    " coalesce(sum(sign * (paid - cost)), 0)::DOUBLE AS margin FROM (" + _LINES + ") GROUP BY member, day"
)
_KNOWN = (
    "SELECT coalesce(sum(paid), 0)::DOUBLE, coalesce(sum(paid) FILTER (cost IS NOT NULL), 0)::DOUBLE,"
    " coalesce(sum(paid) FILTER (by_item), 0)::DOUBLE"
    " FROM (" + _LINES + ") WHERE sign = 1"
)


def _cost(margin: float | None) -> str:
    """The SQL of what a line cost the shop: as the item says, else as the campaign's margin does, else unknown."""
    item = "things.cost * quantity"
    return item if margin is None else f"coalesce({item}, {1 - margin!r} * coalesce(list_amount, amount, 0))"


def _exposed(campaign_id: str, offers: tuple[str, ...]) -> str:
    """When each member first saw the campaign or one of its offers. JSON is read only where the word stands in it."""
    named = ", ".join(map(quoted, offers)) or "NULL"
    return (
        "SELECT member, min(seen) / 1e6 AS value FROM told WHERE type IN ('exposure', 'coupon_view') AND"
        f" ((contains(properties, '\"campaign\"') AND json_extract_string(properties, '$.campaign') ="
        f" {quoted(campaign_id)}) OR (contains(properties, '\"offer_id\"') AND"
        f" json_extract_string(properties, '$.offer_id') IN ({named}))) GROUP BY member"
    )
