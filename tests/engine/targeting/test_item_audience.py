"""Users for an item: those whose taste it is come first, by what every source says."""

from __future__ import annotations

import numpy as np
import pytest

from engine.targeting.item_audience import SOURCES, item_audience
from tests.bundles import AS_OF, taste, toy_bundle

BUNDLE = toy_bundle(200, 80)
ITEM = 6
FANS = [user for user in range(1, 200) if taste(user) == taste(ITEM)]
BUYERS = {user for user in FANS if ITEM in BUNDLE.history.profile(user).purchased}


def test_the_users_of_the_items_taste_come_first_and_its_buyers_before_them():
    found = item_audience(BUNDLE, ITEM, now=AS_OF, most=len(FANS))
    # User 0 has the taste too, but no history: only the factors speak for that user.
    assert set(found.rows[: len(FANS)]) - {0} <= set(FANS)
    assert BUYERS
    half = len(FANS) // 2
    assert len(BUYERS & set(found.rows[:half].tolist())) > len(BUYERS & set(found.rows[half:].tolist()))
    assert (np.diff(found.scores) <= 0).all()
    assert found.sources == tuple(SOURCES)


def test_no_more_than_asked_for_and_nobody_of_whom_nothing_is_said():
    assert len(item_audience(BUNDLE, ITEM, now=AS_OF, most=5).rows) == 5
    everybody = item_audience(BUNDLE, ITEM, now=AS_OF, most=10_000)
    assert len(everybody.rows) < 200
    assert (everybody.scores > 0).all()
    assert (everybody.ranks.max(axis=1) > 0).all()


def test_who_bought_it_already_is_left_out_when_new_buyers_are_wanted():
    found = item_audience(BUNDLE, ITEM, now=AS_OF, new_only=True)
    assert BUYERS.isdisjoint(found.rows.tolist())
    assert set(found.rows.tolist()) & set(FANS)


def test_a_prediction_of_the_category_is_one_source_more_and_its_unknowns_say_nothing():
    propensity = np.full(200, np.nan)
    propensity[7] = 0.9  # somebody of another taste
    without = item_audience(BUNDLE, ITEM, now=AS_OF, most=10_000)
    found = item_audience(BUNDLE, ITEM, now=AS_OF, most=10_000, propensity=propensity)
    assert found.sources == (*SOURCES, "category")
    assert set(found.rows.tolist()) == set(without.rows.tolist()) | {7}
    assert found.ranks[found.rows == 7].tolist() == [[0, 0, 0, 1]]


def test_scales_of_sources_do_not_matter():
    propensity = np.linspace(0.01, 0.9, 200)
    small = item_audience(BUNDLE, ITEM, now=AS_OF, propensity=propensity / 1000)
    large = item_audience(BUNDLE, ITEM, now=AS_OF, propensity=propensity)
    assert np.array_equal(small.rows, large.rows)
    assert small.scores == pytest.approx(large.scores)


def test_equal_scores_share_a_place():
    found = item_audience(BUNDLE, ITEM, now=AS_OF, most=10_000, propensity=np.full(200, 0.5))
    assert set(found.ranks[:, -1].tolist()) == {1}


def test_an_item_that_nobody_met_is_for_those_whose_taste_it_is():
    bundle = toy_bundle(40, 80)
    unsold = next(row for row in range(79, -1, -1) if row not in set(bundle.history.items.tolist()))
    found = item_audience(bundle, unsold, now=AS_OF, most=8)
    assert {taste(int(user)) for user in found.rows} == {taste(unsold)}
