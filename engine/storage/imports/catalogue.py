"""What an import tells of items and users, gathered from its events and from tables beside them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.storage.imports.draft import ITEM_COLUMNS, USER_COLUMNS, Draft
from engine.storage.imports.staging import GOOD
from engine.storage.lake_sql import quoted
from engine.storage.lake_tables import ITEMS, USERS, LakeTable
from engine.storage.lake_views import ParquetRows


def stage_items(sql: Any, draft: Draft, to: Path, *, now: datetime) -> ParquetRows:
    """Write one row for each item that the good events or the source's catalogue name; nulls say nothing."""
    return _staged(sql, _gathered(ITEMS, "item", ITEM_COLUMNS, draft.items, draft.more_items, now=now), to)


def stage_users(sql: Any, draft: Draft, to: Path, *, now: datetime) -> ParquetRows:
    """Write one row for each user that the good events or the source's user table name; nulls say nothing."""
    return _staged(sql, _gathered(USERS, "user", USER_COLUMNS, draft.users, draft.more_users, now=now), to)


def _staged(sql: Any, statement: str, to: Path) -> ParquetRows:
    sql.execute(f"COPY ({statement}) TO {quoted(to)} (FORMAT parquet, COMPRESSION lz4_raw)")
    return ParquetRows(to)


def _gathered(
    table: LakeTable,
    prefix: str,
    columns: Mapping[str, str],
    told: Mapping[str, str],
    more: str | None,
    *,
    now: datetime,
) -> str:
    key = table.key
    # The newest word on a column counts; where two events share a time, the later row.
    gathered = dict.fromkeys(columns, "NULL")
    gathered |= {name: f"arg_max({prefix}_{name}, (time, row)) FILTER ({prefix}_{name} IS NOT NULL)" for name in told}
    listed = ", ".join(f"CAST({expression} AS {columns[name]}) AS {name}" for name, expression in gathered.items())
    parts = [f"SELECT {key}, {listed} FROM staged WHERE {GOOD} AND {key} IS NOT NULL AND {key} <> '' GROUP BY {key}"]
    if more is not None:
        parts.append(f"SELECT * FROM ({more})")
    merged = ", ".join(f"any_value({name}) AS {name}" for name in columns)
    source = f"SELECT {key}, {merged} FROM ({' UNION ALL BY NAME '.join(parts)}) GROUP BY {key}"
    told_of = {key, "updated_at", *columns}
    shown = ", ".join(_final(field, columns) for field in table.schema.names if field in told_of)
    return f"SELECT {shown} FROM ({source})".replace("$now", f"TIMESTAMPTZ {quoted(now.isoformat())}")


def _final(name: str, columns: Mapping[str, str]) -> str:
    if name == "updated_at":
        return "$now AS updated_at"
    if columns.get(name) == "DOUBLE":
        # A price that is no number or rounds to nothing is unknown rather than free.
        return f"CASE WHEN isfinite({name}) AND round({name}) > 0 THEN TRY_CAST({name} AS BIGINT) END AS {name}"
    return name
