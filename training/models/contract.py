"""What a model eats and gives: one contract for every family.

family.fit(interactions, params, seed=, threads=) -> Factors | Neighbours | Scores | Followers | Visits

The results hold numpy arrays only (float32, int32, all finite), so that a bundle can store
them and a storefront can answer from them without the library that made them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from scipy import sparse

from engine.errors import BadInput, NotEnoughData
from engine.events import EVENT_TYPES, TYPE_CODES
from engine.learned import Factors, Neighbours, Scores
from engine.visits import Followers, Visits
from training.interactions import Log, both, interactions, type_tables
from training.models.top_lists import Kind, best_of, chunks, keep
from training.visits import last_items


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
    `log` has the events themselves for families that need time, quantities or orders; `weights`,
    `half_lives` are what made the matrix of it (see `training.interactions`).
    """

    matrix: sparse.csr_matrix
    bought: sparse.csr_matrix
    log: Log
    now: int
    weights: Mapping[str, float] | None = None
    half_lives: Mapping[str, float | None] | None = None
    item_features: Features | None = None
    user_features: Features | None = None
    #: What visitors did whom nobody knows; their user rows are beyond those of the users.
    strangers: Log | None = None

    @property
    def n_users(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def n_items(self) -> int:
        return int(self.matrix.shape[1])

    @property
    def telling(self) -> Log:
        """Everybody's events of the types that speak for an item, strangers' included."""
        log = both(self.log, self.strangers)
        weight, _ = type_tables(self.weights, self.half_lives)
        return log.where((weight[log.type] > 0) & (log.quantity > 0))

    def fading(self, half_life_days: float | None) -> sparse.csr_matrix:
        """The weights with another memory: float32 CSR [users, items].

        The purchase gets this half-life and every other type keeps its ratio to the purchase's;
        infinity never fades, None is the matrix as it is.
        """
        if half_life_days is None:
            return self.matrix
        if not half_life_days > 0:
            raise BadInput("a half-life must be above 0 days; inf never fades", field="half_life_days")
        _, usual = type_tables(self.weights, self.half_lives)
        purchase = usual[TYPE_CODES["purchase"]]
        stretch = half_life_days / (purchase if np.isfinite(purchase) else EVENT_TYPES["purchase"].half_life_days)
        lives = {name: float(usual[code] * stretch) for name, code in TYPE_CODES.items()}
        lives["purchase"] = half_life_days
        return interactions(self.log, self.weights, lives, self.now)


Result = Factors | Neighbours | Scores | Followers | Visits
Learn = Callable[[Interactions, Mapping[str, Any], int, int], Result]


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """One way to learn what a user wants: its name, what it means, its parameters with their defaults."""

    name: str
    meaning: str
    #: (interactions, complete params, seed, threads) -> result; call `fit`, which checks both sides.
    learn: Learn
    defaults: Mapping[str, Any] = field(default_factory=dict)
    needs_time: bool = False
    needs_orders: bool = False
    uses_features: bool = False
    slow: bool = False

    def fit(
        self, interactions: Interactions, params: Mapping[str, Any] | None = None, *, seed: int = 0, threads: int = 1
    ) -> Result:
        """Learn from the interactions.

        Raises BadInput for an unknown parameter, NotEnoughData when there is no interaction at all.
        """
        complete = self.complete(params)
        if interactions.matrix.nnz == 0:
            raise NotEnoughData(f"model {self.name!r} has no interaction to learn from")
        result = self.learn(interactions, complete, seed, threads)
        _refuse_broken(self.name, result)
        return result

    def complete(self, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Fill in the defaults. BadInput for an unknown name (with the nearest known one) or a wrong kind of value."""
        for name in params or {}:
            if name not in self.defaults:
                near = difflib.get_close_matches(name, self.defaults, n=1, cutoff=0.0)
                known = f"did you mean {near[0]!r}?" if near else "it takes none"
                raise BadInput(f"model {self.name!r} has no parameter {name!r}; {known}", field=name)
        for name, value in (params or {}).items():
            wanted = _unlike(value, self.defaults[name])
            if wanted:
                raise BadInput(f"{name} of model {self.name!r} must be {wanted}, not {value!r}", field=name)
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
        keep(dense, interactions.bought[user_rows[part]], kind)
        items[part], scores[part] = best_of(dense, n)
    return items, scores


def score_kinds(result: Result, interactions: Interactions, user_rows: np.ndarray, n: int) -> dict[Kind, np.ndarray]:
    """`score_users` for all three kinds from one pass over the scores: items int32 [len, n] by kind."""
    user_rows = np.asarray(user_rows, dtype=np.int64)
    kinds: tuple[Kind, ...] = ("whole", "repeat", "new")
    lists: dict[Kind, np.ndarray] = {kind: np.full((len(user_rows), n), -1, dtype=np.int32) for kind in kinds}
    for part in chunks(len(user_rows), interactions.n_items):
        dense = _dense_scores(result, interactions, user_rows[part])
        bought = interactions.bought[user_rows[part]]
        lists["whole"][part], _ = best_of(dense, n)
        lists["repeat"][part] = _best_own(dense, bought, n)
        keep(dense, bought, "new")
        lists["new"][part], _ = best_of(dense, n)
    return lists


def _best_own(dense: np.ndarray, bought: sparse.csr_matrix, n: int) -> np.ndarray:
    """The best of what each user bought, looking at nothing else: histories are short beside the catalogue."""
    lists = np.full((len(dense), n), -1, dtype=np.int32)
    for row in range(len(dense)):
        own = np.sort(bought.indices[bought.indptr[row] : bought.indptr[row + 1]])
        scores = dense[row, own]
        best = own[np.argsort(-scores, kind="stable")][:n]
        best = best[dense[row, best] > -np.inf]
        lists[row, : len(best)] = best
    return lists


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
    if isinstance(result, Followers | Visits):
        for row, recent in enumerate(last_items(interactions.log, users)):
            items, scores = result.speak(recent)
            dense[row, items[scores > 0]] = scores[scores > 0]
        return dense
    for row, user in enumerate(users):
        mine = slice(result.indptr[user], result.indptr[user + 1])
        dense[row, result.items[mine]] = result.scores[mine]
    return dense


def _unlike(value: Any, usual: Any) -> str:
    """What kind of value stands where `usual` is the default; empty when `value` is of that kind.

    All numbers are sizes, strengths or days, so none is below 0; a default of None is a half-life not given.
    """
    if isinstance(usual, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(usual, int):
        right = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 0
        return "" if right else "a whole number, 0 or more"
    if value is None and usual is None:
        return ""
    right = isinstance(value, int | float | np.number) and not isinstance(value, bool) and value >= 0
    return "" if right else "a number, 0 or more"


def _refuse_broken(name: str, result: Result) -> None:
    for each in fields(result):
        array = getattr(result, each.name)
        if not np.isfinite(array).all():
            raise NotEnoughData(
                f"model {name!r} came out with numbers that are not finite; its {each.name} are unusable"
            )
