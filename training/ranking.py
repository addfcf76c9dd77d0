"""Learn the order of candidates: replay the past, see what was bought next, export plain arrays.

Two steps, as the storefront takes them: tables, one a feature, that add up (boosted stumps), for all
candidates; then small trees for the best 60. Both minimise LambdaRank's loss (Burges 2010: From RankNet to
LambdaRank to LambdaMART); of what people mostly buy again, other trees may judge each item alone besides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.errors import NotEnoughData
from engine.learned import Ranking
from engine.recommend import ranking
from engine.recommend.features import FEATURES, columns
from engine.recommend.placements import Placement
from engine.recommend.query import Query
from engine.recommend.recommender import candidates
from training.boosting import boost
from training.evaluate import Truth

_STUMPS = 120
#: How many trees learn the order of the best, and how many besides how likely each is bought.
BY_ORDER, BY_BOTH = (64, 0), (48, 48)
_NEGATIVES = 100  # candidates not bought that each user shows to the tables; the trees see the real best 60
_CURVE_USERS, _CURVE_PARTS = 300, (0, 1, 2, 4, 8)  # eighths of the trees
LEAST_LISTS = 30  # fewer lists teach noise
_BOTH = {"lambda_l2": 5.0}
_ADDITIVE = {"objective": "lambdarank", "learning_rate": 0.25, "num_leaves": 2, "min_data_in_leaf": 200, "max_bin": 63}
_ADDITIVE |= {"lambdarank_truncation_level": 60}
_REFINE = {"learning_rate": 0.1, "num_leaves": 16, "max_depth": 6, "min_data_in_leaf": 100, "max_bin": 127}
_REFINE |= {"feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1}
_BY_ORDER = {"objective": "lambdarank", "lambdarank_truncation_level": 30}
_BY_CHANCE = {"objective": "binary", "learning_rate": 0.2}


@dataclass(frozen=True, slots=True)
class Replay:
    """What users' candidates looked like at a past moment, and which of them they bought in the period after.

    `columns` float32 [n, len(FEATURES)], `bought` bool [n], `sizes` the number of candidates of each user.
    """

    columns: np.ndarray
    bought: np.ndarray
    sizes: np.ndarray

    def groups(self) -> Iterator[slice]:
        end = 0
        for size in self.sizes:
            yield slice(end, end + int(size))
            end += int(size)

    def where(self, rows: list[np.ndarray]) -> Replay:
        """Only these rows, given user by user; users left without a row drop out."""
        kept = [each for each in rows if len(each)]
        every = np.concatenate(kept)
        return Replay(self.columns[every], self.bought[every], np.array([len(each) for each in kept]))


def replay(bundle: Bundle, placement: Placement, truth: Truth, most_users: int, *, seed: int) -> Replay:
    """Every user's candidates at the bundle's moment (a sample of `most_users`), labelled by what came next."""
    users = np.flatnonzero(truth.sizes > 0)
    if len(users) > most_users:
        users = np.sort(np.random.default_rng(seed).choice(users, most_users, replace=False))
    now = bundle.manifest.as_of
    blocks, labels, sizes = [], [], []
    for user in users:
        profile = bundle.history.profile(int(user))
        if not len(profile):
            continue
        pool = candidates(Query(placement, profile, now), bundle, placement.sources)
        bought = np.isin(pool.rows, truth.items[truth.indptr[user] : truth.indptr[user + 1]])
        # A user none of whose candidates was bought teaches no order.
        if bought.any():
            blocks.append(columns(profile, bundle, pool, now).T)
            labels.append(bought)
            sizes.append(len(bought))
    if not blocks:
        return Replay(np.zeros((0, len(FEATURES)), np.float32), np.zeros(0, bool), np.zeros(0, np.int64))
    return Replay(np.concatenate(blocks), np.concatenate(labels), np.array(sizes))


def learn(
    replays: Sequence[Replay],
    *,
    seed: int,
    threads: int,
    names: tuple[str, ...] = FEATURES,
    trees: tuple[int, int] = BY_ORDER,
) -> Ranking:
    """The order that would have put what was bought on top; NotEnoughData below 30 users. `names` are the columns'.

    Of `trees` the first number learn the order, on top of the tables; the second, where not 0, how likely each of the
    best is bought, whatever stands beside it (log loss, and nothing of what the tables said). Scores are then the means
    of both, still logarithms of odds.
    """
    users = sum(len(each.sizes) for each in replays)
    if users < LEAST_LISTS:
        raise NotEnoughData(
            f"a ranking needs {LEAST_LISTS} users with a history who then bought what was proposed to them, there are "
            f"{users}; import more users or more of their history"
        )
    common = {**_BOTH, "seed": seed, "num_threads": threads}
    rng = np.random.default_rng(seed)
    thinned = [_thinned(each, rng) for each in replays]
    tables = tables_of(_boost(thinned, {**common, **_ADDITIVE}, _STUMPS, names), names)
    shortlists, start = [], []
    for each in replays:
        scores = ranking.additive(tables, each.columns.T)
        best = [
            np.sort(np.argsort(-scores[group], kind="stable")[: ranking.SHORTLIST]) + group.start
            for group in each.groups()
        ]
        shortlists.append(each.where(best))
        start.append(scores[np.concatenate(best)])
    by_order = _boost(shortlists, {**common, **_REFINE, **_BY_ORDER}, trees[0], names, np.concatenate(start))
    if not trees[1]:
        return with_trees(tables, by_order)
    bought = np.concatenate([each.bought for each in shortlists])
    # One more of each: where everything was bought, or nothing, there are no odds.
    odds = np.log((bought.sum() + 1.0) / ((~bought).sum() + 1.0))
    params = {**common, **_REFINE, **_BY_CHANCE}
    by_chance = _boost(shortlists, params, trees[1], names, np.full(len(bought), odds))
    # In turn, so that the first of them are a smaller model of the same kind.
    both = with_trees(tables, [tree for pair in zip_longest(by_order, by_chance) for tree in pair if tree])
    return dataclasses.replace(both, values=both.values / 2, leaf_value=both.leaf_value / 2)


def learning_curve(learned: Ranking, seen: Replay, k: int) -> list[float]:
    """NDCG@k of replayed candidates by the tables alone, then with an eighth, a quarter, half and all of the trees.

    Over at most 300 users of a period that the ranking was not learned from; what no source proposed
    does not count.
    """
    gains = 1.0 / np.log2(np.arange(2, k + 2))
    found: list[list[float]] = []
    for group in list(seen.groups())[:_CURVE_USERS]:
        ideal = gains[: int(seen.bought[group].sum())].sum()
        by_trees = []
        for part in _CURVE_PARTS:
            count = len(learned.split_at) * part // 8
            fewer = dataclasses.replace(
                learned,
                **{
                    name: getattr(learned, name)[:count]
                    for name in ("split_feature", "split_at", "left", "right", "leaf_value")
                },
            )
            best, _ = ranking.order(fewer, seen.columns[group].T)
            hits = seen.bought[group][best[:k]]
            by_trees.append(float((hits * gains[: len(hits)]).sum() / ideal))
        found.append(by_trees)
    return [float(value) for value in np.mean(found, axis=0)] if found else []


def _thinned(full: Replay, rng: np.random.Generator) -> Replay:
    rows = []
    for group in full.groups():
        bought = full.bought[group]
        others = np.flatnonzero(~bought)
        others = rng.permutation(others)[:_NEGATIVES]
        rows.append(np.sort(np.concatenate([np.flatnonzero(bought), others])) + group.start)
    return full.where(rows)


def _boost(
    replays: Sequence[Replay],
    params: dict[str, Any],
    rounds: int,
    names: tuple[str, ...],
    start: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """The trees of a booster, as nested nodes; `start` are the scores to improve on."""
    found = boost(
        np.concatenate([each.columns for each in replays]),
        np.concatenate([each.bought for each in replays]),
        params,
        rounds,
        names=names,
        sizes=np.concatenate([each.sizes for each in replays]),
        start=start,
    )
    return found.structures()


def tables_of(stumps: list[dict[str, Any]], names: tuple[str, ...] = FEATURES) -> Ranking:
    """Stumps on one feature add up to one step function of it."""
    by_feature: list[list[dict[str, Any]]] = [[] for _ in names]
    for stump in stumps:
        if "split_feature" in stump:  # a stump that found nothing to split is a constant: no order in it
            by_feature[stump["split_feature"]].append(stump)
    steps, values = [], []
    for mine in by_feature:
        at = np.unique([stump["threshold"] for stump in mine])
        table = np.zeros(len(at) + 1)
        for stump in mine:
            first_above = np.searchsorted(at, stump["threshold"]) + 1
            table[:first_above] += stump["left_child"]["leaf_value"]
            table[first_above:] += stump["right_child"]["leaf_value"]
        steps.append(at)
        values.append(table)
    starts = np.cumsum([0, *(len(each) for each in steps)])
    none = np.zeros((0, 1))
    return Ranking(
        step_starts=starts.astype(np.int32),
        steps=np.concatenate(steps),
        values=np.concatenate(values),
        split_feature=none.astype(np.int16),
        split_at=none,
        left=none.astype(np.int16),
        right=none.astype(np.int16),
        leaf_value=none,
    )


def with_trees(tables: Ranking, trees: list[dict[str, Any]]) -> Ranking:
    flat = [_flattened(tree) for tree in trees]
    width = max(len(nodes) for nodes in flat)
    grid = np.zeros((len(flat), width, 5))
    for line, nodes in enumerate(flat):
        grid[line, : len(nodes)] = nodes
    return Ranking(
        step_starts=tables.step_starts,
        steps=tables.steps,
        values=tables.values,
        split_feature=grid[:, :, 0].astype(np.int16),
        split_at=np.ascontiguousarray(grid[:, :, 1]),
        left=grid[:, :, 2].astype(np.int16),
        right=grid[:, :, 3].astype(np.int16),
        leaf_value=np.ascontiguousarray(grid[:, :, 4]),
    )


def _flattened(tree: dict[str, Any]) -> list[tuple[float, ...]]:
    """Nodes as (feature, threshold, left, right, value), the root first; a leaf points to itself."""
    nodes: list[tuple[float, ...]] = []

    def put(node: dict[str, Any]) -> int:
        at = len(nodes)
        nodes.append((0, 0.0, at, at, node.get("leaf_value", 0.0)))
        if "split_feature" in node:
            left, right = put(node["left_child"]), put(node["right_child"])
            nodes[at] = (node["split_feature"], node["threshold"], left, right, 0.0)
        return at

    put(tree)
    return nodes
