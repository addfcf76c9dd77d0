"""Newcomers: items that the shop put after the bundle was made, known by what they are until somebody buys them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.catalog import NOT_TRACKED, Catalog
from engine.ids import TextTable
from engine.item_table import Changes
from engine.learned import NEVER, ItemStatistics, Neighbours, Newcomers, Repurchase
from engine.overlay import on_sale

Document = Mapping[str, Any]


def with_newcomers(bundle: Bundle, documents: Sequence[Document], alike: Neighbours, now: float) -> Bundle:
    """The bundle with one more row for each document (wire form); `alike` are their neighbours in the catalogue.

    A newcomer's vector is the mean of its neighbours', each by its weight (as item-to-item cold starts are solved in
    Gantner et al. 2010, with similarity in place of a learned mapping). Its sales are those of an item never sold.
    `bundle` has no newcomers yet.
    """
    if not documents:
        return bundle
    first, n = len(bundle.items), len(documents)
    catalog = _extended(bundle.catalog, bundle, documents, now)
    statistics = _never_sold(bundle.statistics, n)
    rows = np.arange(first, first + n, dtype=np.int32)
    told = Changes(rows, documents, catalog.available[first:], statistics.age[first:], bundle.manifest.as_of)
    extended = replace(
        bundle,
        items=bundle.items.extended([str(each["item_id"]) for each in documents]),
        catalog=catalog,
        statistics=statistics,
        repurchase=_like_others(bundle.repurchase, alike, n),
        newcomers=Newcomers(first, alike, _vectors(bundle.factors.items, alike, n)),
        changes=(told, *bundle.changes),
    )
    return extended.keeping(bundle, "in_common", "item_lines")


def _vectors(items: NDArray[np.float32], alike: Neighbours, n: int) -> NDArray[np.float32]:
    vectors = np.zeros((n, items.shape[1]), np.float32)
    for row in range(n):
        rows, weights = alike.of(row)
        if len(rows):
            vectors[row] = weights @ items[rows] / weights.sum()
    return vectors


def _like_others(known: Repurchase, near: Neighbours, n: int) -> Repurchase:
    """A newcomer is bought again as those that it is like; one that is like nothing, as the mean of all."""

    def with_new(column: NDArray[np.float32]) -> NDArray[np.float32]:
        new = np.full(n, column.mean() if len(column) else 1.0, np.float32)
        for row in range(n):
            rows, weights = near.of(row)
            if len(rows):
                new[row] = weights @ column[rows] / weights.sum()
        return np.asarray(np.r_[column, new], np.float32)

    return Repurchase(with_new(known.interval), with_new(known.pace), known.strength)


def _never_sold(known: ItemStatistics, n: int) -> ItemStatistics:
    never = {"interval", "age", "idle"}
    return ItemStatistics(
        **{
            name: np.r_[getattr(known, name), np.full(n, NEVER if name in never else 0, np.float32)]
            for name in ItemStatistics.__dataclass_fields__
        }
    )


def _extended(catalog: Catalog, bundle: Bundle, documents: Sequence[Document], now: float) -> Catalog:
    categories, brands = _Names(catalog.category_names), _Names(catalog.brand_names)
    depth = catalog.levels.shape[1]
    levels = np.full((len(documents), depth), NOT_TRACKED, np.int32)
    for row, document in enumerate(documents):
        path = list(document.get("categories") or ())[:depth]
        for level in range(depth if path else 0):
            levels[row, level] = categories.code(" / ".join(path[: level + 1]))
    brand = [brands.code(each["brand"]) if each.get("brand") else NOT_TRACKED for each in documents]
    return Catalog(
        names=catalog.names.extended(each.get("name") or "" for each in documents),
        levels=np.concatenate([catalog.levels, levels]),
        category_names=catalog.category_names.extended(categories.fresh),
        brand=np.r_[catalog.brand, np.array(brand, np.int32)],
        brand_names=catalog.brand_names.extended(brands.fresh),
        family=np.r_[catalog.family, _families(catalog, bundle, documents)],
        price=np.r_[catalog.price, np.array([each.get("price", NOT_TRACKED) for each in documents], np.int64)],
        stock=np.r_[catalog.stock, np.array([each.get("stock", NOT_TRACKED) for each in documents], np.int64)],
        available=np.r_[catalog.available, np.array([on_sale(each, now) for each in documents], bool)],
    )


def _families(catalog: Catalog, bundle: Bundle, documents: Sequence[Document]) -> NDArray[np.int32]:
    """Variants of a product that the bundle knows join its family; those of a new one make a family."""
    fresh: dict[str, int] = {}
    next_code = int(catalog.family.max(initial=-1)) + 1
    codes = np.full(len(documents), NOT_TRACKED, np.int32)
    for row, document in enumerate(documents):
        if parent := document.get("parent_id"):
            known = bundle.items.row(parent)
            if known >= 0 and catalog.family[known] >= 0:
                codes[row] = catalog.family[known]
            else:
                codes[row] = fresh.setdefault(parent, next_code + len(fresh))
    for row, document in enumerate(documents):  # a parent that is new itself
        if codes[row] < 0:
            codes[row] = fresh.get(str(document["item_id"]), NOT_TRACKED)
    return codes


class _Names:
    """Codes of names: those of a table, and further ones for names that it lacks."""

    def __init__(self, table: TextTable) -> None:
        self._codes = {name: code for code, name in enumerate(table)}
        self._known = len(self._codes)

    def code(self, name: str) -> int:
        return self._codes.setdefault(name, len(self._codes))

    @property
    def fresh(self) -> list[str]:
        return list(self._codes)[self._known :]
