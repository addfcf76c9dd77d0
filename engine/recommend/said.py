"""Said: what a profile says to the sources that listen to nothing else, in one pass over its events.

Each of them alone stands in `engine/recommend/sources.py`, and gives the same. Together they are asked once what the
events weigh, and for one call of machine code instead of a dozen.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.compiled import (
    BYTES,
    FLOATS,
    FLOATS_WRITTEN,
    LINES,
    PLACES,
    PLACES_WRITTEN,
    REAL,
    ROWS,
    ROWS_APART,
    ROWS_WRITTEN,
    SQUARE,
    WHOLE,
    compiled,
    inner,
)
from engine.fold_in import CLOSE, solved
from engine.profile import PURCHASE, Profile
from engine.summed import calls_of, calls_of_groups, foremost, interests_of, ordered, unkeyed

Rows = NDArray[np.int32]
Floats = NDArray[np.float32]
Keys = NDArray[np.int64]

#: Those that are asked together, in the order in which they answer.
LISTENING = ("own", "browsed", "neighbours", "category")
_OWN, _BROWSED, _NEIGHBOURS, _CATEGORY, _VECTOR = 1, 2, 4, 8, 16  # what is wanted, as bits of one number
#: After how many days half is left of what was bought, and of what was looked at.
OWN_DAYS, BROWSED_DAYS = 60.0, 7.0
#: How many of the last items a user touched may call their neighbours, and how many neighbours each calls.
ANCHORS, NEIGHBOURS_EACH = 60, 40
#: Of how many categories the best sellers are proposed, and how many of each.
CATEGORIES, BEST_EACH = 20, 20


class Said(NamedTuple):
    """`rows` and `scores` of one source of `LISTENING` behind the other, in no order, from its start to the next one's.

    `starts` [len(LISTENING) + 1 + those asked for] has room for others behind.
    """

    rows: Rows
    scores: Floats
    starts: Keys


def said(names: Collection[str], most: int, profile: Profile, bundle: Bundle, now: float, *, others: int = 0) -> Said:
    """What the named sources of `LISTENING` propose, at most `most` each.

    For `factors` the user's vector is made on the way. `others` is the room for starts behind. IndexError for a profile
    or a list that names what there is not.
    """
    wanted = _wanted(tuple(names)) & ~(_VECTOR if profile.is_stored else 0)
    if not wanted or not len(profile):
        return nothing_said(others)
    size = len(LISTENING) * min(most, max(len(profile), ANCHORS * NEIGHBOURS_EACH))
    rows, scores = np.empty(size, np.int32), np.empty(size, np.float32)
    starts = np.zeros(len(LISTENING) + 1 + others, np.int64)
    known, near, best = bundle.factors.items, bundle.neighbours, bundle.best_of_category
    vector = np.empty(known.shape[1], np.float32)
    has_interests = _said(
        profile.items,
        profile.types,
        profile.times,
        now,
        bundle.type_weights,
        bundle.half_lives,
        wanted,
        near.indptr,
        near.items,
        near.weights,
        best.indptr,
        best.items,
        best.weights,
        bundle.catalog.category,
        known,
        known[:0] if bundle.newcomers is None else bundle.newcomers.vectors,
        bundle.in_common,
        bundle.fold_in,
        most,
        rows,
        scores,
        starts,
        vector,
    )
    if wanted & _VECTOR:
        bundle.with_vector(profile, now, vector if has_interests else None)
    end = starts[len(LISTENING)]
    return Said(rows[:end], scores[:end], starts)


def nothing_said(others: int) -> Said:
    """None of them was asked."""
    return Said(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(len(LISTENING) + 1 + others, np.int64))


@lru_cache
def _wanted(names: tuple[str, ...]) -> int:
    told = zip((*LISTENING, "factors"), (_OWN, _BROWSED, _NEIGHBOURS, _CATEGORY, _VECTOR), strict=True)
    return sum(bit for name, bit in told if name in names)


@inner
def _fading(
    items: Rows, types: NDArray[np.uint8], times: Keys, now: float, weights: Floats, days: float, most: int
) -> Keys:
    return foremost(interests_of(items, types, times, weights, np.full(len(weights), np.float32(days)), now), most)


@inner
def _bought_and_looked(type_weights: Floats) -> tuple[Floats, Floats]:
    """What each type weighs for what was bought, and for what was looked at or kept."""
    is_purchase = np.arange(len(type_weights)) == PURCHASE
    return is_purchase.astype(np.float32), np.where(is_purchase, np.float32(0), type_weights)


@inner
def _put(keys: Keys, rows: Rows, scores: Floats, starts: Keys, source: int) -> None:
    """Write what a source proposes behind those before."""
    begin, (found, told) = starts[source], unkeyed(keys)
    end = begin + len(keys)
    rows[begin:end], scores[begin:end], starts[source + 1] = found, told, end


@inner
def _vectors_of(rows: Rows, vectors: Floats, new_vectors: Floats) -> Floats:
    own = np.empty((len(rows), vectors.shape[1]), np.float32)
    for at, row in enumerate(rows):
        own[at] = vectors[row] if row < len(vectors) else new_vectors[row - len(vectors)]
    return own


@inner
def _check(rows: Rows, n: int) -> None:
    for row in rows:
        if not 0 <= row < n:
            raise IndexError("a profile names an item that the bundle does not have")


_PROFILE = ROWS, BYTES, PLACES, REAL
_LISTS = ROWS, ROWS, FLOATS
_OUT = ROWS_WRITTEN, FLOATS_WRITTEN, PLACES_WRITTEN, FLOATS_WRITTEN


@compiled(*_PROFILE, FLOATS, FLOATS, WHOLE, *_LISTS, *_LISTS, ROWS_APART, LINES, LINES, SQUARE, FLOATS, WHOLE, *_OUT)
def _said(
    items: Rows,
    types: NDArray[np.uint8],
    times: NDArray[np.int64],
    now: float,
    type_weights: Floats,
    half_lives: Floats,
    wanted: int,
    near: Rows,
    near_items: Rows,
    near_weights: Floats,
    best: Rows,
    best_items: Rows,
    best_weights: Floats,
    category: Rows,
    vectors: Floats,
    new_vectors: Floats,
    in_common: NDArray[np.float64],
    fold_in: Floats,
    most: int,
    rows: Rows,
    scores: Floats,
    starts: NDArray[np.int64],
    vector: Floats,
) -> bool:
    """Whether the profile speaks for anything; the rest is written to the last four."""
    _check(items, min(len(category), len(vectors) + len(new_vectors)))
    nothing = np.empty(0, np.int64)
    bought, looked = _bought_and_looked(type_weights)
    own = _fading(items, types, times, now, bought, OWN_DAYS, most) if wanted & _OWN else nothing
    _put(own, rows, scores, starts, 0)
    seen = _fading(items, types, times, now, looked, BROWSED_DAYS, most) if wanted & _BROWSED else nothing
    _put(seen, rows, scores, starts, 1)
    strongest, weights = unkeyed(ordered(interests_of(items, types, times, type_weights, half_lives, now)))
    called = nothing
    if wanted & _NEIGHBOURS:
        anchors, of_anchors = strongest[:ANCHORS], weights[:ANCHORS]
        called = foremost(calls_of(near, near_items, near_weights, anchors, of_anchors, NEIGHBOURS_EACH), most)
    _put(called, rows, scores, starts, 2)
    called = nothing
    if wanted & _CATEGORY:
        codes = category[strongest]
        called = calls_of_groups(best, best_items, best_weights, codes, weights, CATEGORIES, BEST_EACH)
    _put(foremost(called, most), rows, scores, starts, 3)
    if wanted & _VECTOR and len(strongest):
        mine = _vectors_of(strongest, vectors, new_vectors)
        steps = 4 * (len(mine) + len(vector))
        vector[:] = solved(mine, fold_in[0] * weights, in_common, CLOSE**2, steps)
    return len(strongest) > 0
