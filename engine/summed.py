"""Summed: rows with what speaks for them, each row once, best first; of equal ones the lower row comes first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.compiled import BYTES, DOUBLES, FLOATS, PLACES, REAL, ROWS, WHOLE, compiled, inner

DAY = 86_400.0
Found = tuple[NDArray[np.int32], NDArray[np.float32]]
#: Where a key's score begins; by how many of its bits steps differ, 32 to a halving; how many steps.
_SCORE, _STEP, _STEPS = 32, 18, 256
_FEW = 64
_SPREAD = 2_654_435_761  # Knuth's multiplicative hashing: neighbouring rows fall far apart


def best_first(rows: NDArray[np.int32], scores: NDArray[np.float32]) -> Found:
    """The rows whose score is above 0, best first; no row may be there twice."""
    return _sorted(_keyed(np.ascontiguousarray(rows, np.int32), np.ascontiguousarray(scores, np.float32)))


def summed(rows: NDArray[np.int32], weights: NDArray[np.float64]) -> Found:
    """Each row by the sum of its weights."""
    return _sorted(_summed(rows, weights))


def interests(
    items: NDArray[np.int32],
    types: NDArray[np.uint8],
    times: NDArray[np.int64],
    type_weights: NDArray[np.float32],
    half_lives: NDArray[np.float32],
    now: float,
) -> Found:
    """Items by their events' weights, which fade by the half-life (days) of their type; what lies ahead is new."""
    return _sorted(interests_of(items, types, times, type_weights, half_lives, now))


def called(
    indptr: NDArray[np.int32],
    items: NDArray[np.int32],
    weights: NDArray[np.float32],
    anchors: NDArray[np.int32],
    of_anchors: NDArray[np.float32],
    each: int,
) -> Found:
    """What anchors call: of each the first `each` of its list, by its own weight times theirs.

    Anchors that came after the lists were made have none. Raises IndexError where a list ends behind the last place.
    """
    return _sorted(calls_of(indptr, items, weights, anchors, of_anchors, each))


def called_by_groups(
    indptr: NDArray[np.int32],
    items: NDArray[np.int32],
    weights: NDArray[np.float32],
    groups: NDArray[np.int32],
    of_groups: NDArray[np.float32],
    most: int,
    each: int,
) -> Found:
    """What the `most` groups call whose weights sum up to the most; a group below 0 is none."""
    return _sorted(calls_of_groups(indptr, items, weights, groups, of_groups, most, each))


def _sorted(keys: NDArray[np.int64]) -> Found:
    keys.sort()  # by numpy, which compares several at a time
    return _read(keys)


@inner
def _key(row: np.int32, score: np.float32) -> np.int64:
    """Score and row in one number, lower for what comes before: the bits of floats above 0 ascend as they do."""
    return (-np.int64(np.float32(score).view(np.int32)) << np.int64(32)) | row


@inner
def keys_of(rows: NDArray[np.int32], sums: NDArray[Any], n: int) -> NDArray[np.int64]:
    found, m = np.empty(n, np.int64), 0
    for at in range(n):
        score = np.float32(sums[at])
        if score > 0:
            found[m] = _key(rows[at], score)
            m += 1
    return found[:m]


@inner
def room(n: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64], int]:
    """Slots for `n` rows, at least twice as many and a power of two; the rows, their sums, and how many there are."""
    size = 16
    while size < 2 * n:
        size *= 2
    return np.full(size, -1, np.int32), np.empty(n, np.int32), np.empty(n), 0


@inner
def add(
    row: np.int32,
    weight: np.float64,
    slots: NDArray[np.int32],
    found: NDArray[np.int32],
    sums: NDArray[np.float64],
    n: int,
) -> int:
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
def unkeyed(keys: NDArray[np.int64]) -> Found:
    rows, scores = np.empty(len(keys), np.int32), np.empty(len(keys), np.int32)
    for at, key in enumerate(keys):
        rows[at], scores[at] = key & 0xFFFFFFFF, -(key >> 32)
    return rows, scores.view(np.float32)


