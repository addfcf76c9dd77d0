"""Delta tables on disk: open, lock, commit."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pyarrow as pa
from deltalake import ColumnProperties, CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from engine.errors import StoreUnavailable, UnknownThing
from engine.storage.durable import sync_folder
from engine.storage.lake_tables import LAKE_TABLES, LakeTable

#: The version of a table that has never been written.
NO_VERSION = -1

# Two commits that name the same application conflict, so that a writer whose snapshot is old is
# refused even where the file lock does not reach (a shared network folder).
_APPLICATION = "hawker-writer"
_STREAM = "hawker-stream"

# Keys and times hardly repeat: a dictionary of them is more work and a sixth larger.
_WRITTEN = {
    table.name: WriterProperties(
        compression="ZSTD",
        compression_level=1,
        column_properties={
            name: ColumnProperties(dictionary_enabled=False)
            for name in table.schema.names
            if name in (table.key, "time")
        },
    )
    for table in LAKE_TABLES.values()
}


class CommitConflictError(Exception):
    """Another writer committed first; read the table again and repeat."""


class DeltaStore:
    """The Delta tables below one folder, one folder a table."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def version(self, table: LakeTable) -> int:
        """The table's newest version; NO_VERSION where it does not exist yet."""
        newest = self._open(table, None)
        return NO_VERSION if newest is None else int(newest.version())

    def files(self, table: LakeTable, version: int) -> list[Path]:
        """The Parquet files of a table at a version, in a fixed order.

        Raises UnknownThing when the version was never written or is gone, StoreUnavailable when the log cannot be read.
        """
        if version == NO_VERSION:
            return []
        opened = self._open(table, version)
        if opened is None:
            raise UnknownThing(f"the lake has no table {table.name}, so no version {version} of it", field=table.name)
        return sorted(Path(unquote(urlparse(uri).path) if "://" in uri else uri) for uri in opened.file_uris())

    def added(self, table: LakeTable, since: int, until: int) -> list[Path] | None:
        """The files of rows that the versions after `since` up to `until` brought, and are still there.

        None where that cannot be told any more: rows were replaced, or the log or the files are cleaned away.
        """
        found: list[Path] = []
        folder = self.root / table.name
        for number in range(since + 1, until + 1):
            log = folder / "_delta_log" / f"{number:020}.json"
            if not log.exists():
                return None
            actions = [json.loads(line) for line in log.read_text().splitlines()]
            told = [each["add"] for each in actions if each.get("add", {}).get("dataChange")]
            if any(each.get("remove", {}).get("dataChange") for each in actions):
                return None
            found += [folder / unquote(each["path"]) for each in told]
        return found if all(path.exists() for path in found) else None

    @contextmanager
    def writing(self, table: LakeTable) -> Iterator[None]:
        """One writer a table at a time, across processes; the lock dies with its process."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f"{table.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def position(self, table: LakeTable) -> int:
        """How far the stream has been brought into the table, -1 for not at all (see `commit`)."""
        newest = self._open(table, None)
        stored = None if newest is None else newest.transaction_version(_STREAM)
        return -1 if stored is None else int(stored)

    def commit(
        self,
        table: LakeTable,
        rows: pa.RecordBatchReader,
        *,
        base: int,
        replace: bool = False,
        instead_of: str | None = None,
        position: int | None = None,
    ) -> int:
        """Write `rows` as the version after `base`, all or nothing; with `replace` they become the whole table.

        `instead_of` is an SQL condition: the rows take the place of all that fulfil it, and must fulfil it themselves.

        On the disk when it returns. `position` is the place in the stream up to which the rows go; it becomes readable
        with them, so that whoever was killed after the commit knows that it was done.
        Raises CommitConflictError when `base` is not the newest version any more.
        """
        transactions = [Transaction(_APPLICATION, base + 1)]
        if position is not None:
            transactions.append(Transaction(_STREAM, position))
        target: Any = str(self.root / table.name) if base == NO_VERSION else self._open(table, base)
        try:
            write_deltalake(
                target,
                rows,
                mode="error" if base == NO_VERSION else "overwrite" if replace or instead_of else "append",
                predicate=None if base == NO_VERSION else instead_of,
                # A table that was made before a column was thought of gets it with the first row that may have it.
                schema_mode=None if base == NO_VERSION else "overwrite" if replace else "merge",
                partition_by=[table.partition] if table.partition else None,
                name=table.name,
                writer_properties=_WRITTEN[table.name],
                commit_properties=CommitProperties(max_commit_retries=0, app_transactions=transactions),
            )
        except CommitFailedError as error:
            raise CommitConflictError(str(error)) from error
        except (DeltaError, OSError) as error:
            if base == NO_VERSION and self.version(table) != NO_VERSION:
                raise CommitConflictError(str(error)) from error
            raise StoreUnavailable(f"the lake table {table.name} cannot be written: {error}") from error
        self._sync(table, base + 1)
        return base + 1

    def compact(self, table: LakeTable, *, more_files_than: int, retention_hours: int) -> bool:
        """Join small files, and remove those that only versions older than the retention need; whether it was due.

        Readers of older versions are not disturbed within the retention. Nobody may write meanwhile (see `writing`).
        """
        opened = self._open(table, None)
        if opened is None or len(opened.file_uris()) <= more_files_than:
            return False
        try:
            opened.optimize.compact(max_concurrent_tasks=1)
            opened.vacuum(retention_hours, dry_run=False, enforce_retention_duration=False)
            self._sync(table, int(opened.version()), before=int(opened.version()) - 2)
        except (DeltaError, OSError) as error:
            raise StoreUnavailable(f"the lake table {table.name} cannot be compacted: {error}") from error
        return True

    def _sync(self, table: LakeTable, version: int, *, before: int | None = None) -> None:
        """Bring what the versions after `before` (default: only this one) added, and their log, to the disk."""
        folder = self.root / table.name
        for number in range(version if before is None else before + 1, version + 1):
            log = folder / "_delta_log" / f"{number:020}.json"
            actions = [json.loads(line) for line in log.read_text().splitlines()]
            added = [folder / unquote(action["add"]["path"]) for action in actions if "add" in action]
            for path in (*added, log):
                _sync_file(path)
            for place in {path.parent for path in added} | {log.parent, folder}:
                sync_folder(place)

    def _open(self, table: LakeTable, version: int | None) -> DeltaTable | None:
        path = self.root / table.name
        if not (path / "_delta_log").is_dir():
            return None
        try:
            return DeltaTable(str(path), version=version)
        except TableNotFoundError as error:
            # The first writer died before its first commit: files without a log entry are no table.
            if not any(entry.suffix in (".json", ".parquet") for entry in (path / "_delta_log").iterdir()):
                return None
            raise self._damaged(table, error) from error
        except (DeltaError, OSError) as error:
            if version is not None and self._newest_or_lower(path) < version:
                raise UnknownThing(f"the lake table {table.name} has no version {version}", field=table.name) from error
            raise self._damaged(table, error) from error

    def _damaged(self, table: LakeTable, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(
            f"the lake table {table.name} is damaged ({str(error).splitlines()[0]}); "
            f"restore {self.root / table.name} from a backup",
            code="lake_damaged",
            field=table.name,
        )

    @staticmethod
    def _newest_or_lower(path: Path) -> int:
        numbers = [int(entry.name[:20]) for entry in (path / "_delta_log").iterdir() if entry.name[:20].isdigit()]
        return max(numbers, default=NO_VERSION)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
