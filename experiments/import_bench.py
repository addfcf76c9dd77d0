"""Bench `import`: events of a generated shop from one Parquet file into the lake, every column of them.

Afterwards a part of the same file comes again, with rows spoiled in known ways and others doubled: nothing may be
stored twice, and every spoiled row must be in the quarantine.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.storage.home import Home
from engine.storage.imports.run import ImportReport, ImportRequest, run_import
from engine.storage.lake import Lake
from experiments.findings import Asked, Conditions, Findings
from experiments.shop import ShopSize, write_parquet

_WHOLE = ShopSize(users=72_700, items=20_000, days=365)  # 30.0 million events
_QUICK = ShopSize(users=1_500, items=2_000, days=180)
_AGAIN = 1_000_000  # rows of the second import
_FLOOR = 3_000_000  # rows that are only read and written
_SPOILED = 100  # one row in so many

_MAPPING = """
[events]
event_id = "event_id"
user = "user_id"
session = "session_id"
item = "item_id"
time = "time"
type_column = "type"
quantity = "quantity"
amount = "amount"
list_amount = "list_amount"
amount_unit = "minor"
currency_column = "currency"
order = "order_id"
recommendation = "recommendation_id"
coupon = "coupon_code"
properties = ["source", "properties"]
"""


def measure_import(conditions: Conditions) -> Findings:
    """Import the whole shop, then a part of it again, spoiled."""
    size = _QUICK if conditions.quick else _WHOLE
    made = write_parquet(conditions.scratch / "shop", size, seed=conditions.seed, chunk_users=size.users)
    (file,) = (conditions.scratch / "shop" / "events").iterdir()
    mapping = conditions.scratch / "map.toml"
    mapping.write_text(_MAPPING)
    home = Home(conditions.scratch / "home")
    now = datetime.combine(size.start, datetime.min.time(), UTC) + timedelta(days=size.days + 1)

    floor = _floor(file, conditions.scratch / "floor.parquet")
    first = _imported(home, file, mapping, now)
    again, (rows, spoiled) = conditions.scratch / "again.parquet", _spoil(file, conditions)
    pq.write_table(rows, again)
    second = _imported(home, again, mapping, now)
    stored = Lake(home).query("SELECT count(*) AS n, count(DISTINCT hash(event_id)) AS ids FROM events").to_pylist()[0]
    asked = [
        Asked("events in the lake, less rows of the file", float(stored["n"] - made), 0, 0),
        Asked("events in the lake twice", float(stored["n"] - stored["ids"]), at_most=0),
        Asked("rows of the second import that were stored", float(second.report.stored), at_most=0),
        Asked(
            "quarantined rows, less spoiled rows",
            float(first.report.quarantined + second.report.quarantined - spoiled),
            0,
            0,
        ),
    ]
    if not conditions.quick:  # a small file shows the start, not the speed
        asked.insert(0, Asked("rows a second from Parquet into the lake", made / first.took, at_least=300_000))
    figures = {
        "users": size.users,
        "events": made,
        "file_mib": file.stat().st_size >> 20,
        "first_import": first.as_json(),
        "second_import": second.as_json(),
        "rows_per_second_only_read_and_written": round(floor),
        "over_only_read_and_written": made / first.took / floor,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    return Findings(figures, tuple(asked))


@dataclass(frozen=True, slots=True)
class _Import:
    """What an import reported, how long it took, and for how long a core worked on it, all of them together."""

    report: ImportReport
    took: float
    worked: float

    def as_json(self) -> dict[str, Any]:
        counts = {name: count for name, count in self.report.as_json().items() if isinstance(count, int)}
        speed = {"rows_per_second": round(self.report.read / self.took), "core_seconds": round(self.worked, 1)}
        return counts | {"seconds": round(self.took, 1)} | speed


def _imported(home: Home, file: Path, mapping: Path, now: datetime) -> _Import:
    began, worked = time.perf_counter(), time.process_time()
    report = run_import(home, ImportRequest(path=file, mapping=mapping), now=now)
    return _Import(report, time.perf_counter() - began, time.process_time() - worked)


def _spoil(file: Path, conditions: Conditions) -> tuple[pa.Table, int]:
    """The first rows of the file, some of them made unusable and as many of the others doubled; how many."""
    rows = pa.Table.from_batches(_batches(file, _AGAIN))
    number = rows.num_rows // _SPOILED
    chosen = np.zeros(rows.num_rows, dtype=bool)
    chosen[np.random.default_rng(conditions.seed).choice(rows.num_rows, number, replace=False)] = True
    doubled = rows.filter(pa.array(~chosen)).slice(0, number)
    way = pa.array(np.where(chosen, np.arange(rows.num_rows) % 3, -1))
    for place, (column, value) in enumerate((("time", None), ("type", "haggled"), ("quantity", -1.0))):
        field = rows.schema.field(column)
        spoiled = pc.if_else(pc.equal(way, place), pa.scalar(value, field.type), rows[column])
        rows = rows.set_column(rows.schema.get_field_index(column), field, spoiled)
    return pa.concat_tables([rows, doubled]), number


def _floor(file: Path, to: Path) -> float:
    """Rows a second when they are read and written once, compressed as in the lake, without being looked at."""
    began, rows = time.perf_counter(), 0
    with pq.ParquetWriter(to, pq.read_schema(file), compression="zstd", compression_level=1) as writer:
        for batch in _batches(file, _FLOOR):
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows / (time.perf_counter() - began)


def _batches(file: Path, most: int) -> Iterator[Any]:
    """The first rows of a file, at most so many."""
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(131_072):
            yield batch.slice(0, most)
            most -= batch.num_rows
            if most <= 0:
                break
