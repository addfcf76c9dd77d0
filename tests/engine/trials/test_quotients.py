"""Quotients: their bounds hold the truth also where what is divided by is poorly known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.trials.effects import Arm, arm_of, difference, ratio_of_means
from engine.trials.quotients import Quotient, mean_quotient, part_told, ratio_quotient

RUNS = 2_000


def arms(draw, n, lift=0.0):
    """Rare and heavy revenue beside what was spent before, of which it is made in part."""
    made = []
    for rate in (0.1 * (1 + lift), 0.1):
        before = draw.lognormal(3, 0.5, n)
        made.append(np.column_stack([(draw.random(n) < rate) * before * draw.lognormal(0, 0.5, n), before]))
    return made


def held(make, truth, reach=1.96):
    """How often the bounds hold it, of those that are told; and how many are."""
    found = [each.bounds(reach) for each in make]
    told = [each for each in found if each is not None]
    return np.mean([low <= truth <= high for low, high in told]), len(told) / len(found)


def test_bounds_hold_the_truth_as_often_as_they_say_where_little_is_known():
    draw = np.random.default_rng(3)
    pairs = [tuple(map(arm_of, arms(draw, 150, 0.5))) for _ in range(RUNS)]
    part, told = held([mean_quotient(*each, 0, given=[1]) for each in pairs], 0.5)
    assert part >= 0.93
    assert told > 0.5


def test_with_much_known_they_are_those_of_the_delta_method():
    draw = np.random.default_rng(4)
    treated, control = map(arm_of, arms(draw, 200_000, 0.2))
    mine = mean_quotient(treated, control, 0)
    above, below = (each.covariances[0, 0] / each.n for each in (treated, control))
    change = treated.means[0] / control.means[0] - 1
    wide = 1.96 * math.sqrt(above + (1 + change) ** 2 * below) / control.means[0]
    assert mine.change == pytest.approx(change)
    assert mine.bounds(1.96) == pytest.approx((change - wide, change + wide), rel=0.05)


@pytest.mark.parametrize("given", [(), (1,)])
def test_zero_is_within_where_it_is_within_the_difference(given):
    draw = np.random.default_rng(5)
    for _ in range(200):
        treated, control = map(arm_of, arms(draw, 400, draw.uniform(0, 1)))
        change, bounds = (
            difference(treated, control, 0, given=given),
            mean_quotient(treated, control, 0, given=given).bounds(2.0),
        )
        if bounds is not None:
            assert (abs(change.value) <= 2 * change.error) == (bounds[0] <= 0 <= bounds[1])


def test_ratios_of_sums_are_divided_too():
    draw = np.random.default_rng(6)

    def arm(rate):
        shown = draw.poisson(40, 400) + 1.0
        return arm_of(np.column_stack([draw.binomial(shown.astype(int), rate), shown]))

    pairs = [(arm(0.12), arm(0.1)) for _ in range(RUNS)]
    part, told = held([ratio_quotient(*each, 0, 1) for each in pairs], 0.2)
    assert (part, told) == (pytest.approx(0.95, abs=0.02), 1.0)
    treated, control = pairs[0]
    change = ratio_of_means(treated, control, 0, 1).value
    assert ratio_quotient(treated, control, 0, 1).change == pytest.approx(
        change / (control.means[0] / control.means[1])
    )


def test_what_cannot_be_divided_says_so():
    nothing = Arm(3, np.zeros(2), np.zeros((2, 2)))
    assert ratio_quotient(nothing, nothing, 0, 1) is None
    assert math.isnan(mean_quotient(nothing, nothing, 0).change)
    unsure = Quotient(1.0, 0.1, 1.0, 1.0, 0.0)
    assert unsure.bounds(2.0) is None
    assert part_told(unsure, 2.0) == {"value": pytest.approx(9.0), "low": None, "high": None}
    nowhere = {"value": None, "low": None, "high": None}
    assert part_told(mean_quotient(nothing, nothing, 0), 2.0) == part_told(None, 2.0) == nowhere
