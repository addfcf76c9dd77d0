"""Filters: who may not be shown. A filter removes, it never reorders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.compiled import FLAGS, ROWS, compiled, inner
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


def passing(names: Sequence[str], query: Query, bundle: Bundle, rows: Rows) -> Kept:
    """[len(rows)] what all these filters let pass, in one pass over the rows where they only name items."""
    named = [dropped for name in names if name in _NAMED and len(dropped := _NAMED[name](query))]
    sold = bundle.sellable[rows] if "unsellable" in names else np.ones(len(rows), bool)
    keep = _without(rows, sold, np.concatenate(named)) if named else sold
    for name in names:
        if name != "unsellable" and name not in _NAMED and (len(query.items) or name not in _OF_VIEW):
            keep &= FILTERS[name](query, bundle, rows)
    return keep


#: What some filters drop, whatever is proposed.
_NAMED: dict[str, Callable[[Query], Rows]] = {
    "excluded": lambda query: query.exclude,
    "purchased": lambda query: query.profile.items[query.profile.purchases],
    "dismissed": lambda query: query.profile.dismissed,
}


def _among(values: Rows, some: Rows) -> Kept:
    """[len(values)] which are among `some`; quicker than numpy's own for as few as a request has."""
    return np.zeros(len(values), bool) if not len(some) else among(values, some)


@inner
def _is_one_of(some: Rows, value: np.int32) -> bool:
    for each in some:  # noqa: SIM110 - any() of a generator is not compiled
        if each == value:
            return True
    return False


@inner
def _marks(some: Rows) -> Kept:
    """By their last bits, in a room wide enough that most other rows are told apart by these alone."""
    size = 512
    while size < 16 * len(some):
        size *= 2
    marked = np.zeros(size, np.bool_)
    for each in some:
        marked[each & (size - 1)] = True
    return marked


@compiled(ROWS, ROWS)
def among(values: Rows, some: Rows) -> Kept:
    marked, found = _marks(some), np.empty(len(values), np.bool_)
    for at, value in enumerate(values):
        found[at] = marked[value & (len(marked) - 1)] and _is_one_of(some, value)
    return found


@compiled(ROWS, FLAGS, ROWS)
def _without(values: Rows, keep: Kept, some: Rows) -> Kept:
    marked, found = _marks(some), np.empty(len(values), np.bool_)
    for at, value in enumerate(values):
        found[at] = keep[at] and not (marked[value & (len(marked) - 1)] and _is_one_of(some, value))
    return found


FILTERS: dict[str, Callable[[Query, Bundle, Rows], Kept]] = {
    "unsellable": unsellable,
    "excluded": excluded,
    "context": context,
    "purchased": purchased,
    "substitutes": substitutes,
    "dismissed": dismissed,
}
