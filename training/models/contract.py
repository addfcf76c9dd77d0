"""What a model eats and gives: one contract for every family.

fit(interactions, params, seed, threads) -> Factors | Neighbours | Scores

The three results hold numpy arrays only (float32, int32, all finite), so that a bundle can store
them and a storefront can answer from them without the library that made them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy import sparse

from engine.errors import BadInput
from training.interactions import Log

#: Which items a list may hold: every item, only those that the user never bought, only those bought before.
Kind = Literal["whole", "new", "repeat"]
#: Users scored at a time are bounded by this many float32 scores (64 MiB).
_SCORES_AT_ONCE = 16_000_000


@dataclass(frozen=True, slots=True)
class Features:
    """Known attributes: a float32 CSR [rows, names], and what each column means (`category=milk`)."""

    matrix: sparse.csr_matrix
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Interactions:
    """What models learn from, as it was known at `now` (epoch seconds).

    `matrix` holds the fading weights (float32 CSR [users, items]); `bought` how often each user
    bought each item (same shape, never faded): it decides what is new to a user and what a repeat.
    `log` has the events themselves for families that need time, quantities or orders.
    """

    matrix: sparse.csr_matrix
    bought: sparse.csr_matrix
    log: Log
    now: int
    item_features: Features | None = None
    user_features: Features | None = None

    @property
    def n_users(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def n_items(self) -> int:
        return int(self.matrix.shape[1])


@dataclass(frozen=True, slots=True)
class Factors:
    """Users and items as vectors, float32 [n, d]; a score is the dot product, a bias one more dimension."""

    users: np.ndarray
    items: np.ndarray


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For each item its strongest neighbours, by falling weight.

    `indptr` int32 [n_items + 1], `items` int32 and `weights` float32. A user's score of an item is
    the sum over the user's history of interaction weight x neighbour weight.
    """

    indptr: np.ndarray
    items: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, slots=True)
class Scores:
    """For each user the best items, best first: `indptr` int32 [n_users + 1], `items` int32, `scores` float32."""

    indptr: np.ndarray
    items: np.ndarray
    scores: np.ndarray


Result = Factors | Neighbours | Scores
Fit = Callable[[Interactions, Mapping[str, Any], int, int], Result]


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """One way to learn what a user wants: its name, its fit, its parameters with their defaults.

    `fit(interactions, params, seed, threads)` takes complete parameters: see `complete`.
    """

    name: str
    meaning: str
    fit: Fit
    defaults: Mapping[str, Any] = field(default_factory=dict)
    needs_time: bool = False
    needs_orders: bool = False
    uses_features: bool = False
    slow: bool = False

    def complete(self, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Fill in the defaults; an unknown name is refused with the nearest known one (BadInput)."""
        for name in params or {}:
            if name not in self.defaults:
                near = difflib.get_close_matches(name, self.defaults, n=1, cutoff=0.0)
                known = f"did you mean {near[0]!r}?" if near else "it takes none"
                raise BadInput(f"model {self.name!r} has no parameter {name!r}; {known}", field=name)
        return {**self.defaults, **(params or {})}


def score_users(
    result: Result, interactions: Interactions, user_rows: np.ndarray, n: int, *, kind: Kind = "whole"
) -> tuple[np.ndarray, np.ndarray]:
    """The best `n` items for each of these users: int32 items [len, n], best first, and their float32 scores.

    Short lists are padded with item -1 and score -inf. `kind` keeps all items, only those the user
    never bought (`new`), or only those bought before (`repeat`). Equal scores come in item order.
    Memory stays bounded: users are scored in chunks.
    """
    user_rows = np.asarray(user_rows, dtype=np.int64)
    items = np.full((len(user_rows), n), -1, dtype=np.int32)
    scores = np.full((len(user_rows), n), -np.inf, dtype=np.float32)
    for part in chunks(len(user_rows), interactions.n_items):
        dense = _dense_scores(result, interactions, user_rows[part])
        _keep(dense, interactions.bought[user_rows[part]], kind)
        items[part], scores[part] = best_of(dense, n)
    return items, scores


def chunks(n_users: int, n_items: int) -> Iterator[slice]:
    """Slices of users small enough that users x items float32 scores stay within bounds."""
    step = max(1, _SCORES_AT_ONCE // max(1, n_items))
    for start in range(0, n_users, step):
        yield slice(start, min(start + step, n_users))


def best_of(dense: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The `n` best columns of each row, best first, ties by column; -inf is never chosen: (items, scores)."""
    rows, width = dense.shape
    items = np.full((rows, n), -1, dtype=np.int32)
    scores = np.full((rows, n), -np.inf, dtype=np.float32)
    if width == 0 or rows == 0:
        return items, scores
    for row in range(rows):
        chosen = _best_columns(dense[row], n)
        items[row, : len(chosen)] = chosen
        scores[row, : len(chosen)] = dense[row, chosen]
    return items, scores


def _best_columns(line: np.ndarray, n: int) -> np.ndarray:
    # argpartition cuts ties at random: take everything down to the n-th score, then sort it stably.
    if len(line) > n:
        threshold = np.partition(line, len(line) - n)[len(line) - n]
        above = np.flatnonzero(line > threshold)
        level = np.flatnonzero(line == threshold)[: n - len(above)] if threshold > -np.inf else above[:0]
        columns = np.sort(np.concatenate([above, level]))
    else:
        columns = np.flatnonzero(line > -np.inf)
    return columns[np.argsort(-line[columns], kind="stable")]


def _dense_scores(result: Result, interactions: Interactions, users: np.ndarray) -> np.ndarray:
    if isinstance(result, Factors):
        return np.asarray(result.users[users] @ result.items.T, dtype=np.float32)
    dense = np.full((len(users), interactions.n_items), -np.inf, dtype=np.float32)
    if isinstance(result, Neighbours):
        shape = (interactions.n_items, interactions.n_items)
        similar = sparse.csr_matrix((result.weights, result.items, result.indptr), shape=shape)
        found = (interactions.matrix[users] @ similar).tocsr()
        line = np.repeat(np.arange(len(users)), np.diff(found.indptr))
        dense[line, found.indices] = found.data
        return dense
    for row, user in enumerate(users):
        mine = slice(result.indptr[user], result.indptr[user + 1])
        dense[row, result.items[mine]] = result.scores[mine]
    return dense


def _keep(dense: np.ndarray, bought: sparse.csr_matrix, kind: Kind) -> None:
    if kind == "whole":
        return
    row = np.repeat(np.arange(bought.shape[0]), np.diff(bought.indptr))
    if kind == "new":
        dense[row, bought.indices] = -np.inf
        return
    own = np.zeros(dense.shape, dtype=bool)
    own[row, bought.indices] = True
    dense[~own] = -np.inf
