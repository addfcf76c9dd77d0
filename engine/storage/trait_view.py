"""The view `traits`: what was computed, what changed since, how each stands among all, and what the clock adds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from engine.expression import Kind
from engine.storage.lake_sql import quoted
from engine.targeting.traits import OF_ALL, OF_THE_CLOCK, TRAITS

_TYPES: Mapping[Kind, str] = {
    "number": "DOUBLE",
    "text": "VARCHAR",
    "texts": "VARCHAR[]",
    "flag": "BOOLEAN",
    "time": "TIMESTAMPTZ",
}
#: Below this age nobody is profiled or advertised to.
ADULT_YEARS = 14
#: The columns that are stored, with their types.
STORED = {each.name: _TYPES[each.kind] for each in TRAITS if each.name not in (*OF_THE_CLOCK, *OF_ALL)}
_DAY_US = 86_400_000_000.0


def traits_sql(tables: Mapping[str, str | None], now: datetime, zone: str) -> str:
    """One row a person with the columns of TRAITS. `tables` are the SQL of `traits`, `changed` and `ranks`."""
    stored, changed, ranks = tables["traits"], tables["changed"], tables["ranks"]
    if stored is None:
        columns = ", ".join(f"NULL::{kind} AS {name}" for name, kind in STORED.items())
        stored = f"(SELECT 0::UINTEGER AS person, {columns} WHERE false)"
    if changed is not None:
        stored = (
            f"(SELECT * FROM {changed} UNION ALL BY NAME SELECT * FROM {stored} before"
            f" WHERE before.person NOT IN (SELECT person FROM {changed}))"
        )
    standing = ", ".join(f"ranks.{name}" if ranks else f"NULL::DOUBLE AS {name}" for name in OF_ALL)
    joined = f" LEFT JOIN {ranks} ranks USING (person)" if ranks else ""
    us = round(now.timestamp() * 1e6)

    def days_since(column: str) -> str:
        return f"({us} - epoch_us({column})) / {_DAY_US}"

    return f"""
SELECT stored.*, {standing}, {birthday_sql(now, zone)} AS days_to_birthday, {minor_sql(now, zone)} AS minor,
  {days_since("last_seen_at")} AS days_since_seen, {days_since("first_seen_at")} AS tenure_days,
  {days_since("last_order_at")} AS days_since_order,
  order_interval_days - {days_since("last_order_at")} AS due_in_days
FROM {stored} stored{joined}"""


def minor_sql(now: datetime, zone: str) -> str:
    """Whether a customer is younger than ADULT_YEARS, null where nothing tells the age."""
    today = now.astimezone(ZoneInfo(zone)).date()
    born = "TRY_CAST(CASE WHEN length(birthday) = 10 THEN birthday END AS DATE)"
    upper = "TRY_CAST(nullif(list_last(regexp_extract_all(age_band, '[0-9]+')), '') AS INTEGER)"
    return f"coalesce({born} + INTERVAL {ADULT_YEARS} YEAR > DATE {quoted(today.isoformat())}, {upper} < {ADULT_YEARS})"


def birthday_sql(now: datetime, zone: str) -> str:
    """Days until the next birthday, of a `birthday` written YYYY-MM-DD, or MM-DD where the year is not told."""
    today = now.astimezone(ZoneInfo(zone)).date()
    born = "TRY_CAST(CASE WHEN length(birthday) = 5 THEN '2000-' || birthday ELSE birthday END AS DATE)"

    def in_year(year: int) -> str:
        # The 29th of February is kept on the 28th where there is none.
        last = f"day(last_day(make_date({year}, month({born}), 1)))"
        return f"make_date({year}, month({born}), least(day({born}), {last}))"

    date = f"DATE {quoted(today.isoformat())}"
    this, following = in_year(today.year), in_year(today.year + 1)
    return f"CAST(CASE WHEN {this} >= {date} THEN {this} - {date} ELSE {following} - {date} END AS DOUBLE)"
