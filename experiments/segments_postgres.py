"""The peer of bench `segments`: the same rule as SQL on PostgreSQL over the same events, with the index it wants."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.settings import read_settings
from engine.storage.customer_files import CustomerFiles
from engine.storage.embedded import open_stores
from engine.storage.ledger import connection_of, insert_new, opened_ledger, rows_of
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
_SQL = """
SELECT count(*), coalesce(sum(person), 0)::bigint FROM (
  SELECT t.person FROM bench_traits t
  JOIN (SELECT person FROM bench_events WHERE type = 'purchase' AND time > :since AND time <= :now
    GROUP BY person HAVING count(DISTINCT order_number) >= 2) bought USING (person)
  WHERE t.days_since_seen <= 60 AND (t.region = 'north' OR t.spend_rank >= 0.5)
    AND NOT EXISTS (SELECT 1 FROM bench_events e WHERE e.person = t.person AND e.type = 'return'
      AND e.time > :since AND e.time <= :now)) found
"""


def same_rule_on_postgres(shop: ScaledShop, scratch: Path, now: float, *, runs: int) -> dict[str, Any]:
    """Seconds of the best run, and how many users are found by one side only (0, or their sums differ)."""
    settings = read_settings({"HAWKER_HOME": str(scratch / "postgres")})
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        return _measured(shop, stores.ledger_url, settings.shop, now, runs)


def _measured(shop: ScaledShop, url: str, name: str, now: float, runs: int) -> dict[str, Any]:
    moment = datetime.fromtimestamp(now, UTC)
    with opened_ledger(url, name) as ledger:
        with connection_of(ledger) as connection:
            rows_of(connection, "CREATE UNLOGGED TABLE bench_events (person int, type text, time timestamptz,"
                    " order_number bigint)")  # fmt: skip
            rows_of(connection, "CREATE UNLOGGED TABLE bench_traits (person int PRIMARY KEY, region text,"
                    " spend_rank float8, days_since_seen float8)")  # fmt: skip
            began = time.perf_counter()
            mine = _fill(connection, shop, now, moment)
            rows_of(connection, "CREATE INDEX ON bench_events (type, time) INCLUDE (person, order_number)")
            rows_of(connection, "CREATE INDEX ON bench_events (person, type, time)")
            rows_of(connection, "ANALYZE bench_events, bench_traits")
            filled = time.perf_counter() - began
        took = []
        for _ in range(runs):
            began = time.perf_counter()
            with connection_of(ledger) as connection:
                ((number, total),) = rows_of(connection, _SQL, since=moment - timedelta(days=_DAYS), now=moment)
            took.append(time.perf_counter() - began)
    differ = abs(int(number) - mine[0]) or int(int(total) != mine[1])
    return {
        "seconds": round(min(took), 3),
        "size": int(number),
        "differ": differ,
        "seconds_to_fill_and_index": round(filled, 1),
    }


def _fill(connection: Any, shop: ScaledShop, now: float, moment: datetime) -> tuple[int, int]:
    """Copy events and traits over; what our own SQL finds: number and sum of the persons."""
    with CustomerFiles(shop.home).reading(now, threads=2, memory="2GB") as sql:
        events = sql.sql(
            "SELECT person, type, time, (order_number::HUGEINT - 9223372036854775808)::BIGINT AS order_number"
            " FROM happenings"
        ).to_arrow_reader(100_000)
        insert_new(connection, "bench_events", ("person", "type", "time", "order_number"), _rows(events))
        columns = ("person", "region", "spend_rank", "days_since_seen")
        traits = sql.sql(f"SELECT {', '.join(columns)} FROM traits").to_arrow_reader(100_000)
        insert_new(connection, "bench_traits", columns, _rows(traits))
        select = members_sql(parse_rule(RULE, Words(TRAIT_FIELDS)), moment)
        found = sql.execute(f"SELECT count(*), coalesce(sum(person), 0)::BIGINT FROM ({select})").fetchall()
    return int(found[0][0]), int(found[0][1])


def _rows(reader: pa.RecordBatchReader) -> Any:
    for batch in reader:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
