"""What training learned, as arrays: factors, neighbours, score lists, item statistics.

Nothing here knows the library that learned it, so that a storefront answers without one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.ids import IdMap


@dataclass(frozen=True, slots=True)
class Factors:
    """Users and items as vectors, float32 [n, d]; a score is the dot product, a bias one more dimension."""

    users: NDArray[np.float32]
    items: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For each item its strongest neighbours, by falling weight.

    `indptr` int32 [n_items + 1], `items` int32 and `weights` float32. A user's score of an item is
    the sum over the user's history of interaction weight x neighbour weight.
    """

    indptr: NDArray[np.int32]
    items: NDArray[np.int32]
    weights: NDArray[np.float32]

    def of(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        part = slice(int(self.indptr[row]), int(self.indptr[row + 1])) if row < len(self.indptr) - 1 else slice(0)
        return self.items[part], self.weights[part]


@dataclass(frozen=True, slots=True)
class Scores:
    """For each user the best items, best first: `indptr` int32 [n_users + 1], `items` int32, `scores` float32."""

    indptr: NDArray[np.int32]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]

    def of(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        part = slice(int(self.indptr[row]), int(self.indptr[row + 1]))
        return self.items[part], self.scores[part]


@dataclass(frozen=True, slots=True)
class Leaders:
    """One list for everybody, best first: `items` int32, `scores` float32."""

    items: NDArray[np.int32]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sales:
    """What sold within the last `days`, to everybody or to a `segment`: `items` int32, float32 the lines `sold` in
    them and in the same time `before`."""

    items: NDArray[np.int32]
    sold: NDArray[np.float32]
    before: NDArray[np.float32]
    days: int
    segment: str | None = None


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Items that came after everything was learned: their rows begin at `first`.

    `alike` [m] are their neighbours among the items before them, `vectors` float32 [m, d] stand in for learned ones.
    """

    first: int
    alike: Neighbours
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True)
class ItemStatistics:
    """How each item sold until the bundle's `as_of`, float32 [n_items]; 0 or `NEVER` days for one never sold.

    `recent` and `lasting` count purchase lines fading with half-lives of 14 and 90 days, `buyers`
    are distinct users, `repeat_share` the share of them that bought twice or more, `interval` the mean
    days between two purchases by one user, `age` and `idle` the days since the first and last sale,
    `price` the mean list price of a piece in minor units, `winning` the recent first purchases per
    thousand users who still lack the item.
    """

    recent: NDArray[np.float32]
    lasting: NDArray[np.float32]
    buyers: NDArray[np.float32]
    repeat_share: NDArray[np.float32]
    interval: NDArray[np.float32]
    age: NDArray[np.float32]
    idle: NDArray[np.float32]
    price: NDArray[np.float32]
    winning: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Repurchase:
    """How soon, and how often, those who bought an item buy it again, float32 [n_items]; of rare items their category.

    `interval` is the mean logarithm of the days between two purchases by one user, `pace` purchases a day from a
    user's first one on, those who never came back included. `strength` [2] says how much both weigh beside a user's
    own purchases: `interval` as so many intervals, `pace` as the shape of a gamma distribution.
    """

    interval: NDArray[np.float32]
    pace: NDArray[np.float32]
    strength: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Chance:
    """What the scores of a ranking mean: points (float64 [m], ascending) joined by straight lines."""

    scores: NDArray[np.float64]
    chances: NDArray[np.float64]

    def of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(scores, self.scores, self.chances)


@dataclass(frozen=True, slots=True)
class Peers:
    """How what customers declare of themselves bends what sells best: `words` are `region=north`, `source=social`, ...

    `bend` float32 [n_words, n] is what having the word adds to the logarithm of how well each of `items` (int32 [n],
    ascending) sells. `people` int32 [n_words] are the customers behind each word.
    """

    words: IdMap
    people: NDArray[np.int32]
    items: NDArray[np.int32]
    bend: NDArray[np.float32]


NEVER = np.float32(9999.0)  # days: further back than any shop remembers, and still finite for trees


@dataclass(frozen=True, slots=True)
class Ranking:
    """A learned order of candidates: additive tables for all of them, then small trees for the best.

    The table of feature f is a step function: `steps` ascending in `step_starts[f] : step_starts[f + 1]`,
    and one value more than steps in `values` (from `step_starts[f] + f`); a feature value x counts
    `values[number of steps < x]`. Trees are arrays [n_trees, n_nodes]: a node asks whether
    `split_feature <= split_at` and goes `left` or `right`; a leaf points to itself and holds `leaf_value`.
    """

    step_starts: NDArray[np.int32]
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    split_feature: NDArray[np.int16]
    split_at: NDArray[np.float64]
    left: NDArray[np.int16]
    right: NDArray[np.int16]
    leaf_value: NDArray[np.float64]
