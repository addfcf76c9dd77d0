"""The list of a visit on the toy shop: for strangers as for users, from the last items, with true reasons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.errors import BundleUnusable
from engine.events import TYPE_CODES
from engine.profile import Profile, unknown
from engine.recommend.answer import answer
from engine.recommend.onward import visit_of
from engine.recommend.placements import placement
from engine.recommend.query import Query
from engine.recommend.recommender import recommend
from engine.recommend.soundness import check_sound
from engine.visits import Onward
from tests.bundles import AS_OF, TASTES, onward_order, taste, toy_bundle, toy_ranking

NOTHING_IN_VIEW = np.zeros(0, np.int32)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return toy_bundle()


def visitor(*events) -> Profile:
    """Somebody of whom nothing else is known: events as (item, minutes ago), or with a type behind; oldest first."""
    items, minutes, types = zip(*((*each, "view")[:3] for each in events), strict=True)
    return Profile(
        -1,
        np.array(items, np.int32),
        np.array([TYPE_CODES[each] for each in types], np.uint8),
        np.array([AS_OF - 60 * each for each in minutes], np.int64),
        np.ones(len(items), np.float32),
    )


def listed(bundle: Bundle, profile: Profile, **more) -> list[int]:
    return [each.row for each in recommend(Query(placement("session"), profile, AS_OF, **more), bundle)]


def test_a_stranger_is_shown_what_others_went_on_to_and_another_click_changes_it(bundle):
    first = listed(bundle, visitor((5, 3)), limit=5)
    assert {taste(row) for row in first} == {taste(5)} and 5 + TASTES in first
    after = listed(bundle, visitor((5, 3), (6, 1)), limit=3)
    assert taste(after[0]) == taste(6)


def test_the_item_in_view_counts_as_the_last_and_is_not_shown(bundle):
    in_view = listed(bundle, unknown(), limit=5, items=np.array([6], np.int32))
    assert {taste(row) for row in in_view} == {taste(6)} and 6 not in in_view
    both = listed(bundle, visitor((5, 3)), limit=3, items=np.array([6], np.int32))
    assert taste(both[0]) == taste(6)


def test_a_visit_is_what_follows_the_last_long_pause_and_signs_of_one_item_are_one_step(bundle):
    profile = visitor((1, 100), (2, 65), (3, 30), (3, 29, "cart_add"), (4, 1, "exposure"), (7, 0))
    assert visit_of(profile, bundle, NOTHING_IN_VIEW).tolist() == [3, 7]
    assert visit_of(profile, bundle, np.array([7], np.int32)).tolist() == [3, 7]
    assert visit_of(profile, bundle, np.array([9], np.int32)).tolist() == [3, 7, 9]
    assert visit_of(unknown(), bundle, NOTHING_IN_VIEW).tolist() == []


def test_who_did_nothing_yet_is_shown_what_is_popular_and_that_is_not_called_personal(bundle):
    found = answer(bundle, "session", unknown(), AS_OF, limit=2)
    assert [(each.id, each.source) for each in found.items] == [("i0", "popular"), ("i1", "popular")]
    assert not found.personalized
    assert answer(bundle, "session", visitor((5, 3)), AS_OF, limit=2).personalized
    # The item in view says nothing about who looks at it.
    assert not answer(bundle, "session", unknown(), AS_OF, item_ids=["i5"], limit=2).personalized


def test_reasons_name_what_the_visit_holds(bundle):
    found = answer(bundle, "session", visitor((9, 9), (6, 5), (5, 1)), AS_OF, limit=30, explain=True).items
    why = {each.id: each.reason for each in found}
    assert why["i13"] == "others went on to it from item 5"
    assert why["i10"] == "others went on to it from item 6"
    assert why["i1"] == "others took it in visits like this one"


def test_what_the_visit_took_itself_comes_again_where_the_learned_order_says_so(bundle):
    remembering = replace(bundle, rankings={**bundle.rankings, "onward": onward_order("seen_times")})
    check_sound(remembering)
    first = answer(remembering, "session", visitor((9, 9), (5, 5), (9, 2), (5, 1), (9, 0)), AS_OF, explain=True).items
    assert [(each.id, each.reason) for each in first[:2]] == [
        ("i9", "you looked at it in this visit"),
        ("i5", "you looked at it in this visit"),
    ]
    assert answer(bundle, "session", visitor((9, 9), (5, 5)), AS_OF, limit=1).items[0].id not in ("i9", "i5")


def test_a_shop_that_records_no_visits_falls_back(bundle):
    silent = replace(bundle, onward=Onward.silent(len(bundle.items)))
    check_sound(silent)
    found = answer(silent, "session", visitor((5, 3)), AS_OF, limit=5)
    assert {each.source for each in found.items} <= {"neighbours", "popular"} and len(found.items) == 5


def test_an_order_learned_for_other_columns_is_refused(bundle):
    with pytest.raises(BundleUnusable, match="onward"):
        check_sound(replace(bundle, rankings={**bundle.rankings, "onward": toy_ranking()}))


@pytest.mark.parametrize(
    "broken",
    [
        lambda onward: replace(onward, followers=replace(onward.followers, items=onward.followers.items + 1_000)),
        lambda onward: replace(onward, visits=replace(onward.visits, met_in=onward.visits.met_in + 100)),
        lambda onward: replace(onward, visits=replace(onward.visits, indptr=onward.visits.indptr[::-1])),
    ],
)
def test_visits_that_name_what_is_not_there_are_refused(bundle, broken):
    with pytest.raises(BundleUnusable, match="onward"):
        check_sound(replace(bundle, onward=broken(bundle.onward)))
