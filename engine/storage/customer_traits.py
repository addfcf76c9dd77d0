"""The traits of all customers, or of those with something new, computed from the happenings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine.storage.customer_files import CustomerFiles, State
from engine.storage.customer_passed import passed_sql
from engine.storage.lake_moments import instant_sql
from engine.storage.lake_sql import one_row, parquet
from engine.storage.trait_sql import OF_A_USER, Moment, topics
from engine.storage.trait_view import STORED
from engine.targeting.traits import TRAITS, WINDOWS

#: Happenings that are held in memory at once, about half a gigabyte.
AT_ONCE = 4_000_000
#: Changed traits are joined with the others when they are more than this share of them.
_MOST_CHANGED = 0.2

_COMPUTED = {
    "coupons_used_365d": "greatest(coalesce(coupons_redeemed, 0), coalesce(coupon_orders, 0))",
    "return_rate_365d": "coalesce(pieces_returned, 0) / nullif(pieces_365d, 0)",
    "price_band": "CASE WHEN price_level < 1 / 3 THEN 'low' WHEN price_level < 2 / 3 THEN 'middle'"
    " WHEN price_level IS NOT NULL THEN 'high' END",
}
_COUNTED_UNITS = frozenset(
    {
        "visits",
        "views",
        "searches",
        "events",
        "people",
        "items",
        "orders",
        "answers",
        "returns",
        "complaints",
        "coupons",
    }
)
_READ = (
    "person, type, time, item, quantity, amount, list_amount, source, coupon_code, properties, order_number,"
    " session_number"
)
#: Whoever did nothing did it zero times; averages and shares of nothing stay null.
_ZERO = frozenset(
    each.name
    for each in TRAITS
    if each.unit in _COUNTED_UNITS or (each.name.startswith(("spend", "returned")) and each.unit == "money")
)

_THING_LEVELS = """
CREATE OR REPLACE TEMP TABLE thing_levels AS
SELECT item, category, nullif(brand, '') AS brand,
  CASE WHEN price IS NOT NULL AND number > 1 THEN percent_rank() OVER (PARTITION BY category, price IS NULL
    ORDER BY price) END AS level
FROM (SELECT item, categories[-1] AS category, brand, price, count(price) OVER (PARTITION BY categories[-1]) AS number
  FROM {things});
