"""What several sources say in one pass is what each of them says alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from engine.events import TYPE_CODES
from engine.profile import Profile, unknown
from engine.recommend.proposing import propose
from engine.recommend.said import LISTENING, said
from engine.recommend.sources import RANKED, SOURCES
from tests.bundles import AS_OF, toy_bundle

NOBODY = np.zeros(0, np.int32)


def somebody(seed, n=30, n_items=80):
    random = np.random.default_rng(seed)
    types = random.choice([TYPE_CODES[each] for each in ("purchase", "view", "cart_add", "dismiss")], n)
    times = AS_OF - np.sort(random.integers(-50, 90 * 86_400, n))[::-1]
    return Profile(
        -1, random.integers(0, n_items, n).astype(np.int32), types.astype(np.uint8), times, np.ones(n, np.float32)
    )


def of_each(found):
    starts = found.starts[: len(LISTENING) + 1].tolist()
    parts = (slice(start, end) for start, end in pairwise(starts))
    return {name: (found.rows[at], found.scores[at]) for name, at in zip(LISTENING, parts, strict=True)}


@pytest.fixture(scope="module")
def bundle():
    return toy_bundle()


@pytest.mark.parametrize("most", [1, 7, 40, 1_000_000])
@pytest.mark.parametrize("seed", range(4))
def test_each_says_what_it_says_alone(bundle, seed, most):
    found = of_each(said(LISTENING, most, somebody(seed), bundle, AS_OF))
    for name, (rows, scores) in found.items():
        wanted, told = SOURCES[name](somebody(seed), bundle, AS_OF, NOBODY)
        assert dict(zip(rows.tolist(), scores.tolist(), strict=True)) == pytest.approx(
            dict(zip(wanted[:most].tolist(), told[:most].tolist(), strict=True)), rel=1e-6
        )
        assert len(rows) == min(most, len(wanted))
    assert all(len(rows) for rows, _ in found.values())


@pytest.mark.parametrize("name", LISTENING)
def test_those_that_are_not_asked_say_nothing(bundle, name):
    found = of_each(said([name, "popular"], 20, somebody(1), bundle, AS_OF))
    assert [each for each, (rows, _) in found.items() if len(rows)] == [name]


def test_the_vector_is_made_on_the_way_where_it_is_asked_for(bundle):
    somewhere, elsewhere = somebody(2), somebody(2)
    said(RANKED, 20, somewhere, bundle, AS_OF)
    told = somewhere.once(("vector", AS_OF), bundle, lambda: pytest.fail("it is not known yet"))
    np.testing.assert_allclose(told, bundle.user_vector(elsewhere, AS_OF), rtol=1e-5, atol=1e-7)
    said(LISTENING, 20, elsewhere, broken := replace(bundle), AS_OF)
    assert elsewhere.once(("vector", AS_OF), broken, lambda: None) is None


def test_a_profile_that_speaks_for_nothing_has_no_vector_and_a_stored_one_its_own(bundle):
    dismissed = replace(somebody(3), types=np.full(30, TYPE_CODES["dismiss"], np.uint8))
    found = said(RANKED, 20, dismissed, bundle, AS_OF)
    assert (len(found.rows), bundle.user_vector(dismissed, AS_OF)) == (0, None)
    stored = bundle.profile("u5")
    said(RANKED, 20, stored, bundle, AS_OF)
    np.testing.assert_array_equal(bundle.user_vector(stored, AS_OF), bundle.factors.users[5])


def test_nobody_says_nothing(bundle):
    found = said(RANKED, 20, unknown(), bundle, AS_OF, others=3)
    assert (len(found.rows), found.starts.tolist()) == (0, [0] * (len(LISTENING) + 4))


@pytest.mark.parametrize("item", [-1, 80])
def test_a_profile_that_names_what_there_is_not_is_refused(bundle, item):
    odd = replace(somebody(4), items=np.r_[somebody(4).items[:-1], np.int32(item)])
    with pytest.raises(IndexError, match="an item that the bundle does not have"):
        said(LISTENING, 20, odd, bundle, AS_OF)


@pytest.mark.parametrize("seed", range(4))
def test_the_pool_is_the_same_where_each_is_asked_alone(bundle, seed):
    together = propose(RANKED, 30, somebody(seed), bundle, AS_OF, NOBODY)
    best = bundle.best_of_category
    ends_nowhere = replace(bundle, best_of_category=replace(best, items=best.items[:0]))
    lost = []
    alone = propose(
        RANKED, 30, somebody(seed), ends_nowhere, AS_OF, NOBODY, failed=lambda what, problem: lost.append(what)
    )
    assert lost == ["category"]
    rest = [name for name in RANKED if name != "category"]
    there = propose(rest, 30, somebody(seed), bundle, AS_OF, NOBODY)
    np.testing.assert_array_equal(alone.rows, there.rows)
    np.testing.assert_allclose(alone.scores, there.scores, rtol=1e-5)
    line = list(SOURCES).index("category")
    assert together.scores[line].any() and not alone.scores[line].any()
