"""Uplift metrics, beside hand counts, a slow obvious reference, and what chance does."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadInput
from engine.targeting.uplift import (
    Logged,
    best_arms,
    cross_fitted,
    drawn_weights,
    folds,
    point_value,
    policy_value,
    value_difference,
)
from engine.targeting.uplift_curves import curves, qini_difference

#: Six customers: two got nothing, two arm 1, two arm 2, each by a third.
SIX = Logged(
    np.array([0, 0, 1, 1, 2, 2]),
    np.array([1 / 3] * 6),
    np.array([0.0, 6.0, 9.0, 3.0, 12.0, 0.0]),
    np.array([0.0, 0.0, 1.0, 1.0, 2.0, 2.0]),
)


def drawn(rows: int, seed: int = 1, *, effect: float = 0.4):
    """A trial of two arms with unequal chances; arm 1 helps where x > 0, arm 2 nowhere. Also x and the true values."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=rows)
    chance = np.where(x > 0, 0.5, 0.25)
    arm = np.where(draw.random(rows) < chance, 1, np.where(draw.random(rows) < 0.5, 0, 2))
    propensity = np.where(arm == 1, chance, (1 - chance) / 2)
    reward = 1 + x + effect * (arm == 1) * (x > 0) + draw.normal(size=rows)
    return Logged(arm, propensity, reward, 0.1 * (arm > 0)), x


def test_the_value_of_a_policy_is_what_those_who_followed_it_brought_less_its_cost():
    chosen = np.array([0, 1, 1, 2, 2, 0])
    # Rows 0, 2 and 4 got what was chosen, each by a third.
    assert point_value(chosen, SIX, estimator="ips") == pytest.approx(3 * (0 + 8 + 10) / 6)
    assert point_value(chosen, SIX, estimator="snips") == pytest.approx((0 + 8 + 10) / 3)
    found = policy_value(chosen, SIX, seed=1, rounds=50)
    assert (found.value.mean, found.reward.mean, found.cost.mean, found.followed) == pytest.approx((6, 7, 1, 3))


def test_a_model_takes_the_place_of_those_who_got_something_else():
    means = np.tile([2.0, 5.0, 4.0], (6, 1))
    chosen = np.full(6, 1)
    # 5 of everybody, and what the two who got it brought beyond 5: (8 - 5) and (2 - 5), each for three.
    assert point_value(chosen, SIX, means=means, estimator="dr") == pytest.approx(5 + 3 * (3 - 3) / 6)
    assert policy_value(chosen, SIX, means=means, seed=1, rounds=20).value.mean == pytest.approx(5)


def test_values_come_true_and_a_model_makes_them_surer():
    truth = 1 + 0.4 / 2 - 0.1 / 2
    narrow, wide, hits = [], [], 0
    for seed in range(10):
        logged, x = drawn(1_000, seed)
        chosen = np.where(x > 0, 1, 0)
        means = np.stack([1 + x, 1 + x + 0.4 * (x > 0) - 0.1, 1 + x - 0.1], axis=1)
        plain = policy_value(chosen, logged, seed=seed, rounds=100).value
        robust = policy_value(chosen, logged, means=means, seed=seed, rounds=100).value
        hits += robust.low < truth < robust.high
        narrow.append(robust.high - robust.low)
        wide.append(plain.high - plain.low)
    assert hits >= 8
    assert np.mean(narrow) < 0.9 * np.mean(wide)


def test_a_difference_is_that_of_the_values_and_surer_than_they_are():
    logged, x = drawn(1_000)
    ours, theirs = np.where(x > 0, 1, 0), np.full(len(x), 1)
    found = value_difference(ours, theirs, logged, seed=2, rounds=60)
    values = [policy_value(each, logged, seed=2, rounds=60).value for each in (ours, theirs)]
    assert found.mean == pytest.approx(values[0].mean - values[1].mean)
    assert found.high - found.low < values[0].high - values[0].low + values[1].high - values[1].low
    same = value_difference(ours, ours, logged, seed=2, rounds=50)
    assert (same.mean, same.low, same.high, same.is_above_zero) == (0, 0, 0, False)


def test_the_arm_that_earns_most_is_taken_and_none_where_none_earns():
    assert best_arms(np.array([[1.0, 2.0], [-1.0, 0.0], [3.0, -1.0]])).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"chosen": np.array([0, 1])}, "chosen"),
        ({"chosen": np.zeros(6)}, "chosen"),
        ({"chosen": np.array([1, 1, 2, 2, 0, 0])}, "chosen"),
        ({"propensity": np.zeros(6)}, "propensity"),
        ({"propensity": np.full(6, np.nan)}, "propensity"),
    ],
)
def test_what_the_trial_cannot_tell_is_refused(change, field):
    chosen = change.get("chosen", np.zeros(6, int))
    logged = Logged(SIX.arm, change.get("propensity", SIX.propensity), SIX.reward, SIX.cost)
    with pytest.raises(BadInput) as caught:
        policy_value(chosen, logged, seed=1)
    assert caught.value.field == field


