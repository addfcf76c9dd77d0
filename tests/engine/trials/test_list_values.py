"""List values: what other lists would have brought, held against a truth that is known."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadInput
from engine.trials.list_values import Expected, ShownPlaces, difference_from_logged, list_value, logged_value

PLACES, CHOICES = 3, 4


def simulated(draw, lists, worth, chances):
    """`lists` lists of PLACES places; each shows one of CHOICES by chance and is clicked as often as it is worth."""
    shown = np.array([[draw.choice(CHOICES, p=chances[k]) for k in range(PLACES)] for _ in range(lists)])
    place = np.tile(np.arange(PLACES), lists)
    clicks = (draw.random(shown.size) < worth[place, shown.ravel()]).astype(float)
    logged = ShownPlaces(
        list=np.repeat(np.arange(lists), PLACES),
        propensity=chances[place, shown.ravel()],
        reward=clicks,
        unit=np.arange(lists) // 2,
    )
    return logged, place, shown.ravel()


@pytest.fixture(scope="module")
def found():
    draw = np.random.default_rng(5)
    worth = draw.uniform(0.05, 0.5, (PLACES, CHOICES))
    chances = draw.dirichlet(np.full(CHOICES, 2.0), PLACES)
    wanted = np.array([3, 1, 0])
    truth = float(worth[np.arange(PLACES), wanted].sum())
    rows = []
    for _ in range(300):
        logged, place, shown = simulated(draw, 300, worth, chances)
        chance = (shown == wanted[place]).astype(float)
        model = worth + draw.normal(0.05, 0.05, worth.shape)  # a model that is wrong
        expected = Expected(model[place, shown], np.full(300, model[np.arange(PLACES), wanted].sum()))
        rows.append((list_value(chance, PLACES, logged, expected=expected), difference_from_logged(chance, logged),
                     logged_value(logged)))  # fmt: skip
    shown_truth = float((worth * chances).sum())
    return rows, truth, shown_truth


@pytest.mark.parametrize("name", ["ips", "snips", "doubly_robust"])
def test_estimates_hold_the_truth_as_often_as_they_say_and_are_off_by_chance_alone(found, name):
    rows, truth, _ = found
    values = np.array([getattr(each, name).value for each, _, _ in rows])
    errors = np.array([getattr(each, name).error for each, _, _ in rows])
    held = np.mean(np.abs(values - truth) <= 2 * errors)
    assert held >= 0.92
    assert np.mean(errors) == pytest.approx(values.std(), rel=0.2)
    if name != "snips":  # whose bias vanishes with the lists only
        assert abs(values.mean() - truth) < 4 * values.std() / np.sqrt(len(values))


def test_the_difference_is_that_of_the_two_values(found):
    rows, truth, shown = found
    values = np.array([difference.value for _, difference, _ in rows])
    assert abs(values.mean() - (truth - shown)) < 4 * values.std() / np.sqrt(len(values))
    for value, difference, logged in rows[:5]:
        assert difference.value == pytest.approx(value.ips.value - logged.value)


def test_what_the_log_could_not_show_is_told(found):
    rows, _, _ = found
    assert np.mean([value.covered for value, _, _ in rows]) == pytest.approx(1.0, abs=0.02)
    logged = ShownPlaces(np.array([0, 0, 1, 1]), np.ones(4), np.array([1.0, 0, 1, 0]), np.array([0, 1]))
    half = list_value(np.array([1.0, 0, 1, 0]), 2, logged)
    assert (half.covered, half.effective, half.ips.value, half.snips.value) == (0.5, 2.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("chance", "propensity", "field"),
    [([0.0, 0.0], [1.0, 1.0], "chance"), ([2.0, 1.0], [1.0, 1.0], "chance"), ([1.0], [1.0, 1.0], "chance"),
     ([1.0, 1.0], [0.0, 1.0], "propensity"), ([1.0, np.nan], [1.0, 1.0], "chance")],
)  # fmt: skip
def test_chances_that_cannot_be_are_refused_by_name(chance, propensity, field):
    logged = ShownPlaces(np.array([0, 1]), np.array(propensity), np.ones(2), np.array([0, 1]))
    with pytest.raises(BadInput) as refused:
        list_value(np.array(chance), 1, logged)
    assert refused.value.field == field
