"""The peer of bench `segments`: the same rule as SQL on PostgreSQL over the same events.

It is asked twice: over the events alone, of which the rule's traits are then a part of the question, and over the
events beside a table of traits that somebody keeps for it. It gets what a sensible DBA gives: rows in the order of
time, indexes that cover the question, all-visible pages so that they suffice, statistics, memory for sorting and
hashing, and as many processes as we have threads.
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
from engine.storage.ledger import LedgerPool, connection_of, opened_ledger, rows_of
from engine.storage.migrate import migrate
from engine.storage.segment_sql import members_sql
from engine.targeting.segment_text import parse_rule
from engine.targeting.segments import Words
from engine.targeting.traits import TRAIT_FIELDS
from experiments.customer_scale import ScaledShop

_DAYS = 90
#: The rule in the words of both.
RULE = (
    f"orders({_DAYS}d) >= 2 and not did(return, {_DAYS}d) and days_since_seen <= 60"
    ' and (region = "north" or spend_rank >= 0.5)'
)
_TABLES = (
    # PostgreSQL has no unsigned numbers of 64 bits.
    (
        "happenings",
        "person, type, time, (order_number::HUGEINT - 9223372036854775808)::BIGINT, amount",
        "person int, type text, time timestamptz, order_number bigint, amount bigint",
    ),
    (
        "traits",
        "person, region, spend_rank, days_since_seen",
        "person int PRIMARY KEY, region text, spend_rank float8, days_since_seen float8",
    ),
)
_INDEXES = (
    "CREATE INDEX ON bench_happenings (type, time) INCLUDE (person, order_number, amount)",
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
  SELECT t.person FROM {traits} t
  JOIN (SELECT person FROM bench_happenings WHERE type = 'purchase' AND time > :since AND time <= :now
    GROUP BY person HAVING count(DISTINCT order_number) >= 2) bought USING (person)
  WHERE t.days_since_seen <= 60 AND (t.region = 'north' OR t.spend_rank >= 0.5)
    AND NOT EXISTS (SELECT 1 FROM bench_happenings e WHERE e.person = t.person AND e.type = 'return'
      AND e.time > :since AND e.time <= :now)) found
"""
#: What the rule asks of traits, from the events; a region is declared, and stays a column.
_TRAITS_OF_EVENTS = """(
  SELECT person, region, spend_rank, extract(epoch FROM :now - seen) / 86400 AS days_since_seen
  FROM (SELECT person, max(time) AS seen FROM bench_happenings WHERE time <= :now GROUP BY person) activity
  JOIN (SELECT person, region FROM bench_traits) declared USING (person)
  LEFT JOIN (SELECT person, percent_rank() OVER (ORDER BY sum(amount)) AS spend_rank FROM (
      SELECT person, min(time) AS placed, sum(amount) AS amount FROM bench_happenings
      WHERE type = 'purchase' AND time <= :now GROUP BY person, order_number) orders
    WHERE placed > :year GROUP BY person) standing USING (person))
"""


def same_rule_on_postgres(shop: ScaledShop, scratch: Path, now: float, *, runs: int) -> dict[str, Any]:
    """Seconds of the best run of each question, and how many users are found by one side only (0, or sums differ)."""
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
        events = _asked(ledger, _SQL.format(traits=_TRAITS_OF_EVENTS), moment, runs)
        kept = _asked(ledger, _SQL.format(traits="bench_traits"), moment, runs)
    return {
        "seconds": events[0],
        "seconds_with_traits_kept": kept[0],
        "size": events[1],
        "differ": sum(abs(number - mine[0]) or int(total != mine[1]) for _, number, total in (events, kept)),
        "seconds_to_fill_and_index": round(filled, 1),
    }


def _asked(ledger: LedgerPool, sql: str, moment: datetime, runs: int) -> tuple[float, int, int]:
    """Seconds of the best run, and what it found: number and sum of the persons."""
    took, found = [], (0, 0)
    times = {"now": moment, "since": moment - timedelta(days=_DAYS), "year": moment - timedelta(days=365)}
    told = {name: at for name, at in times.items() if f":{name}" in sql}
    for _ in range(runs):
        began = time.perf_counter()
        with connection_of(ledger) as connection:
            for statement in _ASKING:
                rows_of(connection, statement)
            ((number, total),) = rows_of(connection, sql, **told)
        took.append(time.perf_counter() - began)
        found = int(number), int(total)
    return round(min(took), 3), *found


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
