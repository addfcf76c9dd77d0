"""A generated shop at scale for the benches of customers: a year of a million people, in the lake."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow.dataset as ds

from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_sql import open_sql, quoted
from engine.storage.lake_views import ParquetRows
from experiments.findings import Conditions
from experiments.shop import ShopSize, write_parquet

#: Days that are generated, and how far they are stretched: people of the generator visit every day or so, those of most
#: shops once in a fortnight.
_DAYS, _STRETCH = 25, 14
#: One event in so many comes later than the others, as what is new.
_LATER = {True: 20, False: 300}


@dataclass(frozen=True, slots=True)
class ScaledShop:
    """`events` Parquet file of all events; those whose hash is 0 modulo `later` are not in the lake yet."""

    home: Home
    events: Path
    later: int
    people: int
    rows: int
    last: datetime

    @property
    def what_is_new(self) -> ParquetRows:
        return ParquetRows(self.events, f"hash(event_id) % {self.later} = 0")


def scaled_shop(conditions: Conditions) -> ScaledShop:
    """A million people and about thirty million events of 350 days; with `quick`, 5,000 people."""
    people = 5_000 if conditions.quick else 1_000_000
    folder, home = conditions.scratch / "generated", Home(conditions.scratch / "home")
    write_parquet(folder, ShopSize(users=people, items=20_000, days=_DAYS), seed=conditions.seed)
    events = conditions.scratch / "events.parquet"
    with open_sql(conditions.scratch / "spill", threads=2, memory="3GB") as sql:
        sql.execute("SET preserve_insertion_order = false")
        first = "TIMESTAMPTZ '2025-01-01 00:00:00+00'"
        sql.execute(
            f"COPY (SELECT * REPLACE ({first} + (time - {first}) * {_STRETCH} AS time)"
            f" FROM read_parquet({quoted(folder / 'events' / '*.parquet')})"
            f" WHERE time < {first} + INTERVAL {_DAYS} DAY) TO {quoted(events)} (FORMAT parquet, COMPRESSION zstd)"
        )
    lake, later = Lake(home), _LATER[conditions.quick]
    lake.put_items(ds.dataset(folder / "items").to_table())
    lake.put_users(ds.dataset(folder / "users").to_table())
    shutil.rmtree(folder)
    stored = lake.append_events(ParquetRows(events, f"hash(event_id) % {later} <> 0")).stored
    last = lake.query("SELECT max(time) AS t FROM events")["t"][0].as_py()
    return ScaledShop(home, events, later, people, stored, last)
