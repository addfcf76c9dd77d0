"""The benchmark of placements' experiments, in small: daily looks mislead seldom, and explored lists tell the truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from experiments.experiments_bench import SMALL, evenings, measured
from experiments.exploring_bench import Size, measure_exploring, shoppers
from tests.bundles import toy_bundle


def test_a_small_run_asks_what_the_whole_one_asks():
    found = measured(SMALL, seed=1)
    nothing, planted = found.figures["nothing"], found.figures["planted"]
    assert nothing["tests"] == 8
    assert nothing["beyond"]["click_through"] <= 0.25
    assert planted["found"] >= 0.5  # of four
    assert planted["held"]["click_through"] >= 0.5
    assert found.figures["sample_ratio"]["rings_at_51"]
    assert len(found.asked) == 4 + 1 + 2 + 1 + 2


def test_people_come_again_and_keep_their_variant_and_what_they_did():
    days = list(evenings(("b",), 0.0, 1, np.random.default_rng(1)))
    assert len(days) == 28
    for before, after in pairwise(days):
        same = np.isin(after.unit, before.unit)
        assert len(after.unit) >= len(before.unit) == same.sum()
        assert (after.variant[same] == before.variant).all()
        assert (after.clicks[same] >= before.clicks).all()


@pytest.fixture(scope="module")
def explored():
    bundle = toy_bundle(n_users=60, n_items=300)
    assert len(shoppers(bundle, 30)) == 30
    return measure_exploring(bundle, Size(logs=40, lists=400, comers=40, people=30, timed=40), seed=1)


@pytest.mark.parametrize("how", ["by_chance", "by_results"])
def test_estimates_of_explored_lists_are_off_by_chance_alone(explored, how):
    for what in ("without", "other"):
        found = explored.figures[how][what]
        for name, held in found["held"].items():
            # Other lists rest on a handful of clicks here, and a handful is skewed.
            assert held >= (0.8 if what == "without" else 0.5), (what, name)
            assert abs(found["bias"][name]) < 4 * found["error_of_bias"][name], (what, name)


def test_what_an_experiment_costs_an_answer_is_told_as_a_ratio(explored):
    costs = explored.figures["costs"]
    assert costs["experiment_ratio"] == pytest.approx(costs["experiment_us"] / costs["plain_us"])
    assert len(explored.asked) == 2 * (2 + 3) + 1
