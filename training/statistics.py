"""How each item sold until a moment, and the lists for everybody that follow from it."""

from __future__ import annotations

import numpy as np

from engine.catalog import Catalog
from engine.learned import NEVER, ItemStatistics, Leaders, Neighbours
from training.interactions import DAY, Log

_RECENT, _LASTING = 14.0, 90.0  # half-lives in days
_PRIOR_SALES = 5.0  # keeps an item with two sales from the top of the trends


def item_statistics(purchases: Log, list_amounts: np.ndarray, now: int) -> ItemStatistics:
    """From the purchase lines before `now`; `list_amounts` [len(purchases)] minor units, NaN unknown."""
    n = purchases.n_items
    age = (now - purchases.time) / DAY
    item = purchases.item
    known = np.isfinite(list_amounts) & (purchases.quantity > 0)
    pieces = np.bincount(item[known], purchases.quantity[known], n)
    buyers, repeaters, interval = _repeats(purchases, age)
    first, last = np.full(n, float(NEVER)), np.full(n, float(NEVER))
    # The log runs forward in time: written in reverse, the first sale of each item stays.
    first[item[::-1]] = age[::-1]
    last[item] = age
    columns = {
        "recent": recent_sales(purchases, now),
        "lasting": np.bincount(item, np.exp2(-age / _LASTING), n),
        "buyers": buyers,
        "repeat_share": repeaters / np.maximum(buyers, 1),
        "interval": interval,
        "age": first,
        "idle": last,
        "price": np.bincount(item[known], list_amounts[known], n) / np.maximum(pieces, 1e-9),
        "winning": _winning(purchases, age, buyers),
    }
    return ItemStatistics(**{name: values.astype(np.float32) for name, values in columns.items()})


def recent_sales(purchases: Log, now: int) -> np.ndarray:
    """What `recent` of the statistics holds: purchase lines of each item before `now`, fading."""
    age = (now - purchases.time) / DAY
    return np.bincount(purchases.item, np.exp2(-age / _RECENT), purchases.n_items).astype(np.float32)


def leaders(scores: np.ndarray, most: int) -> Leaders:
    """The `most` best items with a score above 0."""
    rows = np.argsort(-scores, kind="stable")[:most]
    rows = rows[scores[rows] > 0]
    return Leaders(rows.astype(np.int32), scores[rows].astype(np.float32))


def growth(statistics: ItemStatistics) -> np.ndarray:
    """Recent against lasting sales, of items that sell at all."""
    return statistics.recent / (statistics.lasting + _PRIOR_SALES)


def best_of_category(catalog: Catalog, statistics: ItemStatistics, most: int) -> Neighbours:
    """For each category code the items that sell best in it, weighted by their share of its recent sales."""
    codes, recent = catalog.category, statistics.recent
    rows = np.flatnonzero((codes >= 0) & (recent > 0))
    rows = rows[np.lexsort((-recent[rows], codes[rows]))]
    n = len(catalog.category_names)
    starts = np.searchsorted(codes[rows], np.arange(n + 1))
    rank = np.arange(len(rows)) - starts[codes[rows]]
    total = np.bincount(codes[rows], recent[rows], max(n, 1))
    rows = rows[rank < most]
    return Neighbours(
        indptr=np.searchsorted(codes[rows], np.arange(n + 1)).astype(np.int32),
        items=rows.astype(np.int32),
        weights=(recent[rows] / np.maximum(total[codes[rows]], 1e-9)).astype(np.float32),
    )


def _repeats(purchases: Log, age: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By item: distinct buyers, those who bought twice or more, mean days between two purchases of one user."""
    n = purchases.n_items
    pair = purchases.user.astype(np.int64) * n + purchases.item
    order = np.argsort(pair, kind="stable")
    starts = np.flatnonzero(np.r_[True, pair[order][1:] != pair[order][:-1]]) if len(order) else order
    ends = np.r_[starts[1:], len(order)] - 1 if len(order) else order
    item, lines = pair[order][starts] % n, ends - starts + 1
    span = age[order][starts] - age[order][ends]
    again = lines > 1
    repeaters = np.bincount(item[again], minlength=n)
    gaps = np.bincount(item[again], (lines - 1)[again], n)
    interval = np.where(repeaters > 0, np.bincount(item[again], span[again], n) / np.maximum(gaps, 1), float(NEVER))
    return np.bincount(item, minlength=n), repeaters, interval


def _winning(purchases: Log, age: np.ndarray, buyers: np.ndarray) -> np.ndarray:
    """First purchases, fading with 30 days, per thousand users who still lack the item."""
    pair = purchases.user.astype(np.int64) * purchases.n_items + purchases.item
    first = np.unique(pair, return_index=True)[1]
    fresh = np.bincount(purchases.item[first], np.exp2(-age[first] / 30.0), purchases.n_items)
    return 1000.0 * fresh / (purchases.n_users - buyers + 100.0)