CREATE OR REPLACE TEMP TABLE category_names AS
SELECT lower(category) AS name, min(category) AS category FROM thing_levels WHERE category IS NOT NULL GROUP BY name"""


def compute_all(sql: Any, files: CustomerFiles, state: State, moment: Moment) -> State:
    """The traits of everybody as new files, in parts that fit into memory."""
    _prepare(sql, files, state)
    parts = max(1, -(-state.rows // AT_ONCE))
    written = []
    for part in range(parts):
        sql.execute(
            f"CREATE OR REPLACE TEMP TABLE wanted AS SELECT person FROM persons WHERE person % {parts} = {part}"
        )
        _choose(sql, files, state, moment, f"person % {parts} = {part}")
        written.append(files.write(sql, "traits", _computed(sql, files, state, moment)))
    state = replace(state, as_of=moment.now.timestamp()).with_files(traits=tuple(written), changed=())
    return _ranked(sql, files, state, moment)


def compute_touched(sql: Any, files: CustomerFiles, state: State, moment: Moment) -> State:
    """The traits of the persons in `touched`, and of those for whom the end of a window passed since `state.as_of`."""
    _prepare(sql, files, state)
    windows: dict[timedelta, tuple[str, ...]] = {timedelta(days=days): () for days in (0, *WINDOWS)}
    passed = passed_sql(sql, files, state, state.as_of, moment.now.timestamp(), windows)
    sql.execute(
        "CREATE OR REPLACE TEMP TABLE wanted AS"
        f" SELECT DISTINCT person FROM (SELECT person FROM touched UNION ALL {passed}) SEMI JOIN persons USING (person)"
    )
    if not one_row(sql, "SELECT count(*) FROM wanted")[0]:
        return replace(state, as_of=moment.now.timestamp())
    _choose(sql, files, state, moment, "person IN (SELECT person FROM wanted)")
    fresh = files.write(sql, "changed", _computed(sql, files, state, moment))
    state = _with_changed(sql, files, replace(state, as_of=moment.now.timestamp()), fresh)
    return _ranked(sql, files, state, moment)


def traits_then(sql: Any, files: CustomerFiles, state: State, moment: Moment, wanted: str) -> str:
    """The SELECT of the stored traits as they were at an earlier moment, of the persons that the SELECT `wanted` gives.

    From what happened until then alone; what people declare is what they declare today.
    """
    sql.execute(_THING_LEVELS.format(things=files.source(state, "things")))
    sql.execute(f"CREATE OR REPLACE TEMP TABLE wanted AS {wanted}")
    _choose(sql, files, state, moment, "person IN (SELECT person FROM wanted)")
    return _computed(sql, files, state, moment)


def _prepare(sql: Any, files: CustomerFiles, state: State) -> None:
    sql.execute(_THING_LEVELS.format(things=files.source(state, "things")))
    sql.execute(
        f"CREATE OR REPLACE TEMP VIEW persons AS SELECT person FROM {files.source(state, 'names')}"
        f" WHERE starts_with(name, 'u') AND person NOT IN (SELECT person FROM {files.source(state, 'gone')})"
    )


def _choose(sql: Any, files: CustomerFiles, state: State, moment: Moment, where: str) -> None:
    """The table `chosen`: the happenings of those who are computed, read from the disk once for all topics."""
    sql.execute("DROP TABLE IF EXISTS chosen")
    sql.execute(
        f"CREATE TEMP TABLE chosen AS SELECT {_READ} FROM {files.source(state, 'happenings')}"
        f" WHERE {where} AND time <= {instant_sql(moment.now)}"
    )


def _computed(sql: Any, files: CustomerFiles, state: State, moment: Moment) -> str:
    """The SELECT of the stored traits of the persons in `wanted`, after their topics were aggregated."""
    for name, select in topics(moment).items():
        sql.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {select}")
    columns = ", ".join(f"CAST({_value(name)} AS {kind}) AS {name}" for name, kind in STORED.items())
    joined = " ".join(f"LEFT JOIN {name} USING (person)" for name in OF_A_USER)
    return (
        f"SELECT wanted.person, {columns} FROM wanted LEFT JOIN {files.source(state, 'declared')} declared"
        f" USING (person) {joined}"
    )


def _value(name: str) -> str:
    told = _COMPUTED.get(name, name)
    return f"coalesce({told}, 0)" if name in _ZERO else told


def _with_changed(sql: Any, files: CustomerFiles, state: State, fresh: str) -> State:
    """The fresh traits before those that were changed earlier; both before all others."""
    newest = parquet([files.folder / fresh])
    changed = (fresh,)
    if state.files.get("changed"):
        earlier = parquet([files.folder / name for name in state.files["changed"]])
        both = (
            f"SELECT * FROM {newest} UNION ALL"
            f" SELECT earlier.* FROM {earlier} earlier ANTI JOIN {newest} newest USING (person)"
        )
        changed = (files.write(sql, "changed", both),)
    table = parquet([files.folder / name for name in changed])
    if one_row(sql, f"SELECT count(*) FROM {table}")[0] <= _MOST_CHANGED * max(state.people, 1):
        return state.with_files(changed=changed)
    whole = (
        f"SELECT * FROM {table} UNION ALL SELECT old.* FROM {files.source(state, 'traits')} old"
        f" ANTI JOIN {table} new USING (person)"
    )
    return state.with_files(traits=(files.write(sql, "traits", whole),), changed=())


_RANKS = """
SELECT person, percent_rank() OVER (ORDER BY spend_365d) AS spend_rank,
  percent_rank() OVER (ORDER BY orders_365d) AS orders_rank,
  ntile(5) OVER (ORDER BY last_order_at, person)::DOUBLE AS rfm_recency,
  ntile(5) OVER (ORDER BY orders_365d, person)::DOUBLE AS rfm_frequency,
  ntile(5) OVER (ORDER BY spend_365d, person)::DOUBLE AS rfm_money
FROM traits WHERE orders_365d > 0"""


def _ranked(sql: Any, files: CustomerFiles, state: State, moment: Moment) -> State:
    files.lay_out(sql, state.with_files(ranks=()), moment.now.timestamp())
    return state.with_files(ranks=(files.write(sql, "ranks", _RANKS),))
