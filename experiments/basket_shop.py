"""A shop made of baskets without dates, and what it knows when only some customers' next baskets are known.

Everybody's last known basket is a week old, each one before it a week older, and the next one comes now: so customers
stand side by side however many baskets they have. The lines go the way of any shop's file, through import and lake.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.storage.home import Home
from engine.storage.imports.run import ImportRequest, run_import
from engine.storage.lake import Lake
from experiments.tafeng import Baskets
from training.evaluate import Truth
from training.interactions import DAY
from training.shop_data import ShopData, read_shop

NOW = int(datetime(2001, 3, 1, tzinfo=UTC).timestamp())
#: When the next baskets are bought: late enough to be the newest of all, and before NOW.
NEXT = NOW - 3_600
_WEEK = 7 * DAY
_MAPPING = """
[events]
user = "user"
item = "item"
time = "time"
time_format = "epoch"
type = "purchase"
order = "order"
"""


def open_shop(baskets: Baskets, folder: Path) -> ShopData:
    """The shop with all next baskets in it; a user's row is that of the baskets, an item's follows its number."""
    future = np.repeat(np.arange(baskets.n_users), baskets.future.sizes)
    user = np.r_[baskets.user, future]
    item = np.r_[baskets.item, baskets.future.items]
    moments = np.r_[NOW - _WEEK * (baskets.back + 1), np.full(len(future), NEXT)]
    folder.mkdir(parents=True)
    table = pa.table(
        {
            # Of one width, so that ids in the order of text are in the order of numbers.
            "user": [f"{each:08d}" for each in user],
            "item": [f"{each:08d}" for each in item],
            "time": moments,
            "order": [f"{who}-{when}" for who, when in zip(user, moments, strict=True)],
        }
    )
    pq.write_table(table, folder / "baskets.parquet")
    (folder / "mapping.toml").write_text(_MAPPING)
    home = Home(folder / "home")
    request = ImportRequest(path=folder / "baskets.parquet", mapping=folder / "mapping.toml")
    run_import(home, request, now=datetime.now(UTC))
    return replace(read_shop(Lake(home)), until=NOW)


def knowing(shop: ShopData, users: np.ndarray) -> ShopData:
    """The same shop, in which the next baskets of these users alone are known."""
    known = (shop.log.time != NEXT) | np.isin(shop.log.user, users)
    return replace(shop, log=shop.log.where(known), list_amounts=shop.list_amounts[known])


def next_baskets(shop: ShopData, users: np.ndarray) -> Truth:
    """What these users buy next, by user row; for all others nothing."""
    coming = np.flatnonzero((shop.log.time == NEXT) & np.isin(shop.log.user, users))
    owner = shop.log.user[coming]
    order = np.lexsort((shop.log.item[coming], owner))
    ends = np.searchsorted(owner[order], np.arange(shop.log.n_users + 1))
    return Truth(ends.astype(np.int64), shop.log.item[coming][order])
