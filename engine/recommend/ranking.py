"""Ranking: orders candidates, never removes one. Learned offline, evaluated here from plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.compiled import DOUBLES, PLACES_WRITTEN, WHOLE, compiled, inner
from engine.learned import Ranking
from engine.recommend.readied import Readied

#: How often, at most, the range of scores is halved to find the best of them, and how many more than wanted will do.
_HALVINGS, _FEW_MORE = 16, 8
MOST_CANDIDATES = 2**31  # nobody has as many
SHORTLIST = 60  # the trees look at this many of the best by the additive tables
Ordered = tuple[NDArray[np.int64], NDArray[np.float64]]


class Table(Protocol):
    """The features of one user's candidates, as `engine/recommend/features.py` has them."""

    def ordered(self, ranking: Readied, most: int) -> Ordered | None:
        """The first `most` best first, and their scores, where that is to be had in one pass."""
        ...

    def dense(self, at: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n_features, len(at)] of the candidates at these places."""
        ...

    def scores(self, ranking: Readied) -> NDArray[np.float64]:
        """[n] what the tables of a ranking add up to."""
        ...


def order(ranking: Ranking, columns: NDArray[np.float32]) -> Ordered:
    """The candidates of `columns` [n_features, n] best first, and their scores in that order."""
    return order_of(Columns(np.ascontiguousarray(columns)), Readied(ranking))


def order_of(table: Table, ranking: Readied, most: int | None = None) -> Ordered:
    """The same within a request, by a ranking that was readied before: at least the first `most`, or all."""
    at_once = table.ordered(ranking, MOST_CANDIDATES if most is None else max(most, SHORTLIST))
    return at_once or step_by_step(table, ranking, most)


def step_by_step(table: Table, ranking: Readied, most: int | None = None) -> Ordered:
    scores = table.scores(ranking)
    if most is None or most >= len(scores):
        best_first = np.argsort(-scores, kind="stable")
    else:
        best_first = best(scores, max(most, SHORTLIST))
    columns = table.dense(best_first[:SHORTLIST])
    found = ranking.of_trees(columns)
    found = trees(ranking.learned, columns) if found is None else found
    return best_first, refined(scores[best_first], found, best_first)


@dataclass(frozen=True, slots=True)
class Columns:
    """A table of candidates that share nothing: `values` float32 [n_features, n]."""

    values: NDArray[np.float32]

    def ordered(self, ranking: Readied, most: int) -> Ordered | None:
        return None

    def dense(self, at: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.values.take(at, axis=1)

    def scores(self, ranking: Readied) -> NDArray[np.float64]:
        scores = np.zeros(self.values.shape[1])
        ranking.add_columns(scores, 0, self.values)
        return scores


def readied(learned: Ranking, bundle: Bundle) -> Readied:
    """A ranking of the bundle in its quickest form, made once."""
    found: Readied | None = bundle.kept.get(("readied", id(learned)))
    if found is None or found.learned is not learned:
        found = Readied(learned)
        bundle.kept.put(("readied", id(learned)), found, 2**16)
    return found


@inner
def as_good_as(scores: NDArray[np.float64], most: int) -> float:
    """A score that at least `most` reach, and few more: the fewer, the less is left to sort."""
    good, low, high = len(scores), -np.inf, np.inf
    if most < len(scores):
        low, high = scores.min(), scores.max()
    for _ in range(_HALVINGS):
        if good <= most + _FEW_MORE:
            break
        middle, reached = (low + high) / 2, 0
        for score in scores:
            reached += score >= middle
        if reached >= most:
            low, good = middle, reached
        else:
            high = middle
    return low


@compiled(DOUBLES, WHOLE)
def best(scores: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Where the `most` highest scores stand, best first; of equal ones the one that comes first."""
    n, low = 0, as_good_as(scores, most)
    at = np.empty(len(scores), np.int64)
    for place, score in enumerate(scores):
        if score >= low:
            at[n] = place
            n += 1
    return at[:n][np.argsort(-scores[at[:n]], kind="mergesort")][:most]


@compiled(DOUBLES, DOUBLES, PLACES_WRITTEN)
def refined(scores: NDArray[np.float64], added: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.float64]:
    """The scores, best first, after something was added to the first of them, whose places in `order` change so.

    What got nothing added stays below what did, whatever its score says.
    """
    told = scores.copy()
    lowest = np.inf
    for place, more in enumerate(added):
        score, at, row = told[place] + more, place, order[place]
        lowest = min(lowest, score)
        while at > 0 and told[at - 1] < score:  # of equal ones the one that was before stays before
            told[at], order[at] = told[at - 1], order[at - 1]
            at -= 1
        told[at], order[at] = score, row
    for place in range(len(added), len(told)):
        told[place] = min(told[place], lowest)
    return told


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
