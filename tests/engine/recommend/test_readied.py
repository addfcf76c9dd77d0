"""A ranking in its quickest form orders as the plain one does, and tables told once say what columns say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.learned import Ranking
from engine.profile import unknown
from engine.recommend import ranking
from engine.recommend.features import FEATURES, columns, table
from engine.recommend.proposing import propose
from engine.recommend.readied import Readied
from engine.recommend.sources import RANKED, Pool
from tests.bundles import AS_OF, toy_bundle
from tests.engine.recommend.test_pipeline import PROFILES
from tests.engine.recommend.test_ranking import a_ranking

NOBODY = np.zeros(0, np.int32)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("depth", [0, 1, 3, 4, 5])
def test_trees_say_the_same_whatever_their_size(seed, depth):
    random = np.random.default_rng(seed)
    learned = a_ranking(random, depth=depth)
    values = random.normal(size=(6, 70)).astype(np.float32)
    values[:, ::3] = learned.split_at[0, 0]  # on a split, or as near as a float32 comes
    found = Readied(learned).of_trees(values)
    if depth > 4:
        assert found is None, "more leaves than bits"
    else:
        np.testing.assert_array_equal(found, ranking.trees(learned, values))


def test_a_value_on_between_and_beside_steps_counts_as_in_the_plain_form():
    random = np.random.default_rng(0)
    learned = a_ranking(random)
    readied = Readied(learned)
    steps = learned.steps
    near = np.r_[steps, np.nextafter(steps, 9), np.nextafter(steps, -9), 0.0, -0.0, 1e30, -1e30].astype(np.float32)
    for feature in range(6):
        start, end = learned.step_starts[feature : feature + 2]
        passed = np.array([(learned.steps[start:end] < value).sum() for value in near.astype(np.float64)])
        wanted = learned.values[start + feature + passed] if end > start else np.zeros(len(near))
        found = np.zeros(len(near))
        readied.add_columns(found, feature, near[None, :])
        np.testing.assert_array_equal(found, wanted)


def a_full_ranking(random) -> Ranking:
    """Steps on every feature, where the toy shop's values lie."""
    learned = a_ranking(random, n_features=len(FEATURES), n_trees=40)
    return replace(learned, steps=learned.steps * 20, split_at=learned.split_at * 20)


@pytest.fixture(scope="module")
def bundle():
    return toy_bundle()


def everybody(bundle):
    yield from PROFILES.values()
    for user in ("u0", "u3", "u7"):
        stored = bundle.profile(user)
        yield stored
        yield replace(stored, row=-1, is_stored=False)


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_a_request_is_that_of_its_columns(bundle, seed):
    learned = a_full_ranking(np.random.default_rng(seed))
    readied = Readied(learned)
    for profile in everybody(bundle):
        pool = propose(RANKED, 120, profile, bundle, AS_OF, NOBODY)
        dense = columns(profile, bundle, pool, AS_OF)
        order, scores = ranking.order(learned, dense)
        quick, told = ranking.order_of(table(profile, bundle, pool, AS_OF), readied)
        np.testing.assert_allclose(told, scores, atol=1e-9)
        np.testing.assert_allclose(scores[np.argsort(order)], told[np.argsort(quick)], atol=1e-9)


@pytest.mark.parametrize("weight", [0.0, 0.01, 1.0, 50.0])
@pytest.mark.parametrize("most", [60, 61, 70, 80, None])
def test_in_one_pass_the_order_is_that_of_one_step_after_the_other(bundle, most, weight):
    learned = a_full_ranking(np.random.default_rng(7))
    at = FEATURES.index("factors_score")
    start, end = learned.step_starts[at : at + 2]
    values = learned.values.copy()
    values[start + at : end + at + 1] = np.linspace(-1, 1, end - start + 1) * weight  # whom factors bring within reach
    readied = Readied(replace(learned, values=values))
    rows = np.arange(len(bundle.items), dtype=np.int32)
    pool = Pool(rows, np.random.default_rng(8).random((len(RANKED), len(rows)), np.float32))
    for profile in everybody(bundle):
        told = table(profile, bundle, pool, AS_OF)
        order, scores = ranking.order_of(told, readied, most)
        plain, wanted = ranking.step_by_step(told, readied, most)
        n = len(order)
        assert n >= (most or len(rows))
        assert order.tolist() == plain[:n].tolist()
        np.testing.assert_allclose(scores, wanted[:n], atol=1e-6)


def test_a_ranking_with_larger_trees_orders_one_step_after_the_other(bundle):
    random = np.random.default_rng(3)
    learned = a_ranking(random, n_features=len(FEATURES), n_trees=5, depth=5)
    profile = bundle.profile("u3")
    pool = propose(RANKED, 120, profile, bundle, AS_OF, NOBODY)
    order, scores = ranking.order_of(table(profile, bundle, pool, AS_OF), Readied(learned))
    plain, wanted = ranking.order(learned, columns(profile, bundle, pool, AS_OF))
    assert order.tolist() == plain.tolist()
    np.testing.assert_allclose(scores, wanted, atol=1e-9)


def test_of_no_candidates_there_is_no_order(bundle):
    pool = propose(["own"], 10, unknown(), bundle, AS_OF, NOBODY)
    order, scores = ranking.order_of(
        table(unknown(), bundle, pool, AS_OF), Readied(a_full_ranking(np.random.default_rng(0)))
    )
    assert len(order) == len(scores) == 0


def test_a_bundle_readies_a_ranking_once_and_another_one_anew(bundle):
    first = ranking.readied(bundle.rankings["home"], bundle)
    assert ranking.readied(bundle.rankings["home"], bundle) is first
    other = a_full_ranking(np.random.default_rng(1))
    assert ranking.readied(other, bundle).learned is other
