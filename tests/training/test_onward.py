"""What is learned of visits, and the order of what may come next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from engine.errors import NotEnoughData
from engine.recommend.onward import ONWARD_FEATURES, next_items
from engine.recommend.readied import Readied
from experiments.next_item import every_step, joined
from tests.experiments.visit_shapes import GROUPS, WIDTH, walks
from training.models.contract import Features
from training.onward import learn_onward, learn_order, replay_onward

N_ITEMS = GROUPS * WIDTH


def visits(n: int, seed: int):
    made = walks(n, least=2, most=6, seed=seed)
    return joined(N_ITEMS, [np.array(walk, np.int32) - 1 for walk in made])


@pytest.fixture(scope="module")
def learned():
    return learn_onward(visits(1_500, 1).seen(visitors_a_day=50.0), {}, seed=1, threads=1)


@pytest.fixture(scope="module")
def replayed(learned):
    return replay_onward(learned, every_step(visits(400, 2)).some(900, seed=1).pairs())


def test_items_of_the_same_visits_point_the_same_way(learned):
    alike = learned.taken @ learned.taken.T
    group = np.arange(N_ITEMS) // WIDTH
    same = group[:, None] == group[None, :]
    assert alike[same].mean() > 0.5 > abs(alike[~same]).max()
    assert np.linalg.norm(learned.taken, axis=1) == pytest.approx(np.ones(N_ITEMS), rel=1e-5)


def test_items_of_the_same_words_point_the_same_way_and_without_words_there_is_no_direction():
    seen = visits(300, 3).seen(visitors_a_day=50.0)
    words = sparse.csr_matrix((np.ones(N_ITEMS, np.float32), (np.arange(N_ITEMS), np.arange(N_ITEMS) % 3)))
    described = replace(seen, item_features=Features(words, ("kind=a", "kind=b", "kind=c")))
    told = learn_onward(described, {}, seed=1, threads=1).told
    assert told @ told.T == pytest.approx(
        (np.arange(N_ITEMS)[:, None] % 3 == np.arange(N_ITEMS)[None, :] % 3).astype(float), abs=1e-4
    )
    assert learn_onward(seen, {}, seed=1, threads=1).told.shape == (N_ITEMS, 0)


def test_statistics_count_visits_that_fade_and_the_days_since(learned):
    seen = joined(4, [np.array([0, 1], np.int32), np.array([0, 2], np.int32)]).seen(visitors_a_day=1.0)
    small = learn_onward(seen, {}, seed=1, threads=1)
    assert small.lasting == pytest.approx([1 + 0.5 ** (1 / 90), 0.5 ** (1 / 90), 1, 0], rel=1e-4)
    assert small.recent[1] == pytest.approx(0.5 ** (1 / 7), rel=1e-4)
    assert small.idle == pytest.approx([0, 1, 0, 9999], abs=1e-3)
    assert small.age == pytest.approx([1, 1, 0, 0], abs=1e-3)


def test_a_replay_holds_the_candidates_of_visits_whose_next_item_was_among_them(learned, replayed):
    assert replayed.columns.shape == (len(replayed.bought), len(ONWARD_FEATURES))
    assert replayed.bought.sum() == len(replayed.sizes) > 600
    assert all(replayed.bought[group].sum() == 1 for group in replayed.groups())
    strange = [(np.array([0], np.int32), N_ITEMS - 1)]  # nobody goes from the first group to the last
    assert len(replay_onward(learned, strange).sizes) == 0
    assert replay_onward(learned, []).columns.shape == (0, len(ONWARD_FEATURES))


def test_the_learned_order_puts_the_next_item_of_the_walk_first(learned, replayed):
    order = Readied(learn_order([replayed], seed=1, threads=1))
    first = [next_items(learned, order, np.array([row], np.int32))[0][0] for row in range(N_ITEMS)]
    following = [row // WIDTH * WIDTH + (row + 1) % WIDTH for row in range(N_ITEMS)]
    assert np.mean(np.array(first) == following) > 0.95


def test_the_same_visits_and_seed_give_the_same_arrays(learned, replayed):
    again = learn_onward(visits(1_500, 1).seen(visitors_a_day=50.0), {}, seed=1, threads=2)
    assert np.array_equal(again.followers.weights, learned.followers.weights)
    assert np.array_equal(again.visits.weights, learned.visits.weights)
    one, two = (learn_order([replayed], seed=1, threads=1) for _ in range(2))
    assert np.array_equal(one.leaf_value, two.leaf_value) and np.array_equal(one.values, two.values)


def test_too_few_visits_teach_no_order(replayed):
    few = replayed.where([np.arange(0, int(replayed.sizes[0]))])
    with pytest.raises(NotEnoughData, match="30"):
        learn_order([few], seed=1, threads=1)
