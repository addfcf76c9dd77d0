"""Lists of customers who did nothing yet, by what they declare."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from engine.declared import declared_words
from engine.profile import unknown
from engine.recommend.answer import answer
from tests.bundles import AS_OF, TASTES, toy_bundle


@pytest.fixture(scope="module")
def bundle():
    return toy_bundle()


def listed(bundle, *words, placement="home", **more):
    return answer(bundle, placement, unknown(tuple(words)), AS_OF, explain=True, **more)


def tastes(found):
    return {int(each.id[1:]) % TASTES for each in found.items}


@pytest.mark.parametrize("placement", ["home", "discover"])
def test_what_sells_where_they_live_comes_first_and_says_so(bundle, placement):
    found = listed(bundle, "region=2", placement=placement, limit=10)
    assert tastes(found) == {2}
    assert {each.source for each in found.items} == {"peers"}
    assert {each.reason for each in found.items} == {"popular in 2"}
    assert found.personalized
    scores = [each.score for each in found.items]
    assert scores == sorted(scores, reverse=True)


def test_several_words_count_together(bundle):
    found = listed(bundle, "region=2", "source=social", limit=24)
    assert tastes(found) == {1, 2}
    reasons = {int(each.id[1:]) % TASTES: each.reason for each in found.items}
    assert reasons == {2: "popular in 2", 1: "popular with customers who came by social"}


@pytest.mark.parametrize("words", [(), ("region=nowhere",), ("gender=female",)])
def test_who_declares_nothing_that_is_known_gets_the_best_sellers(bundle, words):
    found = listed(bundle, *words, limit=10)
    assert [each.id for each in found.items] == [f"i{row}" for row in range(10)]
    assert {(each.source, each.reason) for each in found.items} == {("popular", "popular now")}
    assert not found.personalized


def test_a_list_that_runs_out_goes_on_with_the_best_sellers(bundle):
    fewer = dataclasses.replace(
        bundle.peers, items=bundle.peers.items[:8], bend=np.ascontiguousarray(bundle.peers.bend[:, :8])
    )
    found = listed(dataclasses.replace(bundle, peers=fewer), "region=2", limit=12)
    assert [each.source for each in found.items] == ["peers"] * 8 + ["popular"] * 4
    assert len({each.id for each in found.items}) == 12


def test_an_item_that_their_word_does_not_speak_for_is_only_popular(bundle):
    found = listed(bundle, "region=2", limit=60)
    other = next(each for each in found.items if int(each.id[1:]) % TASTES != 2)
    assert other.reason == "popular now"


def test_age_and_gender_are_not_spelled_out(bundle):
    from engine.ids import IdMap

    renamed = dataclasses.replace(bundle.peers, words=IdMap.of(["gender=female", "age_band=65+"]))
    found = listed(dataclasses.replace(bundle, peers=renamed), "gender=female", limit=5)
    assert {each.reason for each in found.items} == {"popular with customers like you"}


def test_what_somebody_did_counts_and_what_they_declare_does_not_any_more(bundle):
    profile = bundle.history.profile(5)
    told = dataclasses.replace(profile, declared=("region=2",))
    plain, same = (answer(bundle, "home", each, AS_OF, limit=10) for each in (profile, told))
    assert [each.id for each in plain.items] == [each.id for each in same.items]


def test_words_are_what_the_shop_said_and_where_they_came_from():
    document = {
        "region": "north", "gender": "", "age_band": None, "zone": "Europe/Oslo", "birthday": "1990-01-01",
        "attributes": {"student": True, "pet": "cat", "floor": 3, "tags": ["a"], "empty": ""},
    }  # fmt: skip
    assert declared_words(document, "paid") == ("region=north", "source=paid", "student=true", "pet=cat")
    assert declared_words({}, None) == ()
    twice = {"region": "north", "attributes": {"region": "south", "source": "leaflet"}}
    assert declared_words(twice, "paid") == ("region=north", "source=paid")
    assert declared_words(twice, None) == ("region=north", "source=leaflet")
    assert declared_words({"attributes": None}, "x" * 100) == (f"source={'x' * 40}",)
    assert len(declared_words({"attributes": {f"a{n}": "b" for n in range(100)}}, None)) == 24
