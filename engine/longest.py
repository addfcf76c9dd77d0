"""Longest: the vectors with the largest inner products among vectors that stand longest first.

An inner product is at most the product of the lengths, so that a search is over as soon as the rest is too short for
it. Teflioudi, Gemulla and Mykytiuk: LEMP, fast retrieval of large entries in a matrix product (2015).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import FLOATS, LINES, PLACES, WHOLE, compiled, inner

#: So many vectors are compared before it is asked whether the rest is too short.
PART = 256


def ends_of(n: int) -> NDArray[np.int64]:
    """Where the parts of `n` vectors end."""
    return np.minimum(np.arange(PART, n + PART, PART), n)


def most_alike(
    vectors: NDArray[np.float32], ids: NDArray[np.int64], rests: NDArray[np.float32], query: NDArray[np.float32], n: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], int]:
    """Of `vectors` [m, d] at most `n` ids, best first, their products with `query` [d], and how many were compared.

    `rests` says by part how long what lies behind it is at most. Of equal ones the longer vector comes first.
    Raises ValueError for a query of another length.
    """
    if len(query) != vectors.shape[1]:
        raise ValueError(f"a query of {len(query)} numbers for vectors of {vectors.shape[1]}")
    keys, compared = _searched(vectors, rests, query, n)
    if len(keys) > 2 * n:
        keys.partition(n)
        keys = keys[:n]
    keys.sort()  # by numpy, which compares several at a time
    return *_read(keys[:n], ids), compared


@inner
def _key(place: int, score: np.float32) -> np.int64:
    """Score and place in one number, lower for what comes before: as floats do their bits ascend, below 0 turned."""
    bits = np.int64(np.float32(score).view(np.int32))
    return (-(bits if bits >= 0 else bits ^ np.int64(0x7FFFFFFF)) << np.int64(32)) | place


@inner
def _score(key: np.int64) -> np.float32:
    bits = -(key >> np.int64(32))
    return np.int32(bits if bits >= 0 else bits ^ np.int64(0x7FFFFFFF)).view(np.float32)


@compiled(LINES, FLOATS, FLOATS, WHOLE, reorders_sums=True)
def _searched(
    vectors: NDArray[np.float32], rests: NDArray[np.float32], query: NDArray[np.float32], n: int
) -> tuple[NDArray[np.int64], int]:
    """The keys of all that reach the bar which no vector behind them can reach, and how many were compared."""
    m, d = vectors.shape
    scores, end, reach, bar = np.empty(m, np.float32), 0, np.float32(0), np.float32(-np.inf)
    for k in range(d):
        reach += query[k] * query[k]
    for rest in rests:
        some = vectors[end : end + PART]
        for at in range(len(some)):
            score = np.float32(0)
            for k in range(d):
                score += some[at, k] * query[k]
            scores[end + at] = score
        end += len(some)
        passed, short = 0, np.float32(np.sqrt(reach) * rest)
        for at in range(end):
            passed += scores[at] >= short
        if passed >= n:
            bar = short
            break
    keys, held = np.empty(end, np.int64), 0
    for at in range(end):
        if scores[at] >= bar:
            keys[held] = _key(at, scores[at])
            held += 1
    return keys[:held], end


@compiled(PLACES, PLACES)
def _read(keys: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    found, scores = np.empty(len(keys), np.int32), np.empty(len(keys), np.float32)
    for at, key in enumerate(keys):
        found[at], scores[at] = ids[key & 0xFFFFFFFF], _score(key)
    return found, scores
