"""Delta tables on disk: open, lock, commit."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from engine.errors import StoreUnavailable, UnknownThing
from engine.storage.lake_tables import LakeTable

#: The version of a table that has never been written.
NO_VERSION = -1

# Two commits that name the same application conflict, so that a writer whose snapshot is old is
# refused even where the file lock does not reach (a shared network folder).
_APPLICATION = "hawker-writer"


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

    @contextmanager
    def writing(self, table: LakeTable) -> Iterator[None]:
        """One writer a table at a time, across processes; the lock dies with its process."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f"{table.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def commit(self, table: LakeTable, rows: pa.RecordBatchReader, *, base: int, replace: bool = False) -> int:
        """Write `rows` as the version after `base`, all or nothing; with `replace` they become the whole table.

        Raises CommitConflictError when `base` is not the newest version any more.
        """
        target: Any = str(self.root / table.name) if base == NO_VERSION else self._open(table, base)
        try:
            write_deltalake(
                target,
                rows,
                mode="error" if base == NO_VERSION else "overwrite" if replace else "append",
                partition_by=[table.partition] if table.partition else None,
                name=table.name,
                writer_properties=WriterProperties(compression="ZSTD", compression_level=1),
                commit_properties=CommitProperties(
                    max_commit_retries=0, app_transactions=[Transaction(_APPLICATION, base + 1)]
                ),
            )
        except CommitFailedError as error:
            raise CommitConflictError(str(error)) from error
        except (DeltaError, OSError) as error:
            if base == NO_VERSION and self.version(table) != NO_VERSION:
                raise CommitConflictError(str(error)) from error
            raise StoreUnavailable(f"the lake table {table.name} cannot be written: {error}") from error
        return base + 1

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
