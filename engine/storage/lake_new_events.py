"""Which events of a batch are new: the first of their event_id in it, and not in the lake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from engine.storage.lake_sql import one_row

# So many hashes are sorted at once: 256 MB.
_AT_ONCE = 1 << 25


@dataclass(frozen=True, slots=True)
class NewEvents:
    """`count` of the view `incoming`'s `of` rows are new; `rows` is the SQL of a table that holds them."""

    count: int
    of: int
    rows: str


def new_events(sql: Any, stored: str | None, *, at_once: int = _AT_ONCE) -> NewEvents:
    """Look through `incoming`; `stored` is a SELECT of the event_ids that are known, None where there are none.

    Tens of millions of ids do not fit into memory beside what is written, so ids are compared only where their
    64-bit hashes, of which there is a sorted array of at most `at_once`, do not already tell them apart.
    """
    total = one_row(sql, "SELECT count(*) FROM incoming")[0]
    rows, count = "incoming", total
    numbered = "(SELECT *, row_number() OVER () AS row FROM incoming)"
    doubtful = _repeated_hashes(sql, total, at_once)
    if len(doubtful):
        sql.register("repeated_hashes", pa.table({"hashed": doubtful}))
        sql.execute(
            "CREATE TEMP TABLE doubtful AS SELECT event_id, row"
            f" FROM (SELECT event_id, row, hash(event_id) AS hashed FROM {numbered})"
            " SEMI JOIN repeated_hashes USING (hashed)"
        )
        sql.execute(
            "CREATE TEMP TABLE later AS SELECT row FROM doubtful"
            " ANTI JOIN (SELECT min(row) AS row FROM doubtful GROUP BY event_id) USING (row)"
        )
        rows = f"(SELECT * FROM {numbered} ANTI JOIN later USING (row))"
        count -= one_row(sql, "SELECT count(*) FROM later")[0]
    if stored is not None:
        sql.execute(
            f"CREATE TEMP TABLE known AS SELECT event_id FROM {rows} SEMI JOIN ({stored}) AS stored USING (event_id)"
        )
        known = one_row(sql, "SELECT count(*) FROM known")[0]
        if known:
            rows = f"(SELECT * FROM {rows} ANTI JOIN known USING (event_id))"
            count -= known
    return NewEvents(int(count), int(total), rows)


def _repeated_hashes(sql: Any, total: int, at_once: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The hashes that more than one row has, from as many passes as `at_once` demands."""
    passes = -(-total // at_once)
    found = []
    for number in range(passes):
        part = f" WHERE hash(event_id) % {passes} = {number}" if passes > 1 else ""
        hashes = sql.sql(f"SELECT hash(event_id) AS hashed FROM incoming{part}").fetchnumpy()["hashed"]
        hashes.sort()
        found.append(np.unique(hashes[1:][hashes[1:] == hashes[:-1]]))
    return np.concatenate(found) if found else np.empty(0, np.uint64)
