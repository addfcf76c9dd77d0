"""Thresholds of classes: suggested ones hold what they promise, and where there is none it is said why."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine.targeting.class_thresholds import (
    LARGEST,
    SMALLEST,
    Room,
    is_odd,
    stability,
    suggest_threshold,
    trait_of,
)
from engine.targeting.segment_text import parse_rule_text
from engine.targeting.segments import Words
from engine.targeting.traits import TRAIT_FIELDS

WORDS = Words(TRAIT_FIELDS, {"churn": "number"})


def rule(text):
    return parse_rule_text(text, WORDS)


def room(values, *, customers=None, by_hand=0):
    values = np.asarray(values, float)
    return Room(len(values) if customers is None else customers, by_hand, values)


def holds(suggested, values):
    found = suggested.parts if hasattr(suggested, "parts") else (suggested,)
    tests = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}
    return int(np.logical_and.reduce([tests[each.op](values, each.value) for each in found]).sum())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("spend > 90000", 250), ("spend <= 3", 250), ("spend >= 0", 250), ("spend >= 900 and spend < 950", 250)],
)
def test_a_bound_is_moved_so_that_the_class_holds_an_equal_part(text, expected):
    values = np.arange(1000.0)
    found = suggest_threshold(rule(text), room(values), classes=4)
    assert found.size == expected == holds(found.rule, values)


def test_customers_by_hand_count_and_customers_elsewhere_do_not():
    values = np.arange(100.0)
    found = suggest_threshold(rule("spend > 90"), room(values, customers=1000, by_hand=180), classes=5)
    assert (found.size, holds(found.rule, values)) == (200, 20)


@given(
    some.lists(some.integers(0, 20), min_size=50, max_size=300),
    some.sampled_from(["spend > 19", "spend <= 30", "spend >= 3 and spend < 5"]),
    some.integers(1, 6),
    some.integers(0, 40),
)
def test_what_is_suggested_always_holds_what_it_says_and_is_a_sound_part(values, text, classes, by_hand):
    here = room(values, customers=len(values) + by_hand, by_hand=by_hand)
    found = suggest_threshold(rule(text), here, classes=classes)
    assert found.reason
    if found.rule is not None:
        assert found.size == holds(found.rule, here.values) + by_hand
        assert not is_odd(found.size / here.customers)


@pytest.mark.parametrize(
    ("text", "values", "told"),
    [
        (None, [1, 2, 3], "by hand"),
        ("spend >= 5 and orders > 2", [1, 2, 3], "no bound of one numeric trait"),
        ("spend = 5", [1, 2, 3], "no bound of one numeric trait"),
        ('region = "x"', [1, 2, 3], "no bound of one numeric trait"),
        ("not spend > 5", [1, 2, 3], "no bound of one numeric trait"),
        ("count(view, 30d) > 5", [1, 2, 3], "no bound of one numeric trait"),
        ("orders >= 1", [7.0] * 100, "share the same orders of 7"),
        ("orders >= 1", [], "only 0 customers are left"),
        ("orders >= 9 and orders < 2", [5.0] * 100, "only 0 customers are left"),
    ],
)
def test_where_there_is_no_threshold_it_is_said_why(text, values, told):
    found = suggest_threshold(text and rule(text), room(values, customers=100), classes=3)
    assert (found.rule, found.size) == (None, None)
    assert told in found.reason


def test_a_class_filled_by_hand_beyond_measure_is_no_matter_of_thresholds():
    found = suggest_threshold(rule("spend > 1"), room(np.arange(10.0), customers=100, by_hand=80), classes=2)
    assert "80 customers are in it by hand" in found.reason


def test_only_a_rule_that_bounds_one_number_has_a_trait_to_ask():
    assert trait_of(rule("spend > 1 and spend < 5")) == "spend"
    assert trait_of(rule('prediction("churn") > 0.5')) is None
    assert trait_of(None) is None


def test_the_stability_index_is_0_for_equal_parts_and_grows_with_the_shift():
    assert stability([500, 300, 200], [1000, 600, 400]) == pytest.approx(0, abs=1e-5)
    half = stability([500, 500], [900, 100])
    assert half == pytest.approx(0.4 * math.log(0.9 / 0.5) + -0.4 * math.log(0.1 / 0.5), rel=0.02)
    assert half > stability([500, 500], [600, 400]) > 0
    assert math.isfinite(stability([0, 10], [10, 0]))


def test_odd_is_under_two_and_over_seventy_per_cent():
    assert [is_odd(each) for each in (0.0, 0.019, SMALLEST, 0.3, LARGEST, 0.71)] == [True, True, *[False] * 3, True]
