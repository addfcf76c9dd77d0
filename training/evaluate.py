"""How good are lists? Full-ranking metrics per user, with bootstrap intervals.

Every metric is an array with one value a user, so that means, intervals and paired differences come
from the same numbers. Users without a truth have no value: they are left out, never counted as 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from engine.errors import BadInput, NotEnoughData
from training.interactions import DAY, Log, purchase_counts
from training.models.contract import Interactions, Result, score_kinds
from training.models.top_lists import Kind


@dataclass(frozen=True, slots=True)
class Truth:
    """What each user did buy in a period: distinct int32 `items`, `indptr` [n_users + 1]."""

    indptr: np.ndarray
    items: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        return np.diff(self.indptr)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of one set of lists: `per_user` arrays belong to the user rows in `users`.

    `catalogue` has what is one figure for all lists: coverage and novelty.
    """

    users: np.ndarray
    per_user: Mapping[str, np.ndarray]
    catalogue: Mapping[str, float]

    def means(self) -> dict[str, float]:
        """Every figure, averaged over the users who have a truth."""
        return {name: float(values.mean()) for name, values in self.per_user.items()} | dict(self.catalogue)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the bounds of its bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Periods:
    """The cuts of a time split in epoch seconds: learn before `validation`, choose on
    [validation, test), report once on [test, end)."""

    validation: int
    test: int
    end: int


def evaluate_kinds(
    result: Result, interactions: Interactions, after: Log, *, k: int = 20, users: np.ndarray | None = None
) -> dict[Kind, Evaluation]:
    """Score everybody who bought something in `after`, and measure the best `k` items of each, by kind of purchase.

    A kind restricts truth and lists alike: all items, only the user's repeats, or only what is new to
    the user; one without any truth is left out. Candidates are all items; the truth holds users and
    items with an event before the cut. `users` restricts it to a sample of user rows.
    """
    truths: dict[Kind, Truth] = {kind: truth_of(after, interactions, kind=kind) for kind in ("whole", "new", "repeat")}
    told = np.flatnonzero(truths["whole"].sizes > 0)
    users = told if users is None else np.intersect1d(users, told)
    lists = score_kinds(result, interactions, users, k)
    popularity = buyers(interactions)
    found: dict[Kind, Evaluation] = {}
    for kind, truth in truths.items():
        if truth.sizes[users].any():
            found[kind] = measure(lists[kind], truth, users=users, popularity=popularity, k=k)
    return found


def measure(lists: np.ndarray, truth: Truth, *, users: np.ndarray, popularity: np.ndarray, k: int = 20) -> Evaluation:
    """The metrics of ready lists, whoever made them: int items [len(users), >= k], padded with -1.

    `users` are the truth's rows that the lists belong to; `popularity` the number of buyers of each item.
    """
    lists = np.asarray(lists, dtype=np.int64)[:, :k]
    _refuse_bad_lists(lists, len(users), len(popularity))
    sizes = truth.sizes[users]
    rows = np.flatnonzero(sizes > 0)
    values = per_user(hits(lists[rows], truth, users[rows], len(popularity)), sizes[rows], k)
    catalogue = {f"coverage@{k}": coverage(lists, len(popularity)), f"novelty@{k}": novelty(lists, popularity)}
    return Evaluation(users=users[rows], per_user=values, catalogue=catalogue)


def per_user(hit: np.ndarray, sizes: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """The metrics at `k` of each user, from the hits by place (bool [n, <= k]) and the truth's size (> 0).

    Recall, NDCG and MAP are held against the best that k places allow: min(k, truth) hits on top.
    """
    places = np.arange(1, hit.shape[1] + 1)
    ideal = np.minimum(sizes, k)
    gains = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))])
    found = hit.sum(axis=1)
    precision_at_place = np.cumsum(hit, axis=1) / places
    first = np.where(found > 0, hit.argmax(axis=1) + 1, 1) if hit.shape[1] else np.ones(len(hit))
    return {
        f"recall@{k}": found / ideal,
        f"ndcg@{k}": (hit / np.log2(places + 1)).sum(axis=1) / gains[ideal],
        f"precision@{k}": found / k,
        f"map@{k}": (hit * precision_at_place).sum(axis=1) / ideal,
        f"hit_rate@{k}": (found > 0).astype(np.float64),
        f"mrr@{k}": np.where(found > 0, 1.0 / first, 0.0),
    }


