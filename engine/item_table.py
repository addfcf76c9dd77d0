"""Item table: all that rules may ask of items, as columns; and what the shop said of some of them since.

A bundle has one table of all its items. What the shop says later is laid over it in small tables, so that one changed
item does not cost a pass over the catalogue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.catalog import NOT_TRACKED, Catalog
from engine.ids import TextTable
from engine.item_facts import ItemFacts, facts_of

Document = Mapping[str, Any]

#: Of changed items that rules know by what the shop says now. Of more than these the latest count, and for the others
#: what the bundle was made with; price, stock and whether an item is sold are always those of now.
MOST_CHANGED = 10_000
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class ItemTable:
    """`ages` float32 [n] are days from the first sale to `as_of` (epoch seconds), `NEVER` of what was never sold."""

    ids: TextTable
    catalog: Catalog
    facts: ItemFacts
    ages: NDArray[np.float32]
    as_of: int

    def __len__(self) -> int:
        return len(self.facts)


@dataclass(frozen=True, eq=False)
class Changes:
    """Items as the shop last spoke of them; `rows` of the bundle, and whether they are `available` now."""

    rows: NDArray[np.int32]
    documents: Sequence[Document]
    available: NDArray[np.bool_]
    ages: NDArray[np.float32]
    as_of: int

    @cached_property
    def table(self) -> ItemTable:
        """Made when the first rule asks, since most shops' storefronts ask none."""
        ids = TextTable.of(str(each["item_id"]) for each in self.documents)
        catalog = _catalog_of(self.documents, self.available)
        return ItemTable(ids, catalog, facts_of(self.documents), self.ages, self.as_of)


def laid_over(changes: tuple[Changes, ...], new: Changes) -> tuple[Changes, ...]:
    """With `new` behind; the last ones become one as soon as they are of a size, so that there are never many."""
    found = [*changes, new]
    while len(found) > 1 and len(found[-2].rows) <= 2 * len(found[-1].rows):
        later, earlier = found.pop(), found.pop()
        found.append(_joined(earlier, later))
    return tuple(found)


class Kept:
    """What was computed for rules, the latest used; bounded in bytes."""

    def __init__(self) -> None:
        self._found: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> Any:
        if key not in self._found:
            return None
        self._found.move_to_end(key)
        return self._found[key][0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        _, before = self._found.pop(key, (None, 0))
        self._found[key] = value, size
        self._bytes += size - before
        while self._bytes > _MOST_BYTES and len(self._found) > 1:
            _, (_, freed) = self._found.popitem(last=False)
            self._bytes -= freed


def _joined(earlier: Changes, later: Changes) -> Changes:
    told = np.isin(earlier.rows, later.rows, invert=True)
    first = max(0, int(told.sum()) + len(later.rows) - MOST_CHANGED)
    at = np.flatnonzero(told)[first:]
    return Changes(
        np.r_[earlier.rows[at], later.rows].astype(np.int32),
        [*(earlier.documents[row] for row in at), *later.documents],
        np.r_[earlier.available[at], later.available],
        np.r_[earlier.ages[at], later.ages],
        later.as_of,
    )


def _catalog_of(documents: Sequence[Document], available: NDArray[np.bool_]) -> Catalog:
    depth = max((len(each.get("categories") or ()) for each in documents), default=1) or 1
    categories: dict[str, int] = {}
    brands: dict[str, int] = {}
    levels = np.full((len(documents), depth), NOT_TRACKED, np.int32)
    for row, each in enumerate(documents):
        path = each.get("categories") or ()
        for level in range(depth if path else 0):
            levels[row, level] = categories.setdefault(" / ".join(path[: level + 1]), len(categories))
    brand = [brands.setdefault(each["brand"], len(brands)) if each.get("brand") else NOT_TRACKED for each in documents]
    return Catalog(
        names=TextTable.of(each.get("name") or "" for each in documents),
        levels=levels,
        category_names=TextTable.of(categories),
        brand=np.array(brand, np.int32),
        brand_names=TextTable.of(brands),
        family=np.full(len(documents), NOT_TRACKED, np.int32),
        price=np.array([each.get("price", NOT_TRACKED) for each in documents], np.int64),
        stock=np.array([each.get("stock", NOT_TRACKED) for each in documents], np.int64),
        available=available,
    )
