"""One pass over a source: every row drafted, checked and laid down, before the lake is touched."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from engine.storage.imports.checks import reason
from engine.storage.imports.draft import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS, Draft
from engine.storage.imports.sources import ROW
from engine.storage.lake_sql import name_quoted, parquet, quoted

#: What makes two rows without an event_id the same event.
_IDENTITY = ("type", "time", "user_id", "session_id", "item_id", "order_id", "quantity", "amount", "list_amount")
_MONEY = ("amount", "list_amount")
#: The conditions under which a staged row may be believed, and may be stored as an event.
GOOD = "reason IS NULL"
EVENT = "reason IS NULL AND NOT profile"


def stage(sql: Any, draft: Draft, to: Path, *, now: datetime) -> None:
    """Write every row of the draft to the Parquet file `to` and make the view `staged` of it.

    The file has the columns of an event, `row`, `profile`, `reason` and `raw` (null for good rows) and what the row
    tells of its item (item_*) and its user (user_*).
    """
    # Ids are all different: looking for a dictionary of them costs much and finds nothing.
    written = "FORMAT parquet, COMPRESSION lz4_raw, DICTIONARY_SIZE_LIMIT 5000"
    sql.execute(f"COPY ({_checked(draft, now)}) TO {quoted(to)} ({written})")
    sql.execute(f"CREATE VIEW staged AS FROM {parquet([to])}")


@contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """A folder of its own for one import, gone afterwards; what dead imports left behind goes first."""
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.iterdir():
        with (left / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(left, ignore_errors=True)
    folder = parent / uuid4().hex
    folder.mkdir()
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _checked(draft: Draft, now: datetime) -> str:
    events = {name: name for name in EVENT_COLUMNS}
    events["event_id"] = f"coalesce(event_id, {_identity()})"
    events["quantity"] = "coalesce(quantity, 1)"
    events |= {name: f"TRY_CAST({name} AS BIGINT)" for name in _MONEY}
    told = "".join(f", item_{name}" for name in draft.items) + "".join(f", user_{name}" for name in draft.users)
    return (
        f"SELECT row, {', '.join(f'{expression} AS {name}' for name, expression in events.items())},"
        " profile, reason, CASE WHEN reason IS NOT NULL THEN CAST(to_json(raw) AS VARCHAR) END AS raw"
        f"{told} FROM (SELECT *, {reason(now, draft.called)} AS reason FROM ({_drafted(draft)}))"
    )


def _drafted(draft: Draft) -> str:
    """All columns of a draft, typed, those that the source knows nothing of as nulls."""
    columns = (
        _typed(EVENT_COLUMNS, draft.events, "")
        + _typed(ITEM_COLUMNS, draft.items, "item_")
        + _typed(USER_COLUMNS, draft.users, "user_")
    )
    # A struct costs nothing; only the text of the refused rows is ever made.
    raw = ", ".join(f"{name_quoted(name)} := {name_quoted(name)}" for name in draft.raw)
    return (
        f"SELECT {ROW} AS row, struct_pack({raw}) AS raw, {draft.refused} AS refused, {draft.profile} AS profile,"
        f" {', '.join(columns)}"
        f" FROM {draft.rows}"
    )


def _typed(columns: Mapping[str, str], told: Mapping[str, str], prefix: str) -> list[str]:
    return [f"CAST({told.get(name, 'NULL')} AS {kind}) AS {prefix}{name}" for name, kind in columns.items()]


def _identity() -> str:
    # A separator that no text has, so that the cells ('a', '') and ('', 'a') differ.
    parts = ", chr(31), ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in _IDENTITY)
    return f"md5(concat({parts}))"
