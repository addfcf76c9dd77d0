"""Item lines: what a request asks of an item, side by side in memory: one look-up fetches all of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.catalog import Catalog
from engine.learned import ItemStatistics

#: Sixteen numbers of four bytes are what a processor fetches at once.
WIDTH = 16
#: The places of a line: first the features of an item in their order. That of the price ratio stays empty, since it
#: depends on who asks; codes follow.
PRICE, RATIO, SHARE = 9, 10, 11
CATEGORY, SECTION, BRAND = 12, 13, 14
_AT_ONCE = 2**14  # lines made at a time: what is computed between stays small


class ItemLines(NamedTuple):
    """`numbers` float32 [n, WIDTH] and `codes` int32 are the same memory: a place holds the one or the other."""

    numbers: NDArray[np.float32]
    codes: NDArray[np.int32]


def lines_of(known: ItemStatistics, catalog: Catalog, category_recent: NDArray[np.float32], rows: range) -> ItemLines:
    """The lines of these items. `category_recent` [n_categories] are recent sales by most specific category."""
    numbers = np.zeros((len(rows), WIDTH), np.float32)
    codes = numbers.view(np.int32)
    for first in range(0, len(rows), _AT_ONCE):
        at = slice(rows.start + first, min(rows.start + first + _AT_ONCE, rows.stop))
        _fill(numbers[first : first + _AT_ONCE], codes[first : first + _AT_ONCE], known, catalog, category_recent, at)
    return ItemLines(numbers, codes)


def _fill(
    numbers: NDArray[np.float32],
    codes: NDArray[np.int32],
    known: ItemStatistics,
    catalog: Catalog,
    category_recent: NDArray[np.float32],
    at: slice,
) -> None:
    recent, lasting, category = known.recent[at], known.lasting[at], catalog.category[at]
    sold = np.where(category >= 0, category_recent[category], np.float32(0))
    told = (known.buyers, known.repeat_share, known.interval, known.age, known.idle, known.winning, known.price)
    trend = (recent / np.maximum(lasting, np.float32(0.1))).astype(np.float32)
    columns: list[NDArray[np.float32]] = [recent, lasting, trend, *(each[at] for each in told)]
    for place, column in enumerate(columns):
        numbers[:, place] = column
    numbers[:, SHARE] = recent / np.maximum(sold, np.float32(0.1))
    codes[:, CATEGORY], codes[:, SECTION], codes[:, BRAND] = category, catalog.section[at], catalog.brand[at]
