"""A generated shop of a million as arrays: without a lake, which would cost more time than what is to be measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.events import TYPE_CODES
from engine.learned import Factors
from experiments.shop import ShopSize
from experiments.shop.catalog import Catalog, build_catalog
from experiments.shop.generate import rows_by_block
from experiments.shop.sessions import KINDS, Rows
from training.interactions import DAY, Log, interactions, purchase_counts
from training.models import MODELS
from training.models.contract import Interactions

_CODES = np.array([TYPE_CODES[kind] for kind in KINDS], np.uint8)


@dataclass(frozen=True, slots=True)
class LargeShop:
    """`seen` is what models learn from: everything up to the end of the shop's last day."""

    catalog: Catalog
    seen: Interactions


def large_shop(size: ShopSize, seed: int) -> LargeShop:
    """The shop that `generate` makes with this size and seed, by row numbers: user n is row n, item n is row n."""
    catalog = build_catalog(size, seed)
    start = int(np.datetime64(size.start, "s").astype(np.int64))
    parts = [_told(rows, start) for _, rows in rows_by_block(catalog, seed)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    parts.clear()
    log = Log(n_users=size.users, n_items=size.items, **columns)
    now = start + size.days * DAY
    return LargeShop(
        catalog, Interactions(matrix=interactions(log, now=now), bought=purchase_counts(log), log=log, now=now)
    )


def factors_of(shop: LargeShop, *, seed: int, threads: int) -> Factors:
    """The shop's tastes, by the model that is served by default."""
    found = MODELS["als"].fit(shop.seen, seed=seed, threads=threads)
    assert isinstance(found, Factors)
    return found


def _told(rows: Rows, start: int) -> dict[str, np.ndarray]:
    """Of a block, what known users did with items, in the columns of a log."""
    rows = rows.kept(~rows.anonymous & (rows.item >= 0))
    bought = rows.kind == KINDS.index("purchase")
    return {
        "user": rows.user.astype(np.int32),
        "item": rows.item.astype(np.int32),
        "type": _CODES[rows.kind],
        "time": rows.time // 1_000_000 + start,
        "quantity": rows.quantity.astype(np.float32),
        "order": np.where(bought, rows.user * 1_000_000 + rows.session, -1),
    }
