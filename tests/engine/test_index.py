"""Looking items up: exact where they are few, and close to it where they are many, by every kind."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from engine.errors import BundleUnusable
from engine.index import FILE, RECALL, ItemIndex, recall, unit
from engine.index_kinds import KINDS

D, N = 12, 6_000


def items_of(spread):
    """Vectors as training gives them: near a few middles, of lengths that differ, every tenth without."""
    random = np.random.default_rng(3)
    middles = random.normal(size=(80, D))
    vectors = middles[random.integers(80, size=N)] + 0.3 * random.normal(size=(N, D))
    vectors *= np.exp(spread * random.normal(size=(N, 1)))
    vectors[::10] = 0
    return vectors.astype(np.float32)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def items(kind):
    """Lengths that differ a thousandfold, for the kinds that can do with that."""
    return items_of(1.5 if kind in ("longest", "lists") else 0.1)


@pytest.fixture(scope="module")
def users(items):
    random = np.random.default_rng(4)
    users = items[random.integers(N, size=2_000)] + items[random.integers(N, size=2_000)]
    return (users + 0.1 * random.normal(size=users.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def index(kind, items, users):
    return ItemIndex.build(items, users[:1_000], exact_bytes=0, kinds=[kind], most_compared=0.5)


def best(items, queries, n):
    """By comparing all, the slow and obvious way."""
    scores = queries.astype(np.float64) @ items.T.astype(np.float64)
    return np.argsort(-scores, axis=1)[:, :n], -np.sort(-scores, axis=1)[:, :n]


def test_few_items_are_all_compared():
    items = items_of(1.5)
    users = items[1:200:3] + 1
    index = ItemIndex.build(items, users)
    assert index.facts.kind == "exact" and index.facts.recall == 1
    rows, scores = index.search(users[:50], 20)
    wanted, told = best(items, users[:50], 20)
    np.testing.assert_array_equal(rows, wanted)
    np.testing.assert_allclose(scores, told, rtol=1e-4)


def test_a_kind_that_looks_at_a_part_finds_what_it_tells_for_users_it_never_saw(index, items, users):
    asked = users[1_000:]
    assert index.facts.kind in KINDS and index.facts.compared < 0.5
    found = recall(index.search(asked, 50)[0], best(items, asked, 50)[0])
    assert found >= RECALL - 0.01
    assert abs(found - index.facts.recall) < 0.015


def test_scores_are_inner_products_and_fall(index, items, users):
    rows, scores = index.search(users[:20], 30)
    np.testing.assert_allclose(scores, np.einsum("mnd,md->mn", items[rows], users[:20]), rtol=1e-4)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_an_item_without_a_vector_is_never_found(index, items, users):
    rows, _ = index.search(users[:200], 100)
    assert not np.isin(rows, np.flatnonzero(~items.any(axis=1))).any()


def test_where_fewer_are_found_than_asked_for_the_rest_is_marked():
    items = items_of(0.1)
    rows, _ = ItemIndex.build(items[:3]).search(items[1:2], 5)
    assert rows[0].tolist().count(-1) == 2


def test_a_query_twice_as_long_finds_the_same(index, users):
    np.testing.assert_array_equal(index.search(users[:50], 10)[0], index.search(2 * users[:50], 10)[0])


def test_a_saved_index_comes_back_as_it_was(index, items, users, tmp_path):
    index.save(tmp_path)
    again = ItemIndex.load(tmp_path, dataclasses.asdict(index.facts), items)
    assert again.facts == index.facts and len(again) == N
    for made, loaded in zip(index.search(users[:50], 20), again.search(users[:50], 20), strict=True):
        np.testing.assert_array_equal(made, loaded)


def test_an_index_of_other_items_or_of_no_kind_is_refused(index, items, tmp_path):
    index.save(tmp_path)
    facts = dataclasses.asdict(index.facts)
    for told, vectors in ((facts, items[:, :5]), (facts, items[:100]), ({**facts, "kind": "magic"}, items)):
        with pytest.raises(BundleUnusable) as refused:
            ItemIndex.load(tmp_path, told, vectors)
        assert refused.value.field == FILE
    for odd in ({"surprise": 1}, {"effort": "far"}):
        with pytest.raises(BundleUnusable):
            ItemIndex.load(tmp_path, {**facts, **odd}, items)
    (tmp_path / FILE).write_bytes(b"no index")
    with pytest.raises(BundleUnusable):
        ItemIndex.load(tmp_path, facts, items)


def test_the_cheapest_kind_that_reaches_the_recall_is_taken():
    items = items_of(2.5)
    users = items[1:4000:2] + items[::-1][1:4000:2]
    facts = ItemIndex.build(items, users[users.any(axis=1)], exact_bytes=0, most_compared=0.5).facts
    assert facts.kind == "longest" and facts.cost < 1
    even = unit(items_of(0.0))
    facts = ItemIndex.build(even, even, exact_bytes=0, most_compared=0.5).facts
    assert facts.kind in ("codes", "lists") and facts.cost < 1


def test_what_no_part_can_tell_is_compared_whole():
    """Directions without any order in many dimensions: no part of them holds the best."""
    random = np.random.default_rng(5)
    vectors = random.normal(size=(3_000, 64)).astype(np.float32)
    queries = random.normal(size=(200, 64)).astype(np.float32)
    assert ItemIndex.build(vectors, queries, exact_bytes=0).facts.kind == "exact"
    facts = ItemIndex.build(vectors, queries, exact_bytes=0, whole_bytes=0).facts
    assert facts.kind in KINDS and facts.recall < RECALL, "of so many that comparing all is no way, and it says so"


def test_a_shop_whose_items_are_all_alike_or_unknown_can_be_indexed():
    users = items_of(0.1)[1:400]
    for vectors in (np.ones((500, D), np.float32), np.zeros((500, D), np.float32)):
        index = ItemIndex.build(vectors, users, exact_bytes=0)
        assert index.search(users[:3], 5)[0].shape == (3, 5)
    assert ItemIndex.build(vectors, np.zeros((0, D), np.float32), exact_bytes=0).facts.kind == "exact"


def test_items_like_an_item_are_found_by_their_direction():
    items = items_of(1.5)
    told = items[items.any(axis=1)]
    index = ItemIndex.build(unit(told), exact_bytes=0, most_compared=0.5)
    rows, scores = index.search(unit(told[:20]), 5)
    assert (rows[:, 0] == np.arange(20)).all() and np.allclose(scores[:, 0], 1, atol=1e-5)
