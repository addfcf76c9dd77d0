"""Columns say what they are called, held against the plain way: one candidate, one happening after the other."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from engine.events import TYPE_CODES
from engine.learned import NEVER, ItemStatistics, Neighbours
from engine.newcomers import with_newcomers
from engine.overlay import overlaid
from engine.profile import Profile, unknown
from engine.recommend import ranking
from engine.recommend.due import SAME_VISIT
from engine.recommend.features import FEATURES, columns, table
from engine.recommend.proposing import propose
from engine.recommend.readied import Readied
from engine.recommend.sources import RANKED, Pool
from tests.bundles import AS_OF, DAY, toy_bundle
from tests.engine.recommend.test_readied import a_full_ranking

NOW = AS_OF + DAY / 3
FADING = {"own": (15, 60, 180), "group": (30, 120)}


@pytest.fixture(scope="module")
def bundle():
    return toy_bundle()


def a_profile(bundle, seed: int) -> Profile:
    """Happenings of half a year, some of them in one order, some after the clock."""
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 80))
    times = np.sort(AS_OF - random.integers(-1, 180, n) * DAY + random.integers(0, 3, n) * 3_600).astype(np.int64)
    types = random.choice([TYPE_CODES[name] for name in ("purchase", "view", "cart_add")], n).astype(np.uint8)
    return Profile(
        -1, random.integers(0, len(bundle.items), n).astype(np.int32), types, times, random.random(n, np.float32)
    )


def days(times) -> list[float]:
    return [max(NOW - int(each), 0.0) / DAY for each in times]


def fading(ages, half_life) -> float:
    return sum(0.5 ** (age / half_life) for age in ages)


def of_own(row, lines, orders, again) -> dict[str, float]:
    """`lines` are (item, days ago, pieces), oldest first; `orders` the days since each, newest first."""
    ages = [age for item, age, _ in lines if item == row]
    if not ages:
        far = ("since_last", "since_first", "interval", "orders_since", "typical")
        return {f"own_{name}": float(NEVER) for name in far}
    gaps = [early - late for early, late in pairwise(ages) if early - late >= SAME_VISIT]
    held, shape = (float(each) for each in again.strength)
    typical = math.exp((held * float(again.interval[row]) + sum(map(math.log, gaps))) / (held + len(gaps)))
    interval = (ages[0] - ages[-1]) / (len(ages) - 1) if len(ages) > 1 else float(NEVER)
    return {
        "own_lines": len(ages),
        **{f"own_faded_{each}": fading(ages, each) for each in FADING["own"]},
        "own_since_last": ages[-1],
        "own_since_first": ages[0],
        "own_quantity": sum(pieces for item, _, pieces in lines if item == row),
        "own_interval": interval,
        "own_due": ages[-1] / max(interval, 1),
        "own_order_share": len(ages) / len(orders),
        "own_orders_since": sum(order < ages[-1] - 1e-9 for order in orders),
        "own_typical": typical,
        "own_late": ages[-1] / typical,
        "own_pace": 7 * (len(gaps) + shape) / (ages[0] + shape / float(again.pace[row])),
    }


def of_group(name, code, lines, code_of) -> dict[str, float]:
    mine = [(item, age) for item, age, _ in lines if code >= 0 and code_of[item] == code]
    if not mine:
        return {f"{name}_since_last": float(NEVER)}
    ages = [age for _, age in mine]
    told = {
        f"{name}_lines": len(mine),
        **{f"{name}_faded_{each}": fading(ages, each) for each in FADING["group"]},
        f"{name}_since_last": ages[-1],
        f"{name}_distinct": len({item for item, _ in mine}),
    }
    late = ages[-1] * (len(ages) - 1) / max(ages[0] - ages[-1], 1)
    return told | ({"category_due": late} if name == "category" else {})


def plainly(profile, bundle, row) -> dict[str, float]:
    """What is not 0 of the user's features of one candidate."""
    bought = [kind == TYPE_CODES["purchase"] for kind in profile.types]
    told = list(zip(profile.items.tolist(), days(profile.times), profile.quantities.tolist(), bought, strict=True))
    lines = [(item, age, pieces) for item, age, pieces, is_bought in told if is_bought]
    looked = [age for item, age, _, is_bought in told if not is_bought and item == row]
    orders = sorted(set(days(profile.times[np.array(bought, bool)])))
    catalog = bundle.catalog
    found = of_own(row, lines, orders, bundle.repurchase)
    found |= {"own_browsed": fading(looked, 7), "own_since_browsed": looked[-1] if looked else float(NEVER)}
    for name, codes in (("category", catalog.category), ("section", catalog.levels[:, 0]), ("brand", catalog.brand)):
        found |= of_group(name, int(codes[row]), lines, codes)
    if "own_lines" in found:
        found["own_share_of_category"] = found["own_lines"] / found.get("category_lines", 1)
    n = len(orders)
    found |= {
        "user_orders": n,
        "user_orders_28": sum(order < 28 for order in orders),
        "user_order_size": len(lines) / max(n, 1),
        "user_repeat_share": 1 - len({item for item, *_ in lines}) / max(len(lines), 1),
        "user_since_order": orders[0] if n else float(NEVER),
        "user_order_interval": (orders[-1] - orders[0]) / (n - 1) if n > 1 else float(NEVER),
    }
    return found


OF_USER = [name for name in FEATURES if name.startswith(("own_", "category_", "section_", "brand_", "user_"))]


