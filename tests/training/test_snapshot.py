"""A snapshot knows nothing of what came after its moment."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from engine.profile import PURCHASE
from tests.trained import TINY
from training.interactions import DAY
from training.shop_data import ShopData
from training.snapshot import interactions_at, snapshot


@pytest.fixture(scope="module")
def moment(tiny_data) -> int:
    return tiny_data.until - 12 * DAY


@pytest.fixture(scope="module")
def then(tiny_data, moment):
    return snapshot(tiny_data, TINY, moment)


def with_another_future(shop: ShopData, moment: int) -> ShopData:
    """Later events happen to other items in other numbers; what was before stays."""
    random = np.random.default_rng(7)
    later = shop.log.time >= moment
    item = np.where(later, random.permutation(shop.log.item), shop.log.item).astype(np.int32)
    kept = ~later | (random.random(len(later)) < 0.5)
    amounts = np.where(later, 5.0, shop.list_amounts)
    return dataclasses.replace(
        shop, log=dataclasses.replace(shop.log, item=item).where(kept), list_amounts=amounts[kept]
    )


def test_another_future_changes_no_file_of_the_bundle(tiny_data, moment, then, tmp_path):
    other = snapshot(with_another_future(tiny_data, moment), TINY, moment)
    then.save(tmp_path / "1")
    other.save(tmp_path / "2")
    names = {path.name for path in (tmp_path / "1").iterdir()} - {"manifest.json"}
    assert len(names) > 30
    changed = [name for name in names if (tmp_path / "1" / name).read_bytes() != (tmp_path / "2" / name).read_bytes()]
    assert changed == []


def test_a_profile_is_the_users_own_events_before_the_moment_oldest_first(tiny_data, moment, then):
    log, weights = tiny_data.log, then.type_weights
    for user in range(0, len(tiny_data.users), 10):
        mine = np.flatnonzero((log.user == user) & (log.time < moment) & (weights[log.type] != 0))
        profile = then.history.profile(user)
        np.testing.assert_array_equal(profile.times, log.time[mine])
        np.testing.assert_array_equal(profile.items, log.item[mine])
        np.testing.assert_array_equal(profile.types, log.type[mine])
        assert np.all(np.diff(profile.times) >= 0)
    assert then.history.times.max() < moment
    assert (then.history.types == PURCHASE).any()


def test_a_type_without_weight_is_in_no_profile(tiny_data, moment):
    quiet = snapshot(tiny_data, dataclasses.replace(TINY, weights={"view": 0.0}), moment)
    seen = interactions_at(tiny_data, TINY, moment).log
    views = seen.of_type("view")
    assert len(views) > 0
    assert not np.isin(quiet.history.types, views.type[:1]).any()


def test_at_the_moment_of_an_event_the_event_is_not_known(tiny_data):
    moment = int(tiny_data.log.time[len(tiny_data.log) // 2])
    seen = interactions_at(tiny_data, TINY, moment)
    assert seen.log.time.max() < moment
    assert len(seen.log) < len(interactions_at(tiny_data, TINY, moment + 1).log)


def test_the_lists_for_everybody_follow_from_the_statistics(then):
    recent = then.statistics.recent
    assert then.popular.items.tolist() == np.argsort(-recent, kind="stable")[: len(then.popular.items)].tolist()
    assert np.all(np.diff(then.popular.scores) <= 0)
    assert len(then.trending.items) > 0
    then.check()
