"""What customers who declare the same buy, for those who did nothing yet."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import sparse

from training.evaluate import periods
from training.peers import learn_peers, lists_of, nobodys_peers
from training.peers_strength import STRENGTHS, choose_strength
from training.recipe import Recipe
from training.snapshot import interactions_at, snapshot
from training.statistics import recent_sales


def planted(n=400, items=40, *, seed=1, telling=True):
    """Customers of two regions; where it is telling, each region buys its own half of the items four times as often."""
    random = np.random.default_rng(seed)
    region = random.integers(2, size=n)
    chance = np.full((n, items), 0.1)
    if telling:
        for each in (0, 1):
            chance[np.ix_(region == each, np.arange(items) // (items // 2) == each)] = 0.4
    bought = sparse.csr_matrix((random.random((n, items)) < chance).astype(np.float32))
    recent = np.asarray(bought.sum(axis=0)).ravel().astype(np.float32)
    return bought, [(f"region={each}", f"odd={row}") for row, each in enumerate(region)], recent


def test_each_regions_list_begins_with_what_its_people_buy():
    bought, declared, recent = planted()
    peers = learn_peers(bought, declared, recent, 1.0)
    assert list(peers.words.ids) == ["region=0", "region=1"]  # a word of one person says nothing
    assert peers.people.sum() == 400
    north, south = lists_of(peers, recent, [["region=0"], ["region=1"]])
    assert (north < 20).all()
    assert (south >= 20).all()


def test_a_ratio_is_that_of_the_buyers_held_down_by_the_prior():
    bought, declared, recent = planted()
    peers = learn_peers(bought, declared, recent, 0.5)
    mine = np.array([words[0] == "region=0" for words in declared])
    counts = np.asarray(bought.todense()) > 0
    share = counts[mine].sum() / counts.sum()
    place = int(np.flatnonzero(peers.items == 3)[0])
    expected = 0.5 * np.log((counts[mine, 3].sum() + 10) / (counts[:, 3].sum() * share + 10))
    assert peers.bend[0, place] == pytest.approx(expected, rel=1e-5)


def test_somebody_of_whom_nothing_is_known_gets_the_best_sellers():
    bought, declared, recent = planted()
    peers = learn_peers(bought, declared, recent, 1.0)
    found = lists_of(peers, recent, [[], ["region=9"]])
    best = np.argsort(-recent, kind="stable")[:20]
    assert found.tolist() == [best.tolist(), best.tolist()]


def test_without_words_without_strength_and_without_sales_there_are_no_peers():
    bought, declared, recent = planted()
    for found in (
        learn_peers(bought, [()] * 400, recent, 1.0),
        learn_peers(bought, declared, recent, 0.0),
        learn_peers(bought, declared, np.zeros_like(recent), 1.0),
        nobodys_peers(),
    ):
        assert (len(found.words), len(found.items), found.bend.shape[0]) == (0, 0, 0)


def test_items_that_do_not_sell_any_more_are_in_nobodys_list():
    bought, declared, recent = planted()
    recent[:10] = 0
    assert not np.isin(learn_peers(bought, declared, recent, 1.0).items, np.arange(10)).any()


def test_the_strength_is_what_serves_new_customers_best_and_0_where_nobody_declares_anything(tiny_data):
    cuts = periods(tiny_data.until // 86_400 * 86_400, 10)
    seen = interactions_at(tiny_data, Recipe(), cuts.validation)
    recent = recent_sales(seen.log.of_type("purchase"), cuts.validation)
    strength, curve = choose_strength(tiny_data, seen, recent, cuts, seed=1)
    assert len(curve) == len(STRENGTHS)
    assert strength == STRENGTHS[int(np.argmax(curve))]
    nobody = dataclasses.replace(tiny_data, declared=[()] * len(tiny_data.users))
    assert choose_strength(nobody, seen, recent, cuts, seed=1) == (0.0, [])


def test_nobody_speaks_for_their_own_list(tiny_data):
    """Where each declares a word of their own with twenty others who buy nothing, their purchases must not help."""
    cuts = periods(tiny_data.until // 86_400 * 86_400, 10)
    seen = interactions_at(tiny_data, Recipe(), cuts.validation)
    recent = recent_sales(seen.log.of_type("purchase"), cuts.validation)
    alone = [(f"me={row}",) for row in range(len(tiny_data.users))]
    _, curve = choose_strength(dataclasses.replace(tiny_data, declared=alone), seen, recent, cuts, seed=1)
    assert curve == pytest.approx([curve[0]] * len(STRENGTHS))


def test_a_shop_is_read_with_what_its_customers_declare(tiny_data, tiny_shop):
    users = {row["user_id"]: row for row in tiny_shop.users.to_pylist()}
    for row in (0, 7, 99):
        document, words = users[tiny_data.users.ids[row]], tiny_data.declared[row]
        assert f"region={document['region']}" in words
        assert f"age_band={document['age_band']}" in words
        assert sum(word.startswith("source=") for word in words) <= 1


def test_a_bundle_holds_the_peers_of_its_moment(tiny_data):
    before, later = (
        snapshot(tiny_data, Recipe(threads=1, peers=1.0, models={"als": {"iterations": 1}}), now).peers
        for now in (tiny_data.until - 20 * 86_400, tiny_data.until)
    )
    assert len(before.words) > 2
    assert not np.array_equal(before.bend, later.bend)
