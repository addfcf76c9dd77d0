"""The lake: the shop's record of events, items and users, as Delta tables read through DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import BadInput, NotAllowed, StoreUnavailable, UnknownThing
from engine.storage.home import Home
from engine.storage.lake_delta import NO_VERSION, CommitConflictError, DeltaStore
from engine.storage.lake_merges import resolve_merges
from engine.storage.lake_moments import MONTH_OF_TIME, instant_sql, month_sql
from engine.storage.lake_new_events import new_events
from engine.storage.lake_sql import UNREADABLE, all_cores, check_select, one_row, open_sql, quoted, sorted_object
from engine.storage.lake_tables import EVENTS, ITEMS, LAKE_TABLES, USERS, LakeTable
from engine.storage.lake_views import ParquetRows, bring_in, lay_out

_ATTEMPTS = 10
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch of events: `stored` are new, `duplicates` had an event_id that is known."""

    stored: int
    duplicates: int


class Lake:
    """The shop's events, items and users; every write is one whole new version of one table.

    Tables that were never written read as empty. `versions` pins what is read, so that a training
    run can name what it saw and read it again; a pinned lake refuses writes (NotAllowed).
    A table whose files do not fit its log raises StoreUnavailable with code "lake_damaged".
    """

    def __init__(self, home: Home, *, versions: Mapping[str, int] | None = None) -> None:
        for name, version in (versions or {}).items():
            if name not in LAKE_TABLES:
                raise UnknownThing(f"the lake has no table {name}; it has {', '.join(LAKE_TABLES)}", field=name)
            if version < NO_VERSION:
                raise UnknownThing(f"the lake table {name} has no version {version}", field=name)
        self._home = home
        self._pinned = dict(versions) if versions is not None else None
        self._store = DeltaStore(home.lake)

    def at(self, versions: Mapping[str, int]) -> Lake:
        """The same lake as it was at these versions; tables that are not named read their newest."""
        return Lake(self._home, versions=versions)

    def versions(self) -> dict[str, int]:
        """The version of each table that is read now; -1 for a table that was never written."""
        pinned = self._pinned or {}
        return {
            name: pinned[name] if name in pinned else self._store.version(table) for name, table in LAKE_TABLES.items()
        }

    def events(
        self,
        columns: Sequence[str] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> pa.Table:
        """Events from `since` on and before `until` (aware datetimes), in a fixed but unspecified order.

        Those of a session or user that was merged into a user name that user.
        """
        names = list(columns) if columns is not None else EVENTS.schema.names
        unknown = [name for name in names if name not in EVENTS.schema.names]
        if unknown:
            raise BadInput(f"events have no column {unknown[0]}; they have {', '.join(EVENTS.schema.names)}")
        clauses = []
        for bound, sign in ((since, ">="), (until, "<")):
            if bound is not None:
                clauses += [
                    f"time {sign} {instant_sql(bound)}",
                    f"month {'>=' if sign == '>=' else '<='} {month_sql(bound)}",
                ]
        where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
        table = self._read(f"SELECT {', '.join(names)} FROM events_by_month{where}", None)
        return table.cast(pa.schema([EVENTS.schema.field(name) for name in names]))

    def items(self) -> pa.Table:
        """All items, deleted ones included, by item_id."""
        return self._whole(ITEMS)

    def users(self) -> pa.Table:
        """All users, deleted ones included, by user_id."""
        return self._whole(USERS)

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> pa.Table:
        """The answer of one SELECT over the views events, items and users, in DuckDB's SQL with UTC times.

        It runs on half the cores with a memory limit and sees no files but the lake's.
        Raises BadInput when the statement cannot be read.
        """
        return self._read(sql, parameters)

    def append_events(self, events: pa.Table | ParquetRows) -> Stored:
        """Store each event whose event_id is new, exactly once, all of them or none.

        `events` is an Arrow table, or rows of a Parquet file where there are more than memory holds;
        columns that are left out are null. The first row of an event_id wins. A batch that brings
        nothing new writes no version. Raises BadInput for an unknown column, a wrong type or a missing key.
        """
        return self._write(EVENTS, events, self._append)

    def position(self, name: str) -> int:
        """How far the stream has been brought into a table, -1 for not at all."""
        return self._store.position(LAKE_TABLES[name])

    def take_from_stream(self, name: str, rows: pa.Table, position: int) -> int:
        """Store rows that came through the stream, and with them that the stream is stored up to `position`.

        Events and documents as in `append_events` and `put_items`; rows of other tables are appended. Events are looked
        up among those of the months that they name only, since the stream has kept repetitions out for a week.
        How many were stored or changed. Rows at or before `position(name)` must not be given again.
        """
        table = LAKE_TABLES[name]
        if name == EVENTS.name:
            months = sorted({month_sql(moment.as_py()) for moment in pc.unique(rows["time"])}) if rows.num_rows else []
            write = partial(self._append, position=position, months=months)
            return self._write(table, rows, write).stored
        if table.key in ("item_id", "user_id"):
            return self._write(table, rows, partial(self._put, position=position))
        return self._write(table, rows, partial(self._add, position=position))

    def compact(self, name: str, *, more_files_than: int, retention_days: float) -> bool:
        """Join a table's small files once there are so many, and drop what no version within the retention needs."""
        table = LAKE_TABLES[name]
        with self._store.writing(table):
            return self._store.compact(table, more_files_than=more_files_than, retention_hours=int(retention_days * 24))

    def put_items(self, items: pa.Table) -> int:
        """Insert or replace whole items by item_id; how many changed. Putting what is there writes no version."""
        return self._write(ITEMS, items, self._put)

    def put_users(self, users: pa.Table) -> int:
        """Insert or replace whole users by user_id; how many changed. Putting what is there writes no version."""
        return self._write(USERS, users, self._put)

    def merge_items(self, items: pa.Table | ParquetRows) -> int:
        """Like put_items, but a null says nothing: what is stored stays, and attributes are merged key by key
        (a null there removes the key). Each item_id comes once.
        """
        return self._write(ITEMS, items, self._merge)

    def merge_users(self, users: pa.Table | ParquetRows) -> int:
        """Like put_users, but a null says nothing: what is stored stays, and attributes are merged key by key
        (a null there removes the key). Each user_id comes once.
        """
        return self._write(USERS, users, self._merge)

    def _write(
        self, table: LakeTable, rows: pa.Table | ParquetRows, write: Callable[[LakeTable, Any, int], _Answer]
    ) -> _Answer:
        if self._pinned is not None:
            raise NotAllowed("a lake that is pinned to old versions is only for reading")
        # Only an import brings a file, and whoever imports waits for it.
        threads = all_cores() if isinstance(rows, ParquetRows) else None
        with self._store.writing(table):
            for _ in range(_ATTEMPTS):
                base = self._store.version(table)
                with self._opened({table.name: base}, writing=True, threads=threads) as sql:
                    bring_in(sql, table, rows)
                    try:
                        return write(table, sql, base)
                    except CommitConflictError:
                        continue
        raise StoreUnavailable(f"other writers keep changing the lake table {table.name}; try again")

    def _append(
        self,
        table: LakeTable,
        sql: Any,
        base: int,
        *,
        position: int | None = None,
        months: Sequence[str] | None = None,
    ) -> Stored:
        stored = None
        if base != NO_VERSION:
            stored = "SELECT event_id FROM events_by_month"
            if months is not None:
                stored += f" WHERE month IN ({', '.join(months) or 'NULL'})"
        new = new_events(sql, stored)
        if new.count:
            columns = ", ".join(table.schema.names)
            reader = sql.sql(f"SELECT {columns}, {MONTH_OF_TIME} AS month FROM {new.rows}").to_arrow_reader()
            self._store.commit(table, _fitted(reader, table), base=base, position=position)
        return Stored(stored=new.count, duplicates=new.of - new.count)

    def _add(self, table: LakeTable, sql: Any, base: int, *, position: int) -> int:
        rows = one_row(sql, "SELECT count(*) FROM incoming")[0]
        if rows:
            reader = sql.sql(f"SELECT {', '.join(table.schema.names)} FROM incoming").to_arrow_reader()
            self._store.commit(table, _fitted(reader, table), base=base, position=position)
        return int(rows)

    def _put(self, table: LakeTable, sql: Any, base: int, *, position: int | None = None) -> int:
        key = table.key
        told = {name: f"coalesce({name}, {default})" for name, default in table.defaults.items()}
        told["attributes"] = sorted_object("attributes")
        columns = ", ".join(f"{told.get(name, name)} AS {name}" for name in table.schema.names)
        sql.execute(
            f"CREATE TEMP TABLE latest AS SELECT {columns} FROM (SELECT *, row_number() OVER () AS row FROM incoming)"
            f" QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY row DESC) = 1"
        )
        return self._replace_changed(table, sql, base, position=position)

    def _merge(self, table: LakeTable, sql: Any, base: int) -> int:
        told = {
            name: f"coalesce(incoming.{name}, stored.{name}, {table.defaults.get(name, 'NULL')})"
            for name in table.schema.names
            if name != table.key
        }
        told["attributes"] = sorted_object(
            "CASE WHEN incoming.attributes IS NULL THEN stored.attributes"
            " ELSE json_merge_patch(coalesce(stored.attributes, '{}'), incoming.attributes) END"
        )
        columns = ", ".join(f"{told.get(name, name)} AS {name}" for name in table.schema.names)
        sql.execute(
            f"CREATE TEMP TABLE latest AS SELECT {columns} FROM incoming LEFT JOIN {table.name} stored"
            f" USING ({table.key})"
        )
        return self._replace_changed(table, sql, base)

    def _replace_changed(self, table: LakeTable, sql: Any, base: int, *, position: int | None = None) -> int:
        key, columns = table.key, ", ".join(table.schema.names)
        # When a row was written is no part of what it says.
        told = [name for name in table.schema.names if name not in (key, "updated_at", "updated_by")]
        differs = " OR ".join(f"latest.{name} IS DISTINCT FROM stored.{name}" for name in told)
        sql.execute(
            f"CREATE TEMP TABLE changed AS SELECT latest.* FROM latest LEFT JOIN {table.name} stored USING ({key})"
            f" WHERE stored.{key} IS NULL OR {differs}"
        )
        changed = one_row(sql, "SELECT count(*) FROM changed")[0]
        if changed:
            reader = sql.sql(
                f"SELECT {columns} FROM {table.name} ANTI JOIN changed USING ({key})"
                f" UNION ALL SELECT {columns} FROM changed ORDER BY {key}"
            ).to_arrow_reader()
            self._store.commit(table, _fitted(reader, table), base=base, replace=True, position=position)
        return int(changed)

    def _whole(self, table: LakeTable) -> pa.Table:
        return self._read(f"SELECT * FROM {table.name} ORDER BY {table.key}", None).cast(table.schema)

    def _read(self, statement: str, parameters: Any) -> pa.Table:
        with self._opened(self.versions(), writing=False) as sql:
            sql.execute("SET enable_external_access = false; SET lock_configuration = true")
            check_select(sql, statement, parameters or ())
            return sql.sql(statement, params=parameters).to_arrow_table()

    @contextmanager
    def _opened(self, versions: Mapping[str, int], *, writing: bool, threads: int | None = None) -> Iterator[Any]:
        """DuckDB with a view a table, frozen at `versions`."""
        try:
            with open_sql(self._home.lake / "spill", threads=threads) as sql:
                if not writing:
                    # Only the lake's own files stay readable once external access is off.
                    sql.execute(f"SET allowed_directories = [{quoted(self._home.lake.absolute())}]")
                for name, version in versions.items():
                    lay_out(sql, LAKE_TABLES[name], self._store.files(LAKE_TABLES[name], version))
                if not writing:
                    resolve_merges(sql)
                yield sql
        except UNREADABLE as error:
            raise StoreUnavailable(
                f"the lake below {self._home.lake} cannot be read ({str(error).splitlines()[0]}); "
                "restore it from a backup",
                code="lake_damaged",
            ) from error


def _fitted(reader: pa.RecordBatchReader, table: LakeTable) -> pa.RecordBatchReader:
    fields = list(table.schema)
    if table.partition:
        fields.append(pa.field(table.partition, pa.string()))
    return reader.cast(pa.schema(fields))
