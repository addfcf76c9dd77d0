"""The quarantine: the rows that an import refused, each with its number and the reason."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.storage.lake_sql import quoted

_REJECTED = pa.schema([("row", pa.int64()), ("reason", pa.string()), ("raw", pa.string())])


def write_quarantine(
    sql: Any, rejected: Sequence[tuple[int, str, str]], folder: Path, *, label: str, draft_at: Path
) -> Path | None:
    """Write the refused rows of the view `staged` and the `rejected` ones as JSON lines; None when there are none.

    A line has `row` (counted from 0), `reason` and `raw`. The file's name carries a digest of its content, so
    that importing the same file again finds its quarantine there. `draft_at` is a scratch path.
    """
    columns = [[each[place] for each in rejected] for place in range(len(_REJECTED))]
    sql.register("rejected_rows", pa.table(columns, schema=_REJECTED))
    sql.execute(
        "COPY (SELECT row, reason, raw::JSON AS raw FROM ("
        " SELECT row, reason, raw FROM staged WHERE reason IS NOT NULL"
        " UNION ALL SELECT row, reason, CAST(to_json(raw) AS VARCHAR) FROM rejected_rows) ORDER BY row)"
        f" TO {quoted(draft_at)} (FORMAT json)"
    )
    if not draft_at.stat().st_size:
        return None
    with draft_at.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
        os.fsync(file.fileno())
    folder.mkdir(parents=True, exist_ok=True)
    return draft_at.replace(folder / f"{label}-{digest}.jsonl")
