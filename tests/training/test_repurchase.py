"""How soon items are bought again: found in shops where it was planted."""

from __future__ import annotations

import numpy as np
import pytest

from engine.events import TYPE_CODES
from engine.learned import NEVER
from training.interactions import DAY, Log
from training.repurchase import repurchase

NOW = 1_700_000_000


def a_log(lines: list[tuple[int, int, float]], n_items: int) -> Log:
    """Purchases as (user, item, days ago)."""
    lines = sorted(lines, key=lambda each: -each[2])
    user, item, age = (np.array(each) for each in zip(*lines, strict=True)) if lines else (np.zeros(0),) * 3
    n = len(lines)
    return Log(
        n_users=int(user.max(initial=-1)) + 1,
        n_items=n_items,
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        type=np.full(n, TYPE_CODES["purchase"], np.uint8),
        time=(NOW - age * DAY).astype(np.int64),
        quantity=np.ones(n, np.float32),
        order=np.full(n, -1),
    )


def planted(seed: int, *, differ: float, users=400) -> Log:
    """Item i is bought every 5 * (i + 1) days, by each user a factor oftener or less often, with noise."""
    random = np.random.default_rng(seed)
    lines = []
    for user in range(users):
        for item in range(4):
            mine = 5.0 * (item + 1) * np.exp(random.normal(0, differ))
            age = 300.0 * random.random()
            while age > 0:
                lines.append((user, item, age))
                age -= mine * np.exp(random.normal(0, 0.3))
    return a_log(lines, 5)


def test_planted_intervals_and_rates_are_found():
    found = repurchase(planted(1, differ=0.1), np.zeros(5, np.int32), NOW)
    assert np.exp(found.interval[:4]) == pytest.approx([5, 10, 15, 20], rel=0.1)
    assert 1 / found.pace[:4] == pytest.approx([5, 10, 15, 20], rel=0.15)
    assert np.log(5) < found.interval[4] < np.log(20), "what nobody bought is as its category"
    assert found.interval.dtype == found.pace.dtype == found.strength.dtype == np.float32


def test_the_more_users_differ_the_less_the_item_weighs():
    alike, different = (
        repurchase(planted(2, differ=each), np.zeros(5, np.int32), NOW).strength for each in (0.05, 0.9)
    )
    assert alike[0] > 5 > 1 > different[0], "variance of one's intervals 0.09, between people 0.0025 and 0.81"
    assert alike[1] > different[1]


def test_a_rare_item_is_as_its_category_and_one_without_as_all():
    lines = [(user, 0, 10.0 * step) for user in range(50) for step in range(1, 20)]
    lines += [(user, 1, 50.0 * step) for user in range(50) for step in range(1, 5)]
    lines += [(0, 2, 30.0), (0, 3, 30.0)]
    found = repurchase(a_log(lines, 4), np.array([0, 1, 1, -1], np.int32), NOW)
    weeks = np.exp(found.interval)
    assert weeks[0] == pytest.approx(10, rel=0.05)
    assert weeks[1:3] == pytest.approx([50, 50], rel=0.05)
    assert 10 < weeks[3] < 50
    assert found.pace[0] > found.pace[3] > found.pace[2]


def test_lines_of_one_visit_are_one_purchase():
    once = [(user, 0, 20.0 * step) for user in range(30) for step in range(1, 8)]
    twice = once + [(user, item, age + 0.1) for user, item, age in once]
    one, two = (repurchase(a_log(lines, 1), np.zeros(1, np.int32), NOW) for lines in (once, twice))
    assert np.exp(one.interval) == pytest.approx(np.exp(two.interval), rel=0.02)
    assert one.pace == pytest.approx(two.pace, rel=0.02)


@pytest.mark.parametrize("lines", [[], [(0, 0, 3.0)], [(0, 0, 3.0), (1, 1, 5.0)]])
def test_a_shop_where_nothing_is_bought_again_has_finite_figures_and_nothing_is_due(lines):
    found = repurchase(a_log(lines, 3), np.array([0, -1, 0], np.int32), NOW)
    assert found.interval == pytest.approx([np.log(NEVER)] * 3)
    assert np.isfinite(found.strength).all()
    assert (found.pace > 0).all()


def test_what_lies_in_the_same_order_of_time_changes_nothing():
    log = planted(3, differ=0.3, users=60)
    random = np.random.default_rng(4).permutation(len(log))
    one, other = (repurchase(each, np.zeros(5, np.int32), NOW) for each in (log, log.where(random)))
    np.testing.assert_allclose(one.interval, other.interval, rtol=1e-6)
    np.testing.assert_allclose(one.strength, other.strength, rtol=1e-5)