@pytest.mark.parametrize("seed", range(8))
def test_what_a_user_did_is_told_of_each_candidate(bundle, seed):
    catalog = replace(bundle.catalog, brand=np.where(np.arange(len(bundle.items)) % 5, bundle.catalog.brand, -1))
    bundle = replace(bundle, catalog=catalog)
    profile = a_profile(bundle, seed)
    rows = np.arange(len(bundle.items), dtype=np.int32)
    found = columns(profile, bundle, Pool(rows, np.zeros((len(RANKED), len(rows)), np.float32)), NOW)
    for row in rows.tolist():
        wanted = plainly(profile, bundle, row)
        for name in OF_USER:
            assert found[FEATURES.index(name), row] == pytest.approx(wanted.get(name, 0.0), rel=1e-4, abs=1e-4), name


def test_of_somebody_who_did_nothing_nothing_is_told(bundle):
    rows = np.arange(len(bundle.items), dtype=np.int32)
    found = columns(unknown(), bundle, Pool(rows, np.zeros((len(RANKED), len(rows)), np.float32)), NOW)
    assert np.isfinite(found).all()
    wanted = plainly(unknown(), bundle, 0)
    assert {name: found[FEATURES.index(name), 0] for name in OF_USER} == pytest.approx(
        {name: wanted.get(name, 0.0) for name in OF_USER}
    )


def test_scores_of_sources_stand_in_columns_of_their_own(bundle):
    profile = a_profile(bundle, 3)
    pool = propose(RANKED, 120, profile, bundle, NOW, np.zeros(0, np.int32))
    found = columns(profile, bundle, pool, NOW)
    for line, name in enumerate(RANKED):
        np.testing.assert_array_equal(found[FEATURES.index(f"source_{name}")], pool.scores[line])


def with_two_newcomers(bundle):
    """One in a category and of a brand that the shop has, one of which nothing is known."""
    category, brand = int(bundle.catalog.category[0]), int(bundle.catalog.brand[0])
    path = bundle.catalog.category_names[category].split(" / ")
    like = Neighbours(np.zeros(3, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))
    documents = [
        {"item_id": "n0", "categories": path, "brand": bundle.catalog.brand_names[brand]},
        {"item_id": "n1"},
    ]
    return with_newcomers(bundle, documents, like, AS_OF)


def of_item(bundle, row, usual_price) -> dict[str, float]:
    known, category = bundle.statistics, int(bundle.catalog.category[row])
    told = {name: float(getattr(known, name)[row]) for name in ItemStatistics.__dataclass_fields__}
    sold = sum(known.recent[bundle.catalog.category == category]) if category >= 0 else 0.0
    return {f"item_{name}": value for name, value in told.items()} | {
        "item_trend": told["recent"] / max(told["lasting"], 0.1),
        "item_price_ratio": told["price"] / max(usual_price, 1.0),
        "item_share_of_category": told["recent"] / max(float(sold), 0.1),
    }


OF_ITEM = [name for name in FEATURES if name.startswith("item_")]


@pytest.mark.parametrize("make", [lambda bundle: bundle, with_two_newcomers])
def test_of_items_it_is_told_what_the_statistics_say_and_of_newcomers_that_nobody_bought_them(bundle, make):
    bundle.item_lines  # noqa: B018  made before newcomers are laid over it, as in a storefront
    bundle = make(bundle)
    profile = a_profile(bundle, 5)
    prices = bundle.statistics.price[profile.items[profile.purchases]]
    rows = np.arange(len(bundle.items), dtype=np.int32)
    found = columns(profile, bundle, Pool(rows, np.zeros((len(RANKED), len(rows)), np.float32)), NOW)
    for row in rows.tolist():
        wanted = of_item(bundle, row, float(prices.mean()))
        assert {name: found[FEATURES.index(name), row] for name in OF_ITEM} == pytest.approx(wanted, rel=1e-5), row
        of_user = plainly(profile, bundle, row)
        for name in OF_USER:
            assert found[FEATURES.index(name), row] == pytest.approx(of_user.get(name, 0.0), rel=1e-4, abs=1e-4), name


def test_what_tables_add_up_to_is_the_same_for_newcomers_as_by_columns(bundle):
    bundle = with_two_newcomers(bundle)
    random = np.random.default_rng(0)
    learned = a_full_ranking(random)
    rows = np.arange(len(bundle.items), dtype=np.int32)
    pool = Pool(rows, random.random((len(RANKED), len(rows)), np.float32))
    profile = a_profile(bundle, 5)
    products = bundle.item_vectors(rows) @ bundle.user_vector(profile, NOW)
    assert products.any()
    found = table(profile, bundle, pool, NOW)
    np.testing.assert_allclose(found.factors(), products, rtol=1e-5, atol=1e-6)
    told = found.scores(Readied(learned))
    np.testing.assert_allclose(told, ranking.additive(learned, columns(profile, bundle, pool, NOW)), atol=1e-9)


def test_what_the_shop_says_of_prices_leaves_the_lines_of_items_as_they_are(bundle):
    lines = bundle.item_lines
    dearer = overlaid(bundle, [{"item_id": bundle.items.ids[0], "price": 1}], AS_OF)
    assert dearer.item_lines is lines
    assert with_two_newcomers(bundle).item_lines is lines


@pytest.mark.parametrize("row", [-1, 10_000])
def test_an_item_that_there_is_not_is_an_error_and_no_look_beyond_the_end(bundle, row):
    beyond = np.array([row], np.int32)
    pool = Pool(beyond, np.zeros((len(RANKED), 1), np.float32))
    odd = Profile(-1, beyond, np.zeros(1, np.uint8), np.zeros(1, np.int64), np.ones(1, np.float32))
    here = Pool(np.zeros(1, np.int32), pool.scores)
    with pytest.raises(IndexError):
        columns(unknown(), bundle, pool, NOW)
    with pytest.raises(IndexError):
        columns(odd, bundle, here, NOW)
