"""Sequences of items, cut at a step, and lists judged by what came."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.next_item import Steps, every_step, joined, judge, last_steps
from training.interactions import DAY
from training.onward import learn_onward, learn_order, replay_onward


def sequences(*each, n_items=20):
    return joined(n_items, [np.array(items, np.int32) for items in each])


def contents(found):
    return [found[visitor].tolist() for visitor in range(len(found))]


def test_a_part_the_first_items_and_what_is_known_elsewhere():
    made = sequences([1, 2, 3], [4], [5, 6])
    assert contents(made) == [[1, 2, 3], [4], [5, 6]]
    assert contents(made.between(1, 3)) == [[4], [5, 6]]
    assert contents(made.without_last(1)) == [[1, 2], [], [5]]
    assert contents(made.without_last(0)) == contents(made)
    assert contents(made.known_in(sequences([2, 3], [5]))) == [[2, 3], [], [5]]


def test_a_visit_is_cut_before_each_of_its_items_but_the_first():
    steps = every_step(sequences([1, 2, 3], [4], [5, 6]))
    assert (contents(steps.seen), steps.wanted.tolist()) == ([[1], [1, 2], [5]], [2, 3, 6])
    last = last_steps(sequences([1, 2, 3], [5, 6]))
    assert (contents(last.seen), last.wanted.tolist()) == ([[1, 2], [5]], [3, 6])
    assert len(every_step(sequences([4]))) == 0


def test_a_sample_of_steps_is_drawn_once_and_keeps_what_belongs_together():
    steps = every_step(sequences(*([item, item + 1, item + 2] for item in range(15))))
    some = steps.some(7, seed=1)
    assert len(some) == 7 and steps.some(100, seed=1) is steps
    assert all(items[-1] + 1 == wanted for items, wanted in some.pairs())
    assert some.wanted.tolist() == steps.some(7, seed=1).wanted.tolist()


def test_visitors_come_in_their_order_and_take_a_step_a_second():
    seen = sequences([1, 2], [3, 4, 5]).seen(visitors_a_day=2.0)
    assert seen.log.user.tolist() == [0, 0, 1, 1, 1]
    assert seen.log.time.tolist() == [0, 1, DAY // 2, DAY // 2 + 1, DAY // 2 + 2]
    assert seen.now == DAY // 2 + 3 and seen.matrix.shape == (2, 20)
    together = sequences([1, 2], [3, 4]).seen(visitors_a_day=float("inf"))
    assert together.log.time.tolist() == [0, 1, 0, 1]


@pytest.fixture(scope="module")
def learned():
    """Everybody goes 0 1 2 3 ... 9."""
    line = sequences(*([list(range(start, start + 5)) for start in range(6)] * 3), n_items=10)
    return learn_onward(line.seen(visitors_a_day=100.0), {}, seed=1, threads=1)


def test_the_place_of_the_wanted_item_is_measured_and_what_is_not_listed_counts_nothing(learned):
    seen = sequences([3], [3], n_items=10)
    found = judge(learned, None, Steps(seen, np.array([4, 9])), 3, repeats=False)
    assert found.measures["hit_rate@3"].tolist() == [1.0, 0.0]
    assert found.measures["mrr@3"][0] == 1.0 and found.measures["ndcg@3"][0] == 1.0
    assert found.means() == {name: values.mean() for name, values in found.measures.items()}
    assert (found.seconds > 0).all()


def test_what_was_seen_is_listed_only_where_it_may_come_again(learned):
    seen, wanted = sequences([3, 4], n_items=10), np.array([3])
    steps = Steps(seen, wanted)
    order = learn_order([replay_onward(learned, [*steps.pairs()] * 40)], seed=1, threads=1)
    may, may_not = (judge(learned, order, steps, 5, repeats=repeats) for repeats in (True, False))
    assert may.measures["hit_rate@5"][0] == 1.0 and may_not.measures["hit_rate@5"][0] == 0.0
