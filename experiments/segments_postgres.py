"""The peer of bench `segments`: the same rule as SQL on PostgreSQL over the same events.

It gets what a sensible DBA gives: rows in the order of time, indexes that cover the question, all-visible pages so that
they suffice, statistics, memory for sorting and hashing, and as many processes as we have threads.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.settings import read_settings
from engine.storage.customer_files import CustomerFiles, State
from engine.storage.embedded import open_stores
from engine.storage.lake_sql import open_sql, quoted
from engine.storage.ledger import connection_of, opened_ledger, rows_of
from engine.storage.migrate import migrate
from engine.storage.segment_sql import members_sql
from engine.targeting.segment_text import parse_rule
from engine.targeting.segments import Words
from engine.targeting.traits import TRAIT_FIELDS
from experiments.customer_scale import ScaledShop

_DAYS = 90
#: The rule in the words of both; traits are a table here too, since PostgreSQL may keep them as well as we do.
RULE = (
    f"orders({_DAYS}d) >= 2 and not did(return, {_DAYS}d) and days_since_seen <= 60"
    ' and (region = "north" or spend_rank >= 0.5)'
)
_TABLES = (
    # PostgreSQL has no unsigned numbers of 64 bits.
    (
        "happenings",
        "person, type, time, (order_number::HUGEINT - 9223372036854775808)::BIGINT",
        "person int, type text, time timestamptz, order_number bigint",
    ),
    (
        "traits",
        "person, region, spend_rank, days_since_seen",
        "person int PRIMARY KEY, region text, spend_rank float8, days_since_seen float8",
    ),
)
_INDEXES = (
    "CREATE INDEX ON bench_happenings (type, time) INCLUDE (person, order_number)",
    "CREATE INDEX ON bench_happenings (person, type, time)",
    "ANALYZE bench_happenings",
    "ANALYZE bench_traits",
)
#: No step of loading may take longer than this.
_LOADING = ("SET LOCAL statement_timeout = '15min'", "SET LOCAL maintenance_work_mem = '1GB'")
_ASKING = (
    "SET LOCAL work_mem = '512MB'",
    "SET LOCAL effective_cache_size = '8GB'",
    "SET LOCAL random_page_cost = 1.1",
)
_SQL = """
SELECT count(*), coalesce(sum(person), 0)::bigint FROM (
  SELECT t.person FROM bench_traits t
  JOIN (SELECT person FROM bench_happenings WHERE type = 'purchase' AND time > :since AND time <= :now
    GROUP BY person HAVING count(DISTINCT order_number) >= 2) bought USING (person)
  WHERE t.days_since_seen <= 60 AND (t.region = 'north' OR t.spend_rank >= 0.5)
    AND NOT EXISTS (SELECT 1 FROM bench_happenings e WHERE e.person = t.person AND e.type = 'return'
      AND e.time > :since AND e.time <= :now)) found
"""


def same_rule_on_postgres(shop: ScaledShop, scratch: Path, now: float, *, runs: int) -> dict[str, Any]:
    """Seconds of the best run, and how many users are found by one side only (0, or their sums differ)."""
    settings = read_settings({"HAWKER_HOME": str(scratch / "postgres")})
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        return _measured(shop, stores.ledger_url, settings.shop, now, runs, scratch)


def _measured(shop: ScaledShop, url: str, name: str, now: float, runs: int, scratch: Path) -> dict[str, Any]:
    moment = datetime.fromtimestamp(now, UTC)
    with opened_ledger(url, name) as ledger:
        began = time.perf_counter()
        with connection_of(ledger) as connection:
            for statement in _LOADING:
                rows_of(connection, statement)
            mine = _fill(connection, shop, now, moment, scratch)
            for statement in _INDEXES:
                rows_of(connection, statement)
        filled = time.perf_counter() - began
        took = []
        for _ in range(runs):
            began = time.perf_counter()
            with connection_of(ledger) as connection:
                for statement in _ASKING:
                    rows_of(connection, statement)
                ((number, total),) = rows_of(connection, _SQL, since=moment - timedelta(days=_DAYS), now=moment)
            took.append(time.perf_counter() - began)
    differ = abs(int(number) - mine[0]) or int(int(total) != mine[1])
    return {
        "seconds": round(min(took), 3),
        "size": int(number),
        "differ": differ,
        "seconds_to_fill_and_index": round(filled, 1),
    }


def _fill(connection: Any, shop: ScaledShop, now: float, moment: datetime, scratch: Path) -> tuple[int, int]:
    """Copy events and traits over; what our own SQL finds: number and sum of the persons."""
    with CustomerFiles(shop.home).reading(now, threads=2, memory="2GB") as sql:
        select = members_sql(parse_rule(RULE, Words(TRAIT_FIELDS)), moment)
        found = sql.execute(f"SELECT count(*), coalesce(sum(person), 0)::BIGINT FROM ({select})").fetchall()
    files = CustomerFiles(shop.home)
    state = files.state() or State()
    for table, columns, kinds in _TABLES:
        told = scratch / f"{table}.csv"
        with open_sql(scratch / "spill", threads=2, memory="2GB") as sql:
            files.lay_out(sql, state, now)
            sql.execute(f"COPY (SELECT {columns} FROM {table}) TO {quoted(told)} (FORMAT csv, HEADER false)")
        told.chmod(0o644)
        # Frozen as they come, in the transaction that makes the table: an index alone answers then.
        rows_of(connection, f"CREATE UNLOGGED TABLE bench_{table} ({kinds})")
        rows_of(connection, f"COPY bench_{table} FROM {quoted(told)} (FORMAT csv, FREEZE)")
        told.unlink()
    return int(found[0][0]), int(found[0][1])
