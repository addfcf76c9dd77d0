"""Weights and half-lives are decided by the validation period, one knob at a time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from engine.events import EVENT_TYPES, TYPE_CODES
from tests.trained import TINY
from training.choose import choose
from training.evaluate import periods
from training.interactions import DAY


@pytest.fixture(scope="module")
def cuts(tiny_data):
    return periods(tiny_data.until // DAY * DAY, 9)


@pytest.fixture(scope="module")
def chosen(tiny_data, cuts):
    return choose(tiny_data, TINY, cuts)


def only(shop, *names):
    kept = np.isin(shop.log.type, [TYPE_CODES[name] for name in names])
    return dataclasses.replace(shop, log=shop.log.where(kept), list_amounts=shop.list_amounts[kept])


def test_every_type_gets_a_weight_and_a_half_life(chosen):
    best, _ = chosen
    assert best.weights.keys() == best.half_lives.keys() == EVENT_TYPES.keys()
    assert best.weights["purchase"] == EVENT_TYPES["purchase"].weight


def test_each_knob_takes_what_measured_best(chosen):
    best, tried = chosen
    lives = (30.0, 60.0, 120.0, 365.0)
    assert best.half_lives["purchase"] == lives[int(np.argmax(tried["purchase half-life"]))]
    strength = (0.0, 0.5, 1.0, 2.0, 4.0)[int(np.argmax(tried["browsing strength"]))]
    for name in ("view", "click", "cart_add"):
        assert best.weights[name] == EVENT_TYPES[name].weight * strength
    assert all(0 <= each <= 1 for values in tried.values() for each in values)
    assert len(set(tried["browsing strength"])) > 1  # browsing matters in this shop


def test_what_the_recipe_says_stays(tiny_data, cuts):
    recipe = dataclasses.replace(
        TINY,
        weights={"view": 0.125},
        half_lives={"purchase": 77.0, "click": 3.0, "cart_add": 4.0, "wishlist_add": 5.0},
    )
    best, tried = choose(tiny_data, recipe, cuts)
    assert "purchase half-life" not in tried
    assert "browsing half-life" not in tried
    assert best.weights["view"] == 0.125
    assert {name: best.half_lives[name] for name in recipe.half_lives} == recipe.half_lives


def test_what_the_shop_never_recorded_is_not_tried(tiny_data, cuts):
    best, tried = choose(only(tiny_data, "purchase"), TINY, cuts)
    assert tried.keys() == {"purchase half-life"}
    assert best.weights == {name: each.weight for name, each in EVENT_TYPES.items()}


def test_the_test_period_is_not_looked_at(tiny_data, cuts, chosen):
    before = tiny_data.log.time < cuts.test
    shop = dataclasses.replace(tiny_data, log=tiny_data.log.where(before), list_amounts=tiny_data.list_amounts[before])
    assert choose(shop, TINY, cuts) == chosen
