"""Filters: who may not be shown. A filter removes, it never reorders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.recommend.marked import among
from engine.recommend.pooled import NO_DROPS, Drops
from engine.recommend.query import Query

Rows = NDArray[np.int32]
Kept = NDArray[np.bool_]
_WHOLE_SHOP = 1 / 3
_OF_VIEW = ("context", "substitutes")  # these drop nothing where no item is in view


def unsellable(query: Query, bundle: Bundle, rows: Rows) -> Kept:
    """Drops what is not on sale or out of stock."""
    return bundle.sellable[rows]


def excluded(query: Query, bundle: Bundle, rows: Rows) -> Kept:
    """Drops what the caller does not want to see."""
    return ~_among(rows, _NAMED["excluded"](query))


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
    return ~_among(rows, _NAMED["purchased"](query))


def dismissed(query: Query, bundle: Bundle, rows: Rows) -> Kept:
    """Drops what the user said to be of no interest."""
    return ~_among(rows, _NAMED["dismissed"](query))


def drops(names: Sequence[str], query: Query, bundle: Bundle) -> Drops:
    """What all these filters drop, told so that one pass over what is proposed does it where they only name items."""
    named = [dropped for name in names if name in _NAMED and len(dropped := _NAMED[name](query))]
    further = [name for name in names if name != "unsellable" and name not in _NAMED]
    further = [name for name in further if len(query.items) or name not in _OF_VIEW]
    return Drops(
        named[0] if len(named) == 1 else np.concatenate(named) if named else NO_DROPS.named,
        bundle.sellable if "unsellable" in names else NO_DROPS.sold,
        (lambda rows: np.all([FILTERS[name](query, bundle, rows) for name in further], axis=0)) if further else None,
    )


#: What some filters drop, whatever is proposed.
_NAMED: dict[str, Callable[[Query], Rows]] = {
    "excluded": lambda query: query.exclude,
    "purchased": lambda query: query.profile.items[query.profile.purchases],
    "dismissed": lambda query: query.profile.dismissed,
}


def _among(values: Rows, some: Rows) -> Kept:
    """[len(values)] which are among `some`; quicker than numpy's own for as few as a request has."""
    return np.zeros(len(values), bool) if not len(some) else among(values, some)


FILTERS: dict[str, Callable[[Query, Bundle, Rows], Kept]] = {
    "unsellable": unsellable,
    "excluded": excluded,
    "context": context,
    "purchased": purchased,
    "substitutes": substitutes,
    "dismissed": dismissed,
}
