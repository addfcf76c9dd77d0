"""Readied: a learned ranking in the form in which a request gets through it quickest. It orders as the ranking does.

Tables: the steps of all features stand in one ascending array, behind their feature's number, so that one search
finds any number of values of any features. Trees: a node that sends a candidate to the right rules out the leaves on
its left; what is left of a tree's leaves is a bit each, and the first of them is where the candidate falls. Lucchese
et al.: QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees (2015).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.learned import Ranking

_MOST_LEAVES = 16
#: The first leaf that is not among those ruled out, which are the bits of a 16-bit number; one always is left.
_FIRST_LEFT = np.array([(~each & (each + 1)).bit_length() - 1 for each in range(2**_MOST_LEAVES)], np.uint8)


class Readied:
    """One ranking. Made once for a bundle, some milliseconds."""

    def __init__(self, learned: Ranking) -> None:
        self.learned = learned
        n = len(learned.step_starts) - 1
        of_step = np.repeat(np.arange(n, dtype=np.int64), np.diff(learned.step_starts))
        self._floored = _floored(learned.steps)
        self._steps = (of_step << 32) + _ascending(self._floored)
        self._values = np.array(learned.values, np.float64)
        unsplit = np.flatnonzero(np.diff(learned.step_starts) == 0)
        self._values[learned.step_starts[unsplit] + unsplit] = 0.0
        self._starts = learned.step_starts.tolist()
        bounds = zip(self._starts, self._starts[1:], strict=False)
        self._of_feature = [self._values[start + f : end + f + 1] for f, (start, end) in enumerate(bounds)]
        self._trees = _Trees.of(learned)

    def of_tables(self, features: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float64]:
        """What the tables of `features` say of `values`, one each; both of the same shape."""
        at = np.searchsorted(self._steps, (features << 32) + _ascending(values))
        return np.asarray(self._values[at + features])

    def of_table(self, feature: int, values: NDArray[np.float32]) -> NDArray[np.float64] | float:
        """What the table of one feature says of `values`; 0 of a feature without one."""
        start, end = self._starts[feature], self._starts[feature + 1]
        if start == end:
            return 0.0
        return np.asarray(self._of_feature[feature][np.searchsorted(self._floored[start:end], values)])

    def of_trees(self, columns: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """[n] the sum over the trees for `columns` [features, n]; None where they are too large for this."""
        return None if self._trees is None else self._trees.of_columns(columns)


class _Trees:
    """Inner nodes [nodes, trees] with the leaves that are ruled out for who goes right, and the leaves' values."""

    def __init__(
        self,
        feature: NDArray[np.int64],
        split_at: NDArray[np.float32],
        ruled_out: NDArray[np.uint16],
        leaves: NDArray[np.float64],
    ) -> None:
        self._shape = feature.shape
        # One node of all trees after the other, so that what is ruled out of a tree is gathered line by line.
        self._feature = feature.ravel()
        self._split_at = split_at.ravel()[:, None]
        self._ruled_out = ruled_out.ravel()[:, None]
        self._leaves = leaves.ravel()
        self._first = (np.arange(feature.shape[1]) * _MOST_LEAVES)[:, None]

    @classmethod
    def of(cls, learned: Ranking) -> _Trees | None:
        walked = [_walked(learned, tree) for tree in range(len(learned.split_at))]
        if any(len(leaves) > _MOST_LEAVES for _, leaves in walked):
            return None
        shape = (max((len(inner) for inner, _ in walked), default=0), len(walked))
        feature, split_at = np.zeros(shape, np.int64), np.full(shape, np.inf, np.float32)
        ruled_out, values = np.zeros(shape, np.uint16), np.zeros((len(walked), _MOST_LEAVES))
        for tree, (inner, leaves) in enumerate(walked):
            for place, (node, bits) in enumerate(inner):
                feature[place, tree] = learned.split_feature[tree, node]
                split_at[place, tree] = _floored(learned.split_at[tree, node : node + 1])[0]
                ruled_out[place, tree] = bits
            values[tree, : len(leaves)] = learned.leaf_value[tree, leaves]
        return cls(feature, split_at, ruled_out, values)

    def of_columns(self, columns: NDArray[np.float32]) -> NDArray[np.float64]:
        right = columns.take(self._feature, axis=0) > self._split_at
        ruled_out = (right * self._ruled_out).reshape(*self._shape, columns.shape[1])
        leaf = _FIRST_LEFT.take(np.bitwise_or.reduce(ruled_out, axis=0))
        return np.asarray(self._leaves.take(self._first + leaf).sum(axis=0))


def _walked(learned: Ranking, tree: int) -> tuple[list[tuple[int, int]], list[int]]:
    """The inner nodes with the bits of the leaves that going right rules out, and the leaves from left to right."""
    inner: list[tuple[int, int]] = []
    leaves: list[int] = []

    def walk(node: int) -> None:
        left, right = int(learned.left[tree, node]), int(learned.right[tree, node])
        if left == node:
            leaves.append(node)
            return
        first = len(leaves)
        walk(left)
        # Python's numbers have no end: of a tree with more leaves than bits nothing is made of this.
        inner.append((node, (1 << len(leaves)) - (1 << first)))
        walk(right)

    walk(0)
    return inner, leaves


def _floored(steps: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is not above each number: a float32 exceeds both or neither."""
    near = steps.astype(np.float32)
    return np.where(near > steps, np.nextafter(near, np.float32(-np.inf)), near)


def _ascending(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Whole numbers that ascend as the floats do; of equal ones (0 and -0) the same."""
    bits = (values + np.float32(0)).view(np.int32)
    return (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64)
