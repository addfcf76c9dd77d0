"""Catalog: what the shop sells, as columns by item row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.ids import TextTable

NOT_TRACKED = -1  # stock of an item whose stock nobody counts; code of a category or brand that is not known


@dataclass(frozen=True, slots=True)
class Catalog:
    """One row an item. Codes point into their name tables; -1 is "not known".

    `levels` [n, depth] are the item's categories from general to specific; an item with a shorter
    path repeats its last one, so that the last column is always the most specific. Items of one `family` are variants
    of one product, of which a list shows one; -1 stands alone.
    """

    names: TextTable
    levels: NDArray[np.int32]
    category_names: TextTable
    brand: NDArray[np.int32]
    brand_names: TextTable
    family: NDArray[np.int32]
    price: NDArray[np.int64]  # minor units, -1 unknown
    stock: NDArray[np.int64]  # pieces, -1 not tracked
    available: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.brand)

    @property
    def category(self) -> NDArray[np.int32]:
        """[n] the most specific category of each item."""
        return self.levels[:, -1]

    @property
    def section(self) -> NDArray[np.int32]:
        """[n] the most general one."""
        return self.levels[:, 0]

    def sellable(self) -> NDArray[np.bool_]:
        """[n] on sale and not out of stock."""
        return np.asarray(self.available & (self.stock != 0))

    def fields(self, row: int) -> dict[str, Any]:
        """What a storefront may ask to see of an item, in wire form."""
        path = [int(code) for code in self.levels[row] if code != NOT_TRACKED]
        return {
            "name": self.names[row] or None,
            "brand": self.brand_names[int(self.brand[row])] if self.brand[row] >= 0 else None,
            "categories": [self.category_names[code] for code in dict.fromkeys(path)],
            "price": int(self.price[row]) if self.price[row] >= 0 else None,
        }
