"""Summed: rows with what speaks for them, each row once, best first; of equal ones the lower row comes first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import BYTES, DOUBLES, FLOATS, PLACES, REAL, ROWS, WHOLE, compiled, inner

DAY = 86_400.0
Found = tuple[NDArray[np.int32], NDArray[np.float32]]
_SPREAD = 2_654_435_761  # Knuth's multiplicative hashing: neighbouring rows fall far apart


@inner
def _room(n: int) -> int:
    """Slots for `n` rows, twice as many and a power of two."""
    size = 16
    while size < 2 * n:
        size *= 2
    return size


@inner
def _empty(size: int, n: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
    return np.full(size, -1, np.int32), np.empty(n, np.int32), np.zeros(n), 0


@inner
def _add(row, weight, slots, found, sums, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The number of different rows after this one was added to them."""
    mask = len(slots) - 1
    slot = (row * _SPREAD >> 12) & mask
    while slots[slot] >= 0:
        if found[slots[slot]] == row:
            sums[slots[slot]] += weight
            return n
        slot = (slot + 1) & mask
    slots[slot], found[n] = n, row
    sums[n] = weight
    return n + 1


@inner
def _falling(rows, scores, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """By score and row in one number each: the bits of floats above 0 ascend as they do."""
    bits = scores.view(np.int32)
    keys = np.empty(n, np.int64)
    m = 0
    for at in range(n):
        if scores[at] > 0:
            keys[m] = (-np.int64(bits[at]) << 32) | rows[at]
            m += 1
    keys = keys[:m]
    keys.sort()
    best, told = np.empty(m, np.int32), np.empty(m, np.int32)
    for at in range(m):
        best[at] = keys[at] & 0xFFFFFFFF
        told[at] = -(keys[at] >> 32)
    return best, told.view(np.float32)


@compiled(ROWS, FLOATS)
def best_first(rows: NDArray[np.int32], scores: NDArray[np.float32]) -> Found:
    """The rows whose score is above 0, best first; no row may be there twice."""
    return _falling(rows, scores, len(rows))


@compiled(ROWS, DOUBLES)
def summed(rows: NDArray[np.int32], weights: NDArray[np.float64]) -> Found:
    """Each row by the sum of its weights."""
    size = _room(len(rows))
    slots, found, sums, n = _empty(size, len(rows))
    for row, weight in zip(rows, weights):  # noqa: B905 (compiled)
        n = _add(row, weight, slots, found, sums, n)
    return _falling(found, sums[:n].astype(np.float32), n)


@compiled(ROWS, BYTES, PLACES, FLOATS, FLOATS, REAL)
def interests(
    items: NDArray[np.int32],
    types: NDArray[np.uint8],
    times: NDArray[np.int64],
    type_weights: NDArray[np.float32],
    half_lives: NDArray[np.float32],
    now: float,
) -> Found:
    """Items by their events' weights, which fade by the half-life (days) of their type; what lies ahead is new."""
    size = _room(len(items))
    slots, found, sums, n = _empty(size, len(items))
    for place, row in enumerate(items):
        kind = types[place]
        if kind >= min(len(type_weights), len(half_lives)):
            raise IndexError("a type without a weight")
        age = max(now - times[place], 0.0) / DAY
        n = _add(row, type_weights[kind] * np.exp2(-age / half_lives[kind]), slots, found, sums, n)
    return _falling(found, sums[:n].astype(np.float32), n)


@compiled(ROWS, PLACES, FLOATS, REAL, REAL)
def faded(
    items: NDArray[np.int32], times: NDArray[np.int64], weights: NDArray[np.float32], now: float, half_life: float
) -> Found:
    """Items by weights that all fade with one half-life (days)."""
    size = _room(len(items))
    slots, found, sums, n = _empty(size, len(items))
    for place, row in enumerate(items):
        age = max(now - times[place], 0.0) / DAY
        n = _add(row, weights[place] * np.exp2(-age / half_life), slots, found, sums, n)
    return _falling(found, sums[:n].astype(np.float32), n)


@compiled(ROWS, ROWS, FLOATS, ROWS, FLOATS, WHOLE)
def called(
    indptr: NDArray[np.int32],
    items: NDArray[np.int32],
    weights: NDArray[np.float32],
    anchors: NDArray[np.int32],
    of_anchors: NDArray[np.float32],
    each: int,
) -> Found:
    """What anchors call: of each the first `each` of its list, by its own weight times theirs.

    Anchors that came after the lists were made have none.
    """
    most = 0
    for anchor in anchors:
        if 0 <= anchor < len(indptr) - 1:
            if not 0 <= indptr[anchor] <= indptr[anchor + 1] <= min(len(items), len(weights)):
                raise IndexError("a list ends behind the last place")
            most += min(indptr[anchor + 1] - indptr[anchor], each)
    slots, found, sums, n = _empty(_room(most), most)
    for place, anchor in enumerate(anchors):
        if 0 <= anchor < len(indptr) - 1:
            start = indptr[anchor]
            for at in range(start, min(indptr[anchor + 1], start + each)):
                n = _add(items[at], np.float64(of_anchors[place] * weights[at]), slots, found, sums, n)
    return _falling(found, sums[:n].astype(np.float32), n)
