"""Places given straight from arrays are those that a list arranged one by one has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.overlay import overlaid
from engine.recommend.arrange import arranged
from engine.recommend.control import Control, control_of
from engine.recommend.placements import placement
from engine.recommend.places import Ordered
from engine.recommend.query import Query
from engine.recommend.recommender import filled, ranked, straight
from engine.recommend.sources import SOURCES, Pool
from tests.bundles import AS_OF, toy_bundle


@pytest.fixture(scope="module")
def bundle():
    random = np.random.default_rng(4)
    made = toy_bundle()
    catalog = replace(
        made.catalog,
        brand=random.integers(-1, 6, 80).astype(np.int32),
        levels=random.integers(-1, 9, (80, 2)).astype(np.int32),
        family=random.integers(-1, 40, 80).astype(np.int32),
    )
    return replace(made, catalog=catalog)


def a_pool(random) -> Pool:
    rows = np.sort(random.choice(80, 50, replace=False)).astype(np.int32)
    return Pool(rows, random.random((len(SOURCES), 50), np.float32))


@pytest.mark.parametrize("seed", range(6))
def test_of_variants_the_best_one_is_left_and_what_stands_alone_stays(bundle, seed):
    random = np.random.default_rng(seed)
    pool, order, scores = a_pool(random), random.permutation(50)[:40], -np.sort(-random.random(40))
    wanted, met = [], set()
    for at, score in zip(order.tolist(), scores.tolist(), strict=True):
        family = int(bundle.catalog.family[pool.rows[at]])
        if family < 0 or family not in met:
            wanted.append((at, score))
        met.add(family)
    found = Ordered.of(pool, order, scores, bundle)
    assert list(zip(found.order.tolist(), found.scores.tolist(), strict=True)) == wanted


def test_a_candidate_that_there_is_not_is_an_error(bundle):
    pool = Pool(np.array([80], np.int32), np.zeros((len(SOURCES), 1), np.float32))
    with pytest.raises(IndexError):
        Ordered.of(pool, np.zeros(1, np.int64), np.zeros(1), bundle)


CAPS = [{}, {"category": 1}, {"category": 2}, {"brand": 3}, {"category": 2, "brand": 2}, {"brand": 100}]


@pytest.mark.parametrize("caps", CAPS)
@pytest.mark.parametrize("user", ["u1", "u3", "u10"])
@pytest.mark.parametrize("name", ["home", "discover", "trending"])
def test_places_are_those_of_a_list_that_is_arranged(bundle, name, user, caps):
    control = control_of({"diversity": {"max": caps}}) if caps else Control()
    told = 0
    for limit in (1, 5, 12):
        query = Query(placement(name), bundle.profile(user), AS_OF, limit + 30, control=control)
        quick = straight(ranked(query, bundle), query, bundle, limit)
        wanted, _ = arranged(filled(ranked(query, bundle), query, bundle), query, bundle, limit)
        if quick is not None:
            told += 1
            assert quick == wanted[:limit]
    assert told


@pytest.mark.parametrize(
    "wishes",
    [
        {"pin": [{"item_id": "i3", "position": 1}]},
        {"promote": [{"filter": "price > 0", "share": 0.5}]},
        {"diversity": 0.5},
        {"diversity": {"max": {"attributes.size": 1}}},
        {"diversity": {"max": {"attributes.size": 1, "brand": 2}}},
    ],
)
def test_other_wishes_are_arranged(bundle, wishes):
    query = Query(placement("home"), bundle.profile("u1"), AS_OF, 40, control=control_of(wishes))
    assert straight(ranked(query, bundle), query, bundle, 5) is None


def test_where_the_shop_said_something_else_of_an_item_since_its_codes_do_not_count(bundle):
    changed = overlaid(bundle, [{"item_id": f"i{row}", "brand": "one"} for row in range(40)], AS_OF)
    query = Query(
        placement("home"), bundle.profile("u1"), AS_OF, 40, control=control_of({"diversity": {"max": {"brand": 3}}})
    )
    assert straight(ranked(query, bundle), query, bundle, 5) is not None
    assert straight(ranked(query, changed), query, changed, 5) is None


def test_what_is_too_little_is_filled(bundle):
    query = Query(placement("home"), bundle.profile("u1"), AS_OF, 81)
    best = ranked(query, bundle)
    assert straight(best, query, bundle, 81) is None
    found = [each.row for each in filled(best, query, bundle)]
    own = best.pool.rows[best.order].tolist()
    assert found[: len(own)] == own
    assert len(set(found)) == len(found)
