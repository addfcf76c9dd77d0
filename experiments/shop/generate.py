"""The whole shop at once, or written to Parquet a block of users at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import BadInput
from experiments.shop import tables
from experiments.shop.catalog import Catalog, build_catalog
from experiments.shop.people import BLOCK_USERS, People, blocks, build_people, build_personas
from experiments.shop.sessions import Rows, build_rows
from experiments.shop.size import ShopSize


@dataclass(frozen=True, slots=True)
class Shop:
    """A generated shop: `events`, `items` and `users` as the lake has them, and the planted truth.

    Events are in the order of time. `reasons` has one row a purchase, `tastes` one a user,
    `natures` one an item; their columns are in `experiments.shop.tables`.
    """

    events: pa.Table
    items: pa.Table
    users: pa.Table
    reasons: pa.Table
    tastes: pa.Table
    natures: pa.Table


def generate(size: ShopSize, *, seed: int = 0) -> Shop:
    """The shop with this size and seed: always the same tables with the same numpy.

    Raises BadInput for a negative seed.
    """
    _check(seed)
    catalog = build_catalog(size, seed)
    parts = list(rows_by_block(catalog, seed))
    users = [tables.user_table(people, size.start) for people, _ in parts]
    tastes = [tables.taste_table(people) for people, _ in parts]
    rows = Rows.joined([each for _, each in parts]) if parts else Rows.none()
    rows = rows.kept(np.argsort(rows.time, kind="stable"))
    return Shop(
        events=tables.event_table(rows, size.start),
        items=tables.item_table(catalog),
        users=pa.concat_tables([tables.USER_SCHEMA.empty_table(), *users]),
        reasons=tables.reason_table(rows, size.start),
        tastes=pa.concat_tables([tables.TASTE_SCHEMA.empty_table(), *tastes]),
        natures=tables.nature_table(catalog),
    )


def write_parquet(folder: Path, size: ShopSize, *, seed: int = 0, chunk_users: int = 8 * BLOCK_USERS) -> int:
    """Write the shop of `generate(size, seed=seed)` below `folder` and return its number of events.

    A table is a folder of files, `events/part-00000.parquet` and so on, one a chunk of at least
    `chunk_users` users (whole blocks of BLOCK_USERS); events are in the order of time within each
    block. Memory holds one block, whatever the size. Raises BadInput when `folder` has something
    in it; a write that fails leaves nothing there.
    """
    _check(seed)
    if chunk_users < 1:
        raise BadInput(f"chunk_users must be at least 1, not {chunk_users}", field="chunk_users")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} is not an empty folder; name a new one", field="folder")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        written = _write(partial, build_catalog(size, seed), seed, -(-chunk_users // BLOCK_USERS))
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return written


def _write(folder: Path, catalog: Catalog, seed: int, chunk_blocks: int) -> int:
    for name, table in (("items", tables.item_table(catalog)), ("natures", tables.nature_table(catalog))):
        with _writer(folder, name, 0, table.schema) as writer:
            writer.write_table(table)
    start, written = catalog.size.start, 0
    writers = _writers(folder, 0)
    try:
        for number, (people, rows) in enumerate(rows_by_block(catalog, seed)):
            if number and number % chunk_blocks == 0:
                _close(writers)
                writers = _writers(folder, number // chunk_blocks)
            in_time = rows.kept(np.argsort(rows.time, kind="stable"))
            writers["events"].write_table(tables.event_table(in_time, start))
            writers["reasons"].write_table(tables.reason_table(in_time, start))
            writers["users"].write_table(tables.user_table(people, start))
            writers["tastes"].write_table(tables.taste_table(people))
            written += len(rows.time)
    finally:
        _close(writers)
    return written


def _check(seed: int) -> None:
    if seed < 0:
        raise BadInput(f"a seed is 0 or a positive whole number, not {seed}", field="seed")


def rows_by_block(catalog: Catalog, seed: int) -> Iterator[tuple[People, Rows]]:
    """The shop's users and their events as numbers, a block of users at a time."""
    personas = build_personas(seed)
    for block, number in blocks(catalog.size):
        rng = np.random.default_rng([seed, 3, block])
        people = build_people(catalog, personas, block, number, rng)
        yield people, build_rows(catalog, people, rng)


def _writers(folder: Path, part: int) -> dict[str, pq.ParquetWriter]:
    schemas = {
        "events": tables.EVENT_SCHEMA,
        "reasons": tables.REASON_SCHEMA,
        "users": tables.USER_SCHEMA,
        "tastes": tables.TASTE_SCHEMA,
    }
    return {name: _writer(folder, name, part, schema) for name, schema in schemas.items()}


def _writer(folder: Path, name: str, part: int, schema: pa.Schema) -> pq.ParquetWriter:
    (folder / name).mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(folder / name / f"part-{part:05d}.parquet", schema)


def _close(writers: dict[str, pq.ParquetWriter]) -> None:
    for writer in writers.values():
        writer.close()