def hits(lists: np.ndarray, truth: Truth, users: np.ndarray, n_items: int) -> np.ndarray:
    """Which places of the lists are in their user's truth: bool, the shape of `lists`."""
    owner = np.repeat(np.arange(len(truth.indptr) - 1), truth.sizes)
    wanted = owner.astype(np.int64) * n_items + truth.items
    shown = np.asarray(users, dtype=np.int64)[:, None] * n_items + lists
    return np.isin(shown, wanted) & (lists >= 0)


def coverage(lists: np.ndarray, n_items: int) -> float:
    """The share of the catalogue that is in at least one list."""
    return len(np.unique(lists[lists >= 0])) / max(1, n_items)


def novelty(lists: np.ndarray, popularity: np.ndarray) -> float:
    """How unusual the listed items are: mean -log2 of the share of all (user, item) purchases that is theirs.

    An item that nobody bought counts as bought once, so that the figure stays finite.
    """
    shown = lists[lists >= 0]
    if len(shown) == 0:
        return 0.0
    counts = np.maximum(popularity.astype(np.float64), 1.0)
    return float(-np.log2(counts[shown] / counts.sum()).mean())


def truth_of(after: Log, interactions: Interactions, *, kind: Kind = "whole") -> Truth:
    """The distinct items that each user bought in `after`, among users and items with an event before."""
    known_user = np.zeros(interactions.n_users, dtype=bool)
    known_item = np.zeros(interactions.n_items, dtype=bool)
    known_user[interactions.log.user] = True
    known_item[interactions.log.item] = True
    later = purchase_counts(after.where(known_user[after.user] & known_item[after.item]))
    later.data[:] = 1.0
    before = interactions.bought.sign()
    if kind == "repeat":
        later = later.multiply(before).tocsr()
    elif kind == "new":
        later = (later - later.multiply(before)).tocsr()
    later.eliminate_zeros()
    later.sort_indices()
    return Truth(indptr=later.indptr.astype(np.int64), items=later.indices.astype(np.int32))


def buyers(interactions: Interactions) -> np.ndarray:
    """How many users bought each item: int64 [n_items]."""
    return np.bincount(interactions.bought.indices, minlength=interactions.n_items)


def periods(end: int, horizon_days: float) -> Periods:
    """Two equal periods of `horizon_days` before `end` (epoch seconds): validation, then test."""
    if not horizon_days > 0:
        raise BadInput("the horizon must be above 0 days", field="horizon_days")
    step = round(horizon_days * DAY)
    return Periods(validation=end - 2 * step, test=end - step, end=end)


def bootstrap_interval(per_user_values: np.ndarray, seed: int, rounds: int = 1000, *, level: float = 0.95) -> Interval:
    """The mean over users and its percentile interval: users drawn with replacement, `rounds` times."""
    values = np.asarray(per_user_values, dtype=np.float64)
    if len(values) == 0:
        raise NotEnoughData("no user to average over")
    rng = np.random.default_rng(seed)
    means = np.array([values[rng.integers(0, len(values), len(values))].mean() for _ in range(rounds)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean=float(values.mean()), low=float(low), high=float(high))


def paired_difference(
    ours: np.ndarray, theirs: np.ndarray, seed: int, rounds: int = 1000, *, level: float = 0.95
) -> Interval:
    """How much better `ours` is than `theirs`, user by user: both arrays belong to the same users."""
    if len(ours) != len(theirs):
        raise BadInput("a paired difference needs the same users on both sides", field="theirs")
    return bootstrap_interval(np.asarray(ours) - np.asarray(theirs), seed, rounds, level=level)


def _refuse_bad_lists(lists: np.ndarray, n_users: int, n_items: int) -> None:
    if lists.ndim != 2 or len(lists) != n_users:
        raise BadInput("one list a user is needed", field="lists")
    if lists.size == 0:
        return
    if lists.max() >= n_items or lists.min() < -1:
        raise BadInput("a list names an item that the catalogue does not have", field="lists")
    ordered = np.sort(lists, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if repeated.any():
        row = int(np.flatnonzero(repeated.any(axis=1))[0])
        raise BadInput("a list names an item twice", field="lists", position=row)


def truth_from(matrix: sparse.csr_matrix) -> Truth:
    """A truth from a CSR [users, items]: its stored entries, whatever their values."""
    matrix = matrix.tocsr().copy()
    matrix.sum_duplicates()
    return Truth(indptr=matrix.indptr.astype(np.int64), items=matrix.indices.astype(np.int32))
