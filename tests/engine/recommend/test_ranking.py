"""Ranking against a slow, plain reference."""

from __future__ import annotations

import numpy as np
import pytest

from engine.learned import Ranking
from engine.recommend import ranking
from engine.recommend.readied import Readied


def a_ranking(random, n_features=6, n_trees=9, depth=3):
    steps = [np.sort(random.normal(size=random.integers(0, 5))) for _ in range(n_features)]
    starts = np.r_[0, np.cumsum([len(each) for each in steps])].astype(np.int32)
    inner, n_nodes = 2**depth - 1, 2 ** (depth + 1) - 1
    node = np.arange(n_nodes)
    left = np.where(node < inner, 2 * node + 1, node).astype(np.int16)
    right = np.where(node < inner, 2 * node + 2, node).astype(np.int16)
    return Ranking(
        step_starts=starts,
        steps=np.concatenate(steps),
        values=random.normal(size=starts[-1] + n_features),
        split_feature=random.integers(0, n_features, (n_trees, n_nodes)).astype(np.int16),
        split_at=random.normal(size=(n_trees, n_nodes)),
        left=np.broadcast_to(left, (n_trees, n_nodes)).copy(),
        right=np.broadcast_to(right, (n_trees, n_nodes)).copy(),
        leaf_value=random.normal(size=(n_trees, n_nodes)),
    )


def slow_additive(learned, values):
    total = 0.0
    for feature, value in enumerate(values):
        start, end = learned.step_starts[feature : feature + 2]
        passed = sum(step < value for step in learned.steps[start:end])
        if end > start:
            total += learned.values[start + feature + passed]
    return total


def slow_trees(learned, values):
    total = 0.0
    for tree in range(len(learned.split_at)):
        node = 0
        while learned.left[tree, node] != node:
            below = values[learned.split_feature[tree, node]] <= learned.split_at[tree, node]
            node = (learned.left if below else learned.right)[tree, node]
        total += learned.leaf_value[tree, node]
    return total


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("n", [0, 1, 59, 60, 61, 200])
def test_the_order_is_that_of_the_slow_reference(seed, n):
    random = np.random.default_rng(seed)
    learned = a_ranking(random)
    columns = random.normal(size=(6, n)).astype(np.float32)
    first = np.array([slow_additive(learned, columns[:, each]) for each in range(n)])
    np.testing.assert_allclose(ranking.additive(learned, columns), first)
    by_tables = np.argsort(-first, kind="stable")
    head, tail = by_tables[:60], by_tables[60:]
    refined = np.array([first[each] + slow_trees(learned, columns[:, each]) for each in head])
    order, scores = ranking.order(learned, columns)
    again = np.argsort(-refined, kind="stable")
    assert order.tolist() == [*head[again], *tail]
    np.testing.assert_allclose(scores[: len(head)], refined[again])
    assert np.all(np.diff(scores) <= 1e-12)


def test_a_value_on_a_step_counts_as_below_it():
    learned = a_ranking(np.random.default_rng(0), n_features=1, n_trees=0)
    learned = Ranking(
        np.array([0, 1], np.int32), np.array([2.0]), np.array([10.0, 20.0]),
        *(getattr(learned, name) for name in ("split_feature", "split_at", "left", "right", "leaf_value")),
    )  # fmt: skip
    assert ranking.additive(learned, np.array([[1.0, 2.0, 2.5]], np.float32)).tolist() == [10, 10, 20]
    assert ranking.trees(learned, np.zeros((1, 3), np.float32)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("most", [0, 1, 7, 60, 199, 200, 300])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_scores_are_found_without_sorting_all_and_equal_ones_keep_their_order(seed, most):
    random = np.random.default_rng(seed)
    skewed = np.exp(random.normal(size=200) * 20)
    for scores in (random.normal(size=200), random.integers(0, 5, 200) / 1.0, np.zeros(200), skewed, -skewed):
        assert ranking.best(scores, most).tolist() == np.argsort(-scores, kind="stable")[:most].tolist()
    assert ranking.best(np.zeros(0), most).tolist() == []


@pytest.mark.parametrize("most", [1, 60, 61, 90, 200])
def test_the_first_places_are_the_same_when_no_more_are_asked_for(most):
    random = np.random.default_rng(most)
    learned = a_ranking(random)
    table = ranking.Columns(random.normal(size=(6, 150)).astype(np.float32))
    order, scores = ranking.order_of(table, Readied(learned))
    first, told = ranking.order_of(table, Readied(learned), most)
    assert len(first) >= min(most, 150)
    assert first.tolist() == order[: len(first)].tolist()
    assert told.tolist() == scores[: len(first)].tolist()
