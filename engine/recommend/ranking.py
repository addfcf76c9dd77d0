"""Ranking: orders candidates, never removes one. Learned offline, evaluated here from plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.learned import Ranking
from engine.recommend.readied import Readied

SHORTLIST = 60  # the trees look at this many of the best by the additive tables
Ordered = tuple[NDArray[np.int64], NDArray[np.float64]]


class Table(Protocol):
    """The features of one user's candidates, as `engine/recommend/features.py` has them."""

    def dense(self, at: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n_features, len(at)] of the candidates at these places."""
        ...

    def scores(self, ranking: Readied) -> NDArray[np.float64]:
        """[n] what the tables of a ranking add up to."""
        ...


def order(ranking: Ranking, columns: NDArray[np.float32]) -> Ordered:
    """The candidates of `columns` [n_features, n] best first, and their scores in that order."""
    return _ordered(additive(ranking, columns), lambda head: trees(ranking, columns[:, head]))


def order_of(table: Table, ranking: Readied) -> Ordered:
    """The same within a request, from what candidates share told once."""

    def by_trees(head: NDArray[np.int64]) -> NDArray[np.float64]:
        columns = table.dense(head)
        found = ranking.of_trees(columns)
        return trees(ranking.learned, columns) if found is None else found

    return _ordered(table.scores(ranking), by_trees)


def readied(learned: Ranking, bundle: Bundle) -> Readied:
    """A ranking of the bundle in its quickest form, made once."""
    found: Readied | None = bundle.kept.get(("readied", id(learned)))
    if found is None or found.learned is not learned:
        found = Readied(learned)
        bundle.kept.put(("readied", id(learned)), found, 2**16)
    return found


def _ordered(scores: NDArray[np.float64], by_trees: Callable[[NDArray[np.int64]], NDArray[np.float64]]) -> Ordered:
    best_first = np.argsort(-scores, kind="stable")
    head = best_first[:SHORTLIST]
    refined = scores[head] + by_trees(head)
    again = np.argsort(-refined, kind="stable")
    best_first = np.concatenate([head[again], best_first[SHORTLIST:]])
    # What the trees did not see stays below what they saw, whatever its score says.
    tail = np.minimum(scores[best_first[SHORTLIST:]], refined.min(initial=np.inf))
    return best_first, np.concatenate([refined[again], tail])


def additive(ranking: Ranking, columns: NDArray[np.float32]) -> NDArray[np.float64]:
    """[n] the sum of the tables' values."""
    scores = np.zeros(columns.shape[1])
    for feature, column in enumerate(columns):
        start, end = ranking.step_starts[feature], ranking.step_starts[feature + 1]
        if end > start:
            values = ranking.values[start + feature : end + feature + 1]
            scores += values[np.searchsorted(ranking.steps[start:end], column.astype(np.float64), side="left")]
    return scores


def trees(ranking: Ranking, columns: NDArray[np.float32]) -> NDArray[np.float64]:
    """[n] the sum over all trees of the leaf that each candidate falls into."""
    n_trees, n_nodes = ranking.split_at.shape
    if not n_trees:
        return np.zeros(columns.shape[1])
    base = (np.arange(n_trees) * n_nodes)[:, None]
    at = np.zeros((n_trees, columns.shape[1]), np.int64)
    candidate = np.arange(columns.shape[1])[None, :]
    feature, threshold = ranking.split_feature.ravel(), ranking.split_at.ravel()
    left, right = ranking.left.ravel(), ranking.right.ravel()
    while True:
        node = base + at
        below = columns[feature[node], candidate] <= threshold[node]
        following = np.where(below, left[node], right[node])
        if np.array_equal(following, at):
            break
        at = following
    return np.asarray(ranking.leaf_value.ravel()[base + at].sum(axis=0))
