"""Gowalla: which places people checked in at, in LightGCN's split; and a validation part of its train part.

Nothing is known of when and how often, so every pair is one purchase of one piece at the same moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import BadInput
from experiments.public_tables import read_columns
from training.evaluate import Truth
from training.interactions import Log, interactions, purchase_counts
from training.models.contract import Interactions

_NOW = 0  # there are no times


@dataclass(frozen=True, slots=True)
class Split:
    """What was seen and what is to be found: int32 `users` and `items` of distinct pairs, sorted by user."""

    n_users: int
    n_items: int
    users: np.ndarray
    items: np.ndarray
    later_users: np.ndarray
    later_items: np.ndarray

    def seen(self) -> Interactions:
        """What models may learn from."""
        n = len(self.users)
        log = Log(
            n_users=self.n_users,
            n_items=self.n_items,
            user=self.users,
            item=self.items,
            type=np.zeros(n, np.uint8),
            time=np.full(n, _NOW, np.int64),
            quantity=np.ones(n, np.float32),
            order=np.full(n, -1, np.int64),
        )
        return Interactions(matrix=interactions(log, now=_NOW), bought=purchase_counts(log), log=log, now=_NOW)

    def truth(self) -> Truth:
        """The items to be found, user by user."""
        order = np.lexsort((self.later_items, self.later_users))
        return Truth(
            np.searchsorted(self.later_users[order], np.arange(self.n_users + 1)).astype(np.int64),
            self.later_items[order],
        )

    def of_users(self, most: int, *, seed: int) -> Split:
        """The same with `most` users drawn at random; all rows stay."""
        chosen = np.random.default_rng(seed).permutation(self.n_users)[:most]
        kept, later = np.isin(self.users, chosen), np.isin(self.later_users, chosen)
        return Split(
            self.n_users, self.n_items, self.users[kept], self.items[kept],
            self.later_users[later], self.later_items[later],
        )  # fmt: skip

    def validation(self, share: float, *, seed: int) -> Split:
        """A split of what was seen alone: of each user's items this share, at least one where there are two, is later.

        What is later here stays unknown; drawn at random, as the authors drew theirs.
        """
        order = np.lexsort((np.random.default_rng(seed).random(len(self.users)), self.users))
        owner = self.users[order]
        sizes = np.bincount(owner, minlength=self.n_users)
        place = np.arange(len(owner)) - np.searchsorted(owner, owner)
        held = np.where(sizes > 1, np.maximum(1, np.round(share * sizes)), 0)
        later = np.zeros(len(owner), bool)
        later[order[place < held[owner]]] = True
        return Split(
            self.n_users, self.n_items, self.users[~later], self.items[~later], self.users[later], self.items[later]
        )


def read_gowalla(folder: Path) -> Split:
    """LightGCN's split as it was published; BadInput when the file is not as described."""
    table = read_columns(folder, "gowalla.parquet", ("user", "item", "split"))
    users, items = (table[name].to_numpy().astype(np.int32) for name in ("user", "item"))
    parts = np.array(table["split"].to_pylist())
    if not {"train", "test"} == set(parts.tolist()):
        raise BadInput("column split of gowalla.parquet must hold train and test, and nothing else", field="data")
    if min(int(users.min()), int(items.min())) < 0:
        raise BadInput("gowalla.parquet has user or item numbers below 0", field="data")
    n_users, n_items = int(users.max()) + 1, int(items.max()) + 1
    train = np.flatnonzero(parts == "train")
    train = train[np.lexsort((items[train], users[train]))]
    test = parts == "test"
    return Split(n_users, n_items, users[train], items[train], users[test], items[test])
