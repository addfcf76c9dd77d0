"""Item statistics against a slow reference that reads like the definitions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine.catalog import Catalog
from engine.events import TYPE_CODES
from engine.ids import TextTable
from engine.learned import NEVER
from training.interactions import DAY, Log
from training.statistics import best_of_category, growth, item_statistics, leaders

NOW = 1_700_000_000


def a_log(seed: int, n_users=12, n_items=9, lines=150) -> tuple[Log, np.ndarray]:
    """Purchases in the order of time; the last item never sells, some amounts are not known."""
    random = np.random.default_rng(seed)
    log = Log(
        n_users=n_users,
        n_items=n_items,
        user=random.integers(0, n_users, lines).astype(np.int32),
        item=random.integers(0, n_items - 1, lines).astype(np.int32),
        type=np.full(lines, TYPE_CODES["purchase"], np.uint8),
        time=np.sort(NOW - random.integers(1, 200 * DAY, lines)),
        quantity=random.integers(0, 4, lines).astype(np.float32),
        order=np.full(lines, -1),
    )
    return log, np.where(random.random(lines) < 0.2, np.nan, random.integers(100, 900, lines).astype(float))


def slow(log: Log, amounts: np.ndarray, item: int) -> dict[str, float]:
    lines = [
        (int(user), (NOW - int(time)) / DAY, float(quantity), float(amount))
        for user, each, time, quantity, amount in zip(log.user, log.item, log.time, log.quantity, amounts, strict=True)
        if each == item
    ]
    by_user: dict[int, list[float]] = {}
    for user, age, _, _ in lines:
        by_user.setdefault(user, []).append(age)
    again = [ages for ages in by_user.values() if len(ages) > 1]
    gaps = [before - after for ages in again for before, after in pairwise(ages)]
    priced = [(quantity, amount) for _, _, quantity, amount in lines if amount == amount and quantity > 0]
    firsts = [ages[0] for ages in by_user.values()]
    return {
        "recent": sum(0.5 ** (age / 14) for _, age, _, _ in lines),
        "lasting": sum(0.5 ** (age / 90) for _, age, _, _ in lines),
        "buyers": len(by_user),
        "repeat_share": len(again) / max(len(by_user), 1),
        "interval": sum(gaps) / len(gaps) if gaps else NEVER,
        "age": max((age for _, age, _, _ in lines), default=NEVER),
        "idle": min((age for _, age, _, _ in lines), default=NEVER),
        "price": sum(a for _, a in priced) / sum(q for q, _ in priced) if priced else 0.0,
        "winning": 1000 * sum(0.5 ** (age / 30) for age in firsts) / (log.n_users - len(by_user) + 100),
    }


@pytest.mark.parametrize("seed", range(5))
def test_each_statistic_is_that_of_the_slow_reference(seed):
    log, amounts = a_log(seed)
    found = item_statistics(log, amounts, NOW)
    for item in range(log.n_items):
        for name, value in slow(log, amounts, item).items():
            assert getattr(found, name)[item] == pytest.approx(value, rel=1e-5), (item, name)


def test_a_shop_without_sales_has_statistics_all_the_same():
    log, _ = a_log(0, lines=0)
    found = item_statistics(log, np.zeros(0), NOW)
    assert found.recent.tolist() == found.buyers.tolist() == found.winning.tolist() == [0.0] * log.n_items
    assert set(found.age.tolist()) == set(found.interval.tolist()) == {float(NEVER)}


def test_leaders_are_the_best_above_nothing_and_the_lower_row_comes_first_of_equals():
    found = leaders(np.array([0.0, 2.0, 5.0, 2.0, -1.0]), 3)
    assert found.items.tolist() == [2, 1, 3]
    assert found.scores.tolist() == [5.0, 2.0, 2.0]
    assert leaders(np.array([0.0, 2.0, 5.0]), 1).items.tolist() == [2]
    assert leaders(np.zeros(4), 3).items.tolist() == []


def test_growth_is_recent_against_lasting_sales_and_two_sales_are_no_trend():
    """Item 0 sold 40 times lately, item 1 as often as ever, item 2 twice lately."""
    times = [*([2] * 40), *range(1, 181, 2), *range(1, 181, 2), 1, 1]
    items = [*([0] * 40), *([1] * 180), 2, 2]
    order = np.argsort(-np.array(times), kind="stable")
    n = len(times)
    log = Log(
        n_users=n,
        n_items=3,
        user=np.arange(n, dtype=np.int32),
        item=np.array(items, np.int32)[order],
        type=np.full(n, TYPE_CODES["purchase"], np.uint8),
        time=NOW - np.array(times)[order] * DAY,
        quantity=np.ones(n, np.float32),
        order=np.full(n, -1),
    )
    grown = growth(item_statistics(log, np.full(n, np.nan), NOW))
    assert grown[0] > grown[1]
    assert grown[0] > grown[2]


@pytest.mark.parametrize("most", [1, 3, 50])
def test_the_best_of_a_category_share_its_recent_sales(most):
    log, amounts = a_log(3)
    found = item_statistics(log, amounts, NOW)
    n = log.n_items
    codes = np.array([0, 1, 0, 1, -1, 0, 3, 0, 0], np.int32)
    catalog = Catalog(
        family=np.full(0, -1, np.int32),
        names=TextTable.of("" for _ in range(n)),
        levels=codes[:, None],
        category_names=TextTable.of("abcd"),
        brand=np.full(n, -1, np.int32),
        brand_names=TextTable.of([]),
        price=np.full(n, -1),
        stock=np.full(n, -1),
        available=np.ones(n, bool),
    )
    best = best_of_category(catalog, found, most)
    for code in range(4):
        items, weights = best.of(code)
        mine = [row for row in range(n) if codes[row] == code and found.recent[row] > 0]
        mine.sort(key=lambda row: -found.recent[row])
        assert items.tolist() == mine[:most]
        total = sum(found.recent[row] for row in mine)
        assert weights.tolist() == pytest.approx([found.recent[row] / total for row in mine[:most]])
