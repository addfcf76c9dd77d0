"""Readied: a learned ranking in the form in which a request gets through it quickest. It orders as the ranking does.

Tables: what many candidates share is looked up once for all of them. Trees: a node that sends a candidate to the right
rules out the leaves on its left; what is left of a tree's leaves is a bit each, and the first of them is where the
candidate falls. Lucchese et al.: QuickScorer: a fast algorithm to rank documents with additive ensembles of regression
trees (2015).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import BYTES, GRID, LINES, SQUARE, compiled, read_only
from engine.learned import Ranking
from engine.recommend.tables import add_columns

#: What `_Trees` tells.
TREES = GRID, LINES, read_only("uint32", 2), SQUARE, BYTES
_MOST_LEAVES = 16
_AT_ONCE = 64  # candidates
#: The first leaf that is not among those ruled out, which are the bits of a 16-bit number; one always is left.
_FIRST_LEFT = np.array([(~each & (each + 1)).bit_length() - 1 for each in range(2**_MOST_LEAVES)], np.uint8)


class Readied:
    """One ranking. Made once for a bundle, some milliseconds."""

    def __init__(self, learned: Ranking) -> None:
        if len(learned.values) != len(learned.steps) + len(learned.step_starts) - 1:
            raise ValueError("a ranking has a value more than steps of each feature")
        self.learned = learned
        self.tables = _floored(learned.steps), learned.step_starts.astype(np.int64), np.array(learned.values, float)
        self.trees = _Trees.of(learned)

    def add_columns(self, scores: NDArray[np.float64], first: int, columns: NDArray[np.float32]) -> None:
        """Add to the candidates' scores what the tables say of features from the `first` on, a line each."""
        add_columns(scores, columns, *self.tables, first)

    def of_trees(self, columns: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """[n] the sum over the trees for `columns` [features, n]; None where they are too large for this."""
        return None if self.trees is None else self.trees.of_columns(columns)


class _Trees:
    """Inner nodes [trees, nodes] with the leaves that are ruled out for who goes right, and the leaves' values."""

    def __init__(
        self,
        feature: NDArray[np.int64],
        split_at: NDArray[np.float32],
        ruled_out: NDArray[np.uint32],
        leaves: NDArray[np.float64],
    ) -> None:
        #: What `sum_of_trees` takes behind the columns.
        self.told = feature, split_at, ruled_out, leaves, _FIRST_LEFT

    @classmethod
    def of(cls, learned: Ranking) -> _Trees | None:
        walked = [_walked(learned, tree) for tree in range(len(learned.split_at))]
        if any(len(leaves) > _MOST_LEAVES for _, leaves in walked):
            return None
        shape = (len(walked), max((len(nodes) for nodes, _ in walked), default=0))
        feature, split_at = np.zeros(shape, np.int64), np.full(shape, np.inf, np.float32)
        ruled_out, values = np.zeros(shape, np.uint32), np.zeros((len(walked), _MOST_LEAVES))
        for tree, (nodes, leaves) in enumerate(walked):
            for place, (node, bits) in enumerate(nodes):
                feature[tree, place] = learned.split_feature[tree, node]
                split_at[tree, place] = _floored(learned.split_at[tree, node : node + 1])[0]
                ruled_out[tree, place] = bits
            values[tree, : len(leaves)] = learned.leaf_value[tree, leaves]
        return cls(feature, split_at, ruled_out, values)

    def of_columns(self, columns: NDArray[np.float32]) -> NDArray[np.float64]:
        return sum_of_trees(columns, *self.told)


@compiled(LINES, *TREES)
def sum_of_trees(
    columns: NDArray[np.float32],
    feature: NDArray[np.int64],
    split_at: NDArray[np.float32],
    ruled_out: NDArray[np.uint32],
    leaves: NDArray[np.float64],
    first_left: NDArray[np.uint8],
) -> NDArray[np.float64]:
    """[n] what the trees add up to for `columns` [n_features, n]."""
    n = columns.shape[1]
    total, left = np.zeros(n), np.empty(_AT_ONCE, np.uint32)
    values = np.zeros((columns.shape[0], _AT_ONCE), np.float32)
    for begin in range(0, n, _AT_ONCE):
        end = min(begin + _AT_ONCE, n)
        values[:, : end - begin] = columns[:, begin:end]
        for tree in range(len(feature)):
            left[:] = 0
            for node in range(feature.shape[1]):
                column, split, bits = values[feature[tree, node]], split_at[tree, node], ruled_out[tree, node]
                for candidate in range(
                    _AT_ONCE
                ):  # without a branch and always as many, so that none is looked at alone
                    left[candidate] |= bits if column[candidate] > split else np.uint32(0)
            for candidate in range(begin, end):
                total[candidate] += leaves[tree, first_left[left[candidate - begin]]]
    return total


def _walked(learned: Ranking, tree: int) -> tuple[list[tuple[int, int]], list[int]]:
    """The inner nodes with the bits of the leaves that going right rules out, and the leaves from left to right."""
    nodes: list[tuple[int, int]] = []
    leaves: list[int] = []

    def walk(node: int) -> None:
        left, right = int(learned.left[tree, node]), int(learned.right[tree, node])
        if left == node:
            leaves.append(node)
            return
        first = len(leaves)
        walk(left)
        # Python's numbers have no end: of a tree with more leaves than bits nothing is made of this.
        nodes.append((node, (1 << len(leaves)) - (1 << first)))
        walk(right)

    walk(0)
    return nodes, leaves


def _floored(steps: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is not above each number: a float32 exceeds both or neither."""
    near = steps.astype(np.float32)
    return np.where(near > steps, np.nextafter(near, np.float32(-np.inf)), near)
