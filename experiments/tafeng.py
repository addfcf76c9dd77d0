"""Ta-Feng's customers and their baskets in order, in the form of Li et al.: A next basket recommendation reality check.

The last basket of each customer is the future one; a keyset says whose future teaches, whose is for choosing and whose
is for the test. There are no dates: all that is known of time is the order of each customer's baskets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from engine.errors import BadInput
from experiments.public_tables import read_columns, read_object
from training.evaluate import Truth

KEYSETS = 5
PARTS = ("train", "val", "test")
_FILE = "tafeng_baskets.parquet"


@dataclass(frozen=True, slots=True)
class Baskets:
    """Lines of baskets by customer row and item row.

    `user`, `item` int32 and `back` int64 are parallel: a line stands `back` baskets before the customer's last known
    one, which has 0. `future` are the distinct items of the basket after it.
    """

    n_users: int
    n_items: int
    user: np.ndarray
    item: np.ndarray
    back: np.ndarray
    future: Truth


@dataclass(frozen=True, slots=True)
class TaFeng:
    """The baskets, and for each keyset the customers' rows by part (train, val, test)."""

    baskets: Baskets
    keysets: tuple[Mapping[str, np.ndarray], ...]

    def of_users(self, most: int, *, seed: int) -> TaFeng:
        """`most` customers drawn at random, and what the keysets say of them; rows are counted anew."""
        all_of = self.baskets
        chosen = np.sort(np.random.default_rng(seed).permutation(all_of.n_users)[:most])
        row = np.full(all_of.n_users, -1, np.int32)
        row[chosen] = np.arange(len(chosen))
        kept, future = row[all_of.user] >= 0, all_of.future
        mine = np.repeat(row >= 0, future.sizes)
        baskets = Baskets(
            n_users=len(chosen),
            n_items=all_of.n_items,
            user=row[all_of.user[kept]],
            item=all_of.item[kept],
            back=all_of.back[kept],
            future=Truth(np.r_[0, np.cumsum(future.sizes[chosen])], future.items[mine]),
        )
        keysets = tuple({part: row[rows][row[rows] >= 0] for part, rows in each.items()} for each in self.keysets)
        return TaFeng(baskets, keysets)


def read_tafeng(folder: Path) -> TaFeng:
    """All files as they were published; BadInput names what is missing or does not fit together."""
    table = read_columns(folder, _FILE, ("user_id", "order_number", "product_id", "part"))
    users, items, orders = (
        table[name].to_numpy().astype(np.int64) for name in ("user_id", "product_id", "order_number")
    )
    is_future = pc.equal(table["part"].cast("string"), "future").to_numpy(zero_copy_only=False).astype(bool)
    ids, user = np.unique(users, return_inverse=True)
    n_items = int(items.max()) + 1
    if items.min() < 0:
        raise BadInput(f"{_FILE} has product numbers below 0", field="data")
    last = np.zeros(len(ids), np.int64)
    np.maximum.at(last, user[~is_future], orders[~is_future])
    known, coming = ~is_future, np.unique(user[is_future].astype(np.int64) * n_items + items[is_future])
    if (last == 0).any() or (orders[is_future] <= last[user[is_future]]).any():
        raise BadInput(f"{_FILE} has a user without history, or a future basket before it", field="data")
    baskets = Baskets(
        n_users=len(ids),
        n_items=n_items,
        user=user[known].astype(np.int32),
        item=items[known].astype(np.int32),
        back=(last[user] - orders)[known],
        future=Truth(
            np.searchsorted(coming, np.arange(len(ids) + 1) * n_items).astype(np.int64),
            (coming % n_items).astype(np.int32),
        ),
    )
    return TaFeng(baskets, tuple(_keyset(folder, number, ids) for number in range(KEYSETS)))


def _keyset(folder: Path, number: int, ids: np.ndarray) -> dict[str, np.ndarray]:
    file = f"tafeng_keyset_{number}.json"
    told = read_object(folder, file)
    rows = {}
    for part in PARTS:
        try:
            named = np.array([int(each) for each in told[part]], np.int64)
        except (KeyError, TypeError, ValueError) as problem:
            raise BadInput(f"{file} needs a list of user numbers called {part}", field="data") from problem
        at = np.minimum(np.searchsorted(ids, named), len(ids) - 1)
        if (ids[at] != named).any():
            raise BadInput(f"{part} of {file} names a user who is not in {_FILE}", field="data")
        rows[part] = np.unique(at)
    if len(np.unique(np.concatenate(list(rows.values())))) < sum(map(len, rows.values())):
        raise BadInput(f"{file} has a user in two parts", field="data")
    return rows
