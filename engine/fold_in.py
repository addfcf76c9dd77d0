"""Fold-in: the vector of somebody whose events changed since the items' vectors were learned.

One least-squares step against them (Hu, Koren and Volinsky 2008), (G + V'CV) x = V'(1 + C): G is the same for
everybody, V are the vectors of one's items and C the confidence in each.

One's own items bend G in few directions, and most of them hardly. So conjugate gradients (Hestenes and Stiefel 1952),
preconditioned with the inverse of G, arrive after two or three steps, each a pass over V and one over that inverse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import FLOATS, LINES, REAL, SQUARE, WHOLE, compiled

#: What is left of the error when the steps end, in the norm of the equations: less than float32 keeps.
CLOSE = 1e-9
_AT_ONCE = 2**14


def in_common(items: NDArray[np.float32], ridge: float) -> NDArray[np.float64]:
    """[d, d] the inverse of what everybody's equations have in common, for item vectors [n, d]."""
    # The small ridge keeps the solve defined when fewer items than dimensions have vectors.
    total = np.eye(items.shape[1]) * max(ridge, 1e-6)
    # In parts that are summed up in double precision: of so few items single loses nothing, and copies nothing.
    for first in range(0, len(items), _AT_ONCE):
        part = items[first : first + _AT_ONCE]
        total += part.T @ part
    return np.asarray(np.linalg.inv(total), np.float64)


def folded_in(
    own: NDArray[np.float32], confidence: NDArray[np.float32], inverse: NDArray[np.float64]
) -> NDArray[np.float32]:
    """[d] the vector of somebody who took items of these vectors [n, d], with a `confidence` in each.

    The items being in the common part themselves, no direction is bent to more than 1 + confidence times its length.
    """
    return solved(own, confidence, inverse, CLOSE**2, 4 * sum(own.shape))


@compiled(LINES, FLOATS, SQUARE, REAL, WHOLE, reorders_sums=True)
def solved(
    vectors: NDArray[np.float32], confidence: NDArray[np.float32], inverse: NDArray[np.float64], close: float, most: int
) -> NDArray[np.float32]:
    n, d = vectors.shape
    own, left = vectors.astype(np.float64), np.zeros(d)
    for at in range(n):
        for k in range(d):
            left[k] += (1.0 + confidence[at]) * own[at, k]
    # `turned` is what the common part makes of the direction. It follows from what is left, without that part itself.
    found, step, direction, turned, bent = np.zeros(d), np.empty(d), np.zeros(d), np.zeros(d), np.empty(d)
    first = before = 0.0
    for _ in range(most):
        error = 0.0
        for i in range(d):
            total = 0.0
            for k in range(d):
                total += inverse[i, k] * left[k]
            step[i] = total
            error += total * left[i]
        first = max(first, error)
        if error <= close * first:
            break
        again = error / before if before > 0 else 0.0
        before, length = error, 0.0
        for k in range(d):
            direction[k] = step[k] + again * direction[k]
            turned[k] = left[k] + again * turned[k]
            bent[k] = turned[k]
        for at in range(n):
            total = 0.0
            for k in range(d):
                total += own[at, k] * direction[k]
            total *= confidence[at]
            for k in range(d):
                bent[k] += total * own[at, k]
        for k in range(d):
            length += direction[k] * bent[k]
        for k in range(d):
            found[k] += error / length * direction[k]
            left[k] -= error / length * bent[k]
    return found.astype(np.float32)