@inner
def foremost(keys: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The `most` lowest keys, in any order: counted by steps of their scores, and only the last step's are sorted."""
    if len(keys) <= most:
        return keys
    best, counts = keys.min() >> _SCORE, np.zeros(_STEPS, np.int64)
    for key in keys:
        counts[min(((key >> _SCORE) - best) >> _STEP, _STEPS - 1)] += 1
    last, before = 0, 0
    while before + counts[last] < most:
        before += counts[last]
        last += 1
    found, of_last, n, m = np.empty(most, np.int64), np.empty(counts[last], np.int64), 0, 0
    for key in keys:
        step = min(((key >> _SCORE) - best) >> _STEP, _STEPS - 1)
        if step < last:
            found[n] = key
            n += 1
        elif step == last:
            of_last[m] = key
            m += 1
    found[n:] = ordered(of_last)[: most - n]
    return found


@inner
def ordered(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The keys ascending: a few are put in their places, which is quicker than what sorts many."""
    if len(keys) > _FEW:
        return np.sort(keys)
    for at in range(1, len(keys)):
        key, place = keys[at], at
        while place > 0 and keys[place - 1] > key:
            keys[place] = keys[place - 1]
            place -= 1
        keys[place] = key
    return keys


@compiled(PLACES)
def _read(keys: NDArray[np.int64]) -> Found:
    return unkeyed(keys)


@compiled(ROWS, FLOATS)
def _keyed(rows: NDArray[np.int32], scores: NDArray[np.float32]) -> NDArray[np.int64]:
    return keys_of(rows, scores, len(rows))


@compiled(ROWS, DOUBLES)
def _summed(rows: NDArray[np.int32], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    slots, found, sums, n = room(len(rows))
    for at, row in enumerate(rows):
        n = add(row, weights[at], slots, found, sums, n)
    return keys_of(found, sums, n)


@compiled(ROWS, BYTES, PLACES, FLOATS, FLOATS, REAL)
def interests_of(
    items: NDArray[np.int32],
    types: NDArray[np.uint8],
    times: NDArray[np.int64],
    type_weights: NDArray[np.float32],
    half_lives: NDArray[np.float32],
    now: float,
) -> NDArray[np.int64]:
    """The keys of `interests`, in any order."""
    slots, found, sums, n = room(len(items))
    for at, row in enumerate(items):
        kind = types[at]
        if kind >= min(len(type_weights), len(half_lives)):
            raise IndexError("a type without a weight")
        age = max(now - times[at], 0.0) / DAY
        n = add(row, type_weights[kind] * np.exp2(-age / half_lives[kind]), slots, found, sums, n)
    return keys_of(found, sums, n)


@inner
def _checked(
    indptr: NDArray[np.int32],
    items: NDArray[np.int32],
    weights: NDArray[np.float32],
    anchors: NDArray[np.int32],
    each: int,
) -> int:
    """How many rows these anchors call."""
    most, listed = 0, len(indptr) - 1
    for anchor in anchors:
        if 0 <= anchor < listed:
            if not 0 <= indptr[anchor] <= indptr[anchor + 1] <= min(len(items), len(weights)):
                raise IndexError("a list ends behind the last place")
            most += min(indptr[anchor + 1] - indptr[anchor], each)
    return most


@compiled(ROWS, ROWS, FLOATS, ROWS, FLOATS, WHOLE)
def calls_of(
    indptr: NDArray[np.int32],
    items: NDArray[np.int32],
    weights: NDArray[np.float32],
    anchors: NDArray[np.int32],
    of_anchors: NDArray[np.float32],
    each: int,
) -> NDArray[np.int64]:
    """The keys of `called`, in any order."""
    most, listed, m = _checked(indptr, items, weights, anchors, each), len(indptr) - 1, 0
    # Fetched before anything is summed: where nothing waits for them, several lists come from memory at a time.
    called_rows, called_weights = np.empty(most, np.int32), np.empty(most, np.float32)
    for place, anchor in enumerate(anchors):
        if 0 <= anchor < listed:
            for at in range(indptr[anchor], min(indptr[anchor + 1], indptr[anchor] + each)):
                called_rows[m], called_weights[m] = items[at], of_anchors[place] * weights[at]
                m += 1
    slots, found, sums, n = room(most)
    for at in range(most):
        n = add(called_rows[at], np.float64(called_weights[at]), slots, found, sums, n)
    return keys_of(found, sums, n)


@compiled(ROWS, ROWS, FLOATS, ROWS, FLOATS, WHOLE, WHOLE)
def calls_of_groups(
    indptr: NDArray[np.int32],
    items: NDArray[np.int32],
    weights: NDArray[np.float32],
    groups: NDArray[np.int32],
    of_groups: NDArray[np.float32],
    most: int,
    each: int,
) -> NDArray[np.int64]:
    """The keys of `called_by_groups`, in any order."""
    slots, found, sums, n = room(len(groups))
    for at, group in enumerate(groups):
        if group >= 0:
            n = add(group, np.float64(of_groups[at]), slots, found, sums, n)
    anchors, of_anchors = unkeyed(ordered(keys_of(found, sums, n))[:most])
    return calls_of(indptr, items, weights, anchors, of_anchors, each)
