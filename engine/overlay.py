"""Overlay: what the shop says of its items now, laid over the catalogue that a bundle was made with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.bundle import Bundle
from engine.catalog import NOT_TRACKED


def overlaid(bundle: Bundle, documents: Sequence[Mapping[str, Any]]) -> Bundle:
    """The bundle with the price, stock and availability of these item documents (wire form, whole).

    A deleted item is not available. Items that the bundle does not know are left aside. The arrays of `bundle` are not
    touched: whoever answers from it goes on doing so.
    """
    known = [(row, each) for each in documents if (row := bundle.items.row(str(each["item_id"]))) >= 0]
    if not known:
        return bundle
    catalog = bundle.catalog
    price, stock, available = catalog.price.copy(), catalog.stock.copy(), catalog.available.copy()
    for row, document in known:
        price[row] = document.get("price", NOT_TRACKED)
        stock[row] = document.get("stock", NOT_TRACKED)
        available[row] = document.get("available", True) and not document.get("deleted", False)
    return bundle.with_catalog(replace(catalog, price=price, stock=stock, available=available))
