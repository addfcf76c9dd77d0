"""Filters: who may not be shown. A filter removes, it never reorders."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.compiled import ROWS, compiled
from engine.recommend.query import Query

Rows = NDArray[np.int32]
Kept = NDArray[np.bool_]
_WHOLE_SHOP = 1 / 3


def unsellable(query: Query, bundle: Bundle, rows: Rows) -> Kept:
    """Drops what is not on sale or out of stock."""
    return bundle.sellable[rows]


def excluded(query: Query, bundle: Bundle, rows: Rows) -> Kept:
    """Drops what the caller does not want to see."""
    return ~_among(rows, query.exclude)


def context(query: Query, bundle: Bundle, rows: Rows) -> Kept:
    """Drops the items in view, and the other variants of them."""
    if not len(query.items):
        return np.ones(len(rows), bool)
    families = bundle.catalog.family[query.items]
    return ~_among(rows, query.items) & ~_among(bundle.catalog.family[rows], families[families >= 0])


def substitutes(query: Query, bundle: Bundle, rows: Rows) -> Kept:
    """Drops what stands on the same shelf as an item in view: another milk goes instead of it, not with it.

    A shelf that holds more than a third of all items tells nothing of that.
    """
    shelves = np.unique(bundle.catalog.category[query.items])
    shelves = shelves[shelves >= 0]
    telling = bundle.category_sizes[shelves] <= _WHOLE_SHOP * len(bundle.items)
    return ~_among(bundle.catalog.category[rows], shelves[telling])


def purchased(query: Query, bundle: Bundle, rows: Rows) -> Kept:
    """Drops what the user ever bought."""
    return ~_among(rows, query.profile.items[query.profile.purchases])


def dismissed(query: Query, bundle: Bundle, rows: Rows) -> Kept:
    """Drops what the user said to be of no interest."""
    return ~_among(rows, query.profile.dismissed)


def _among(values: Rows, some: Rows) -> Kept:
    """[len(values)] which are among `some`; quicker than numpy's own for as few as a request has."""
    return np.zeros(len(values), bool) if not len(some) else among(values, some)


@compiled(ROWS, ROWS)
def among(values: Rows, some: Rows) -> Kept:
    known, found = np.sort(some), np.empty(len(values), np.bool_)
    for at, value in enumerate(values):
        place = np.searchsorted(known, value)
        found[at] = place < len(known) and known[place] == value
    return found


FILTERS: dict[str, Callable[[Query, Bundle, Rows], Kept]] = {
    "unsellable": unsellable,
    "excluded": excluded,
    "context": context,
    "purchased": purchased,
    "substitutes": substitutes,
    "dismissed": dismissed,
}
