"""Overlay: what the shop says of its items now, and what sells now, laid over what a bundle was made with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.catalog import NOT_TRACKED
from engine.item_table import Changes, laid_over
from engine.learned import Leaders, Sales

#: What an item that sells as it always did may deviate by chance, in standard deviations.
BY_CHANCE = 1.0
# A live count halves every six hours, the bundle's `recent` every 14 days: an item that sells evenly has this much of
# the one for each of the other.
_LIVE_OF_RECENT = 0.25 / 14.0
#: Computed of a bundle, and the same for all laid over it.
_SAME = ("in_common", "category_recent", "category_sizes", "item_lines", "newcomer_lines")


def overlaid(bundle: Bundle, documents: Sequence[Mapping[str, Any]], now: float) -> Bundle:
    """The bundle with the price, stock and availability of these item documents (wire form, whole) at `now`.

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
        available[row] = on_sale(document, now)
    rows = np.array([row for row, _ in known], np.int32)
    ages, as_of = bundle.statistics.age[rows], bundle.manifest.as_of
    told = Changes(rows, [document for _, document in known], available[rows], ages, as_of)
    renewed = bundle.with_catalog(replace(catalog, price=price, stock=stock, available=available))
    return replace(renewed, changes=laid_over(bundle.changes, told)).keeping(renewed, *_SAME)


def on_sale(document: Mapping[str, Any], now: float) -> bool:
    """Whether the shop sells the item at `now`: there, not switched off, within its window."""
    if document.get("deleted") or not document.get("available", True):
        return False
    opens, closes = window_of(document)
    return opens <= now < closes


def window_of(document: Mapping[str, Any]) -> tuple[float, float]:
    """From when until when (epoch seconds) the item is sold; infinite where nothing is said."""
    opens, closes = document.get("available_from"), document.get("available_until")
    return (
        datetime.fromisoformat(opens).timestamp() if opens else -np.inf,
        datetime.fromisoformat(closes).timestamp() if closes else np.inf,
    )


def with_live_trends(bundle: Bundle, counts: Sequence[tuple[str, float]]) -> Bundle:
    """The bundle whose `trending` begins with what sells now clearly above its usual rate.

    `counts` are purchases and carts by item id, fading with a half-life of six hours. How far a count lies above the
    expected one is told in standard deviations of a Poisson count; what the bundle found trending follows.
    """
    rows = bundle.items.rows(name for name, _ in counts)
    known = rows >= 0
    rows = rows[known]
    live = np.array([count for _, count in counts], np.float64)[known]
    expected = bundle.statistics.recent[rows] * _LIVE_OF_RECENT
    above = (live - expected) / np.sqrt(expected + 1.0)
    order = np.argsort(-above, kind="stable")
    order = order[above[order] > BY_CHANCE]
    if not len(order):
        return bundle
    first, scores = rows[order], above[order]
    rest = ~np.isin(bundle.trending.items, first)
    later = bundle.trending.scores[rest]
    # Below the live ones, in their own order.
    scale = float(scores[-1]) / max(float(later.max(initial=0.0)), 1e-9) * 0.99
    return replace(
        bundle,
        trending=Leaders(
            np.r_[first, bundle.trending.items[rest]].astype(np.int32), np.r_[scores, later * scale].astype(np.float32)
        ),
    ).keeping(bundle, *_SAME, "sellable")


def with_sales(bundle: Bundle, sales: Sales) -> Bundle:
    """The bundle for one request that asks what sold within a window."""
    return replace(bundle, sales=sales).keeping(bundle, *_SAME, "sellable", "table")
