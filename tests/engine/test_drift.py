"""How far what happens now is from what was learned."""

from __future__ import annotations

import numpy as np
import pytest

from engine.drift import by_group, mix_of, popularity_groups, purchases_of, score_stability, stability
from engine.events import EVENT_TYPES, TYPE_CODES
from engine.profile import History
from tests.bundles import AS_OF, DAY


def test_the_same_shares_are_no_drift_whatever_their_number():
    assert stability(np.array([10.0, 30.0, 60.0]), np.array([1.0, 3.0, 6.0])) == pytest.approx(0.0)


def test_a_shift_counts_by_hand():
    """(0.7 - 0.5) ln(0.7 / 0.5) + (0.3 - 0.5) ln(0.3 / 0.5), the same from either side."""
    expected = 0.2 * np.log(1.4) - 0.2 * np.log(0.6)
    one, other = np.array([50.0, 50.0]), np.array([700.0, 300.0])
    assert stability(one, other) == pytest.approx(expected)
    assert stability(other, one) == pytest.approx(expected)


def test_a_group_that_nobody_was_in_before_is_much_and_yet_finite():
    found = stability(np.array([100.0, 0.0]), np.array([80.0, 20.0]))
    assert 0.25 < found < 2.0


def test_items_are_grouped_by_tenths_of_what_is_bought():
    bought = np.array([0.0, 500.0, *[10.0] * 50])
    groups = popularity_groups(bought)
    assert groups[0] == 10  # never bought
    assert groups[1] == 0  # half of all purchases, which begins in the first tenth
    assert groups[2:].min() == 5  # the other half
    assert groups[2:].max() == 9
    assert np.bincount(groups[2:], minlength=11)[5:10].tolist() == [10] * 5


def test_purchases_of_strangers_are_a_group_of_their_own():
    groups = popularity_groups(np.array([5.0, 5.0]))
    assert by_group(groups, np.array([3.0, 4.0]), 2.0).tolist() == [3.0, 0, 0, 0, 0, 4.0, 0, 0, 0, 0, 0, 2.0]


def test_history_tells_of_the_window_before_the_bundle_only():
    purchase, view = TYPE_CODES["purchase"], TYPE_CODES["view"]
    history = History(
        indptr=np.array([0, 4]),
        items=np.array([1, 0, 0, 1], np.int32),
        types=np.array([purchase, purchase, view, purchase], np.uint8),
        times=AS_OF - np.array([40, 20, 10, 1]) * DAY,
        quantities=np.ones(4, np.float32),
    )
    assert purchases_of(history, AS_OF, 3).tolist() == [1, 1, 0]
    mix = mix_of(history, AS_OF, np.ones(len(EVENT_TYPES), bool))
    assert (mix[purchase], mix[view], mix.sum()) == (2, 1, 3)


def test_scores_are_counted_within_the_tenths_of_those_before():
    before = np.arange(1000.0).tolist()
    assert score_stability(before, np.arange(0.5, 1000.0, 2.0).tolist()) == pytest.approx(0.0, abs=1e-3)
    assert score_stability(before, [999.0] * 300) > 1
    assert score_stability([1.0] * 300, [1.0] * 300) == pytest.approx(0.0)
