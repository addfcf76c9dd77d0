"""Small data sets in the shape of the public ones, made here: nothing of theirs is copied into the project."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def write_gowalla(folder: Path, *, users: int = 240, items: int = 160, groups: int = 4, seed: int = 3) -> Path:
    """People of a group know the places of their group, some better than others; a fifth of each one's is test."""
    random = np.random.default_rng(seed)
    rows: list[tuple[int, int, str]] = []
    width = items // groups
    for user in range(users):
        known = np.minimum(random.geometric(0.06, 60) - 1, width - 1) * groups + user % groups
        strange = random.integers(0, items, 3)
        chosen = random.permutation(np.unique(np.r_[known, strange]))[:20]
        test = max(1, len(chosen) // 5)
        rows += [(user, int(item), "test" if place < test else "train") for place, item in enumerate(chosen)]
    (folder / "gowalla").mkdir(parents=True)
    columns = dict(zip(("user", "item", "split"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table(columns), folder / "gowalla" / "gowalla.parquet")
    return folder


def write_tafeng(folder: Path, *, users: int = 400, items: int = 120, groups: int = 4, seed: int = 3) -> Path:
    """Customers buy a few favourites again and again and things of their group; lately everybody buys item 0."""
    random = np.random.default_rng(seed)
    rows: list[tuple[int, int, int, str]] = []
    for user in range(1, users + 1):
        group = np.arange(user % groups, items, groups)
        favourites = random.choice(group, 3, replace=False)
        baskets = int(random.integers(2, 6))
        for order in range(1, baskets + 2):
            bought = np.r_[favourites[random.random(3) < 0.6], random.choice(group, 2), random.integers(0, items)]
            part = "future" if order > baskets else "history"
            bought = np.r_[bought, 0] if part == "future" and random.random() < 0.7 else bought
            rows += [(user, order, int(item), part) for item in np.unique(bought)]
    home = folder / "tafeng_nextbasket"
    home.mkdir(parents=True)
    names = ("user_id", "order_number", "product_id", "part")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table(columns), home / "tafeng_baskets.parquet")
    for number in range(5):
        order = np.random.default_rng(number % 2).permutation(np.arange(1, users + 1))
        parts = dict(zip(("test", "val", "train"), np.split(order, [users // 5, users // 3]), strict=True))
        told = {part: [str(each) for each in chosen] for part, chosen in parts.items()}
        (home / f"tafeng_keyset_{number}.json").write_text(json.dumps({"item_num": items, **told}))
    return folder
