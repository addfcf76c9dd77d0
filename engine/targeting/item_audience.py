"""Who would want this item: all users, ordered by what several sources say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.events import TYPE_CODES
from engine.learned import Neighbours

_DAY = 86_400.0
#: Rank fusion (Cormack, Clarke and Buettcher 2009): a source's r-th user gets its weight / (60 + r).
_RANK_OFFSET = 60
#: Chosen on The Complete Journey's November, the month before the one that `hawker bench customers` judges.
_WEIGHTS = {"own": 2.0, "neighbours": 1.0, "factors": 1.0, "category": 0.5}
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ItemAudience:
    """Users of the bundle who would want an item, the likeliest first.

    `rows` int64 [n] are the bundle's user rows and `scores` [n] their fused ranks, 1 where every source puts the user
    first; `ranks` int64 [n, len(sources)] are the places that each of `sources` gives, from 1; 0: it says nothing.
    """

    rows: NDArray[np.int64]
    scores: Scores
    sources: tuple[str, ...]
    ranks: NDArray[np.int64]


def item_audience(
    bundle: Bundle, item: int, *, now: float, propensity: Scores | None = None, most: int = 1000, new_only: bool = False
) -> ItemAudience:
    """The `most` users who would want the item in row `item`, as of `now` (epoch seconds).

    `propensity` [users] is what a prediction says of the item's category, NaN where it says nothing. `new_only` leaves
    out who bought the item already. Scores of sources have scales of their own, so ranks are fused, never scores.
    """
    told = {name: source(bundle, item, now) for name, source in SOURCES.items()}
    if propensity is not None:
        told["category"] = np.where(np.isnan(propensity), 0.0, propensity)
    ranks = np.stack([_ranks(scores) for scores in told.values()], axis=1)
    weights = np.array([_WEIGHTS[name] for name in told])
    fused = np.where(ranks > 0, 1.0 / (_RANK_OFFSET + ranks), 0.0) @ weights * (_RANK_OFFSET + 1) / weights.sum()
    if new_only:
        fused[_owners(bundle)[(bundle.history.items == item) & _bought(bundle)]] = 0.0
    best = np.argsort(-fused, kind="stable")[:most]
    best = best[fused[best] > 0]
    return ItemAudience(best, fused[best], tuple(told), ranks[best])


def _own(bundle: Bundle, item: int, now: float) -> Scores:
    """Who bought this very item: the oftener and the later, the more, half after 60 days."""
    mine = (bundle.history.items == item) & _bought(bundle)
    faded = np.exp2(-(now - bundle.history.times[mine]) / (60 * _DAY))
    return np.bincount(_owners(bundle)[mine], faded, len(bundle.users)).astype(np.float64)


def _neighbours(bundle: Bundle, item: int, now: float) -> Scores:
    """Who buys and looks at what the item's buyers do, by sign and age."""
    callers, strengths = _callers(bundle.neighbours, item)
    if not len(callers):
        return np.zeros(len(bundle.users))
    strength = np.zeros(len(bundle.items), np.float32)  # asked for each line of the whole history
    strength[callers] = strengths
    history = bundle.history
    telling = np.flatnonzero(strength[history.items] > 0)
    kinds, times = history.types[telling], history.times[telling]
    weights = bundle.type_weights[kinds] * np.exp2(-(now - times) / _DAY / bundle.half_lives[kinds])
    scores = weights * strength[history.items[telling]]
    return np.maximum(np.bincount(_owners(bundle)[telling], scores, len(bundle.users)), 0.0)


def _factors(bundle: Bundle, item: int, now: float) -> Scores:
    """Whose learned taste points where the item lies."""
    vector = bundle.item_vectors(np.array([item], np.int32))[0]
    return np.asarray(np.maximum((bundle.factors.users @ vector).astype(np.float64), 0.0))


#: What is asked of each user without any prediction; a score of 0 says nothing.
SOURCES: Mapping[str, Callable[[Bundle, int, float], Scores]] = {
    "own": _own,
    "neighbours": _neighbours,
    "factors": _factors,
}


def _ranks(scores: Scores) -> NDArray[np.int64]:
    """Places from 1, the highest score first, equal scores at the same place; 0 for users of whom nothing is said."""
    found = np.zeros(len(scores), np.int64)
    told = np.flatnonzero(scores > 0)
    levels, level = np.unique(-scores[told], return_inverse=True)
    before = np.cumsum(np.r_[0, np.bincount(level, minlength=len(levels))[:-1]]) if len(told) else level
    found[told] = before[level] + 1
    return found


def _callers(neighbours: Neighbours, item: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The items that have this one among their neighbours, and how strongly."""
    places = np.flatnonzero(neighbours.items == item)
    return np.searchsorted(neighbours.indptr, places, side="right") - 1, neighbours.weights[places]


def _owners(bundle: Bundle) -> NDArray[np.int32]:
    """The user row of each line of the history."""
    return np.repeat(np.arange(len(bundle.users), dtype=np.int32), np.diff(bundle.history.indptr))


def _bought(bundle: Bundle) -> NDArray[np.bool_]:
    return np.asarray(bundle.history.types == TYPE_CODES["purchase"])