def test_all_rows_of_a_customer_are_drawn_together():
    users = np.array([4, 4, 9, 7, 9])
    blocks = np.concatenate(list(drawn_weights(users, 5, seed=3, rounds=40)))
    assert blocks.shape == (41, 5)
    assert blocks[0].tolist() == [1, 1, 1, 1, 1]
    assert (blocks[:, 0] == blocks[:, 1]).all()
    assert (blocks[:, 2] == blocks[:, 4]).all()
    assert (blocks[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_no_row_is_predicted_by_what_learned_from_it():
    users = np.arange(200) % 50
    parts = folds(users, 5, seed=1)
    assert [len(np.unique(parts[users == each])) for each in range(50)] == [1] * 50
    known = cross_fitted(parts, lambda rows: lambda held: np.tile(float(rows[held].any()), (int(held.sum()), 1)))
    assert known.shape == (200, 1)
    assert not known.any()


def slow_curves(scores, chosen, outcome, logged):
    """The definitions, row by row."""
    points = [(0.0, 0.0, 0.0)]
    weight = 1 / logged.propensity
    everybody = weight[(logged.arm == chosen) & (chosen > 0)].sum()
    for level in sorted(set(scores), reverse=True):
        top = scores >= level
        treated, nothing = top & (logged.arm == chosen) & (chosen > 0), top & (logged.arm == 0)
        many, none = weight[treated].sum(), weight[nothing].sum()
        qini = uplift = 0.0
        if many and none:
            won, alone = (weight * outcome)[treated].sum(), (weight * outcome)[nothing].sum()
            qini, uplift = (won - alone * many / none) / everybody, (won / many - alone / none) * top.mean()
        points.append((top.mean(), qini, uplift))
    return np.array(points).T


def test_curves_of_four_customers_by_hand():
    # Best first: treated who bought, untreated who did not, treated who did not, untreated who bought.
    logged = Logged(np.array([1, 0, 1, 0]), np.full(4, 0.5), np.zeros(4), np.zeros(4))
    bought = np.array([1.0, 0.0, 0.0, 1.0])
    found = curves([4, 3, 2, 1], [1, 1, 1, 1], bought, logged, seed=1, rounds=10)
    assert found.x.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.qini_curve.tolist() == [0, 0, 0.5, 0.5, 0]
    assert found.uplift_curve.tolist() == [0, 0, 0.5, 0.375, 0]
    assert found.qini.mean == pytest.approx(0.25 * (0 + 0.25 + 0.5 + 0.25))
    assert found.auuc.mean == pytest.approx(0.25 * (0.25 + 0.4375 + 0.1875))


@pytest.mark.parametrize("levels", [3, 1_000])
def test_curves_are_those_of_the_slow_reference_with_ties_and_several_arms(levels):
    logged, x = drawn(300, 5)
    chosen = np.where(x > 0.5, 2, 1)
    scores = np.round(x * levels / 4)
    found = curves(scores, chosen, logged.reward, logged, seed=1, rounds=5)
    assert np.array([found.x, found.qini_curve, found.uplift_curve]) == pytest.approx(
        slow_curves(scores, chosen, logged.reward, logged)
    )
    x_axis, qini, uplift = slow_curves(scores, chosen, logged.reward, logged)
    assert found.qini.mean == pytest.approx(np.trapezoid(qini, x_axis) - qini[-1] / 2)
    assert found.auuc.mean == pytest.approx(np.trapezoid(uplift, x_axis))


def test_an_order_by_chance_gains_nothing_and_the_true_order_does():
    logged, x = drawn(2_000, 7, effect=1.0)
    chosen = np.ones(len(x), int)
    chance = np.random.default_rng(8).random(len(x))
    random = curves(chance, chosen, logged.reward, logged, seed=1, rounds=60)
    assert random.qini.low < 0 < random.qini.high
    difference = qini_difference((x > 0, chosen), (chance, chosen), logged.reward, logged, seed=1, rounds=60)
    assert difference.is_above_zero


def test_equal_scores_are_one_step():
    logged, _ = drawn(500, 9)
    found = curves(np.zeros(500), np.ones(500, int), logged.reward, logged, seed=1, rounds=5)
    assert (len(found.x), found.qini.mean) == (2, 0)
    json = found.as_json()
    assert len(json["qini_curve"]) == 11
