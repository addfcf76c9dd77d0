"""The pipeline on a toy shop whose truth is known: sources, filters, features, order, fallback, answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import BadInput, BundleUnusable, UnknownThing
from engine.events import TYPE_CODES
from engine.item_table import Kept
from engine.learned import Leaders
from engine.profile import Profile, unknown
from engine.recommend.answer import answer
from engine.recommend.features import FEATURES, columns
from engine.recommend.last_resort import last_resort
from engine.recommend.placements import PLACEMENTS, placement
from engine.recommend.proposing import propose
from engine.recommend.query import Query, raising
from engine.recommend.recommender import candidates, recommend
from engine.recommend.soundness import check_sound
from engine.recommend.sources import SOURCES
from tests.bundles import AS_OF, DAY, taste, toy_bundle

N_ITEMS = 80
NOBODY_IN_VIEW = np.zeros(0, np.int32)


@pytest.fixture(scope="module")
def bundle():
    return toy_bundle(n_items=N_ITEMS)


def profile_of(*events):
    """Events as (item, type, days ago), oldest first."""
    items, types, ages = zip(*events, strict=True) if events else ((), (), ())
    return Profile(
        -1,
        np.array(items, np.int32),
        np.array([TYPE_CODES[each] for each in types], np.uint8),
        np.array([AS_OF - age * DAY for age in ages], np.int64),
        np.ones(len(items), np.float32),
    )


PROFILES = {
    "unknown": unknown(),
    "one purchase": profile_of((5, "purchase", 3)),
    "one view": profile_of((5, "view", 3)),
    "browses only": profile_of((5, "view", 9), (9, "cart_add", 2), (9, "view", 0)),
    "speaks against everything": profile_of((5, "dismiss", 9), (9, "return", 2)),
    "searches only": profile_of((5, "search", 9)),
    "years ago": profile_of((5, "purchase", 365 * 50), (9, "view", 365 * 50)),
    "this very second": profile_of((5, "purchase", 0), (5, "purchase", 0)),
}


@pytest.mark.parametrize("kind", PROFILES)
@pytest.mark.parametrize("name", PLACEMENTS)
def test_every_placement_answers_every_profile(bundle, kind, name):
    in_view = ["i5"] if PLACEMENTS[name].needs_items else []
    found = answer(bundle, name, PROFILES[kind], AS_OF, item_ids=in_view, limit=30, explain=True)
    scores = [item.score for item in found.items]
    assert np.isfinite(scores).all()
    assert scores == sorted(scores, reverse=True)
    assert len({item.id for item in found.items}) == len(found.items)
    assert all(item.reason for item in found.items)
    if PLACEMENTS[name].fallback:
        assert found.items


@pytest.mark.parametrize("kind", PROFILES)
def test_features_are_finite_for_every_profile(bundle, kind):
    rows = np.arange(N_ITEMS, dtype=np.int32)
    pool = propose(["popular", "trending", "own"], N_ITEMS, PROFILES[kind], bundle, AS_OF, NOBODY_IN_VIEW)
    table = columns(PROFILES[kind], bundle, pool, AS_OF)
    assert table.shape == (len(FEATURES), len(pool.rows))
    assert np.isfinite(table).all()
    assert set(pool.rows) <= set(rows)


def test_features_count_what_the_profile_holds(bundle):
    profile = profile_of((5, "purchase", 10), (9, "view", 4), (5, "purchase", 2))
    pool = propose(["popular"], N_ITEMS, profile, bundle, AS_OF, NOBODY_IN_VIEW)
    table = dict(zip(FEATURES, columns(profile, bundle, pool, AS_OF), strict=True))
    assert table["own_lines"][5] == 2
    assert table["own_since_last"][5] == 2
    assert table["own_interval"][5] == 8
    assert table["own_lines"][9] == 0
    assert table["own_since_browsed"][9] == 4
    assert table["category_lines"][1] == 2, "item 1 is of the taste of item 5"
    assert table["category_lines"][2] == 0


def test_features_of_no_candidates_are_an_empty_table(bundle):
    pool = propose(["own"], 10, PROFILES["one view"], bundle, AS_OF, NOBODY_IN_VIEW)
    assert columns(PROFILES["one view"], bundle, pool, AS_OF).shape == (len(FEATURES), 0)


def test_each_source_proposes_what_was_planted(bundle):
    profile = bundle.profile("u5")
    own_taste = ("own", "browsed", "neighbours", "similar_users", "factors", "category")
    for name in own_taste:
        rows, scores = SOURCES[name](profile, bundle, AS_OF, NOBODY_IN_VIEW)
        found = rows[scores > 0.5 * scores.max()]
        assert len(found) and {taste(row) for row in found} == {taste(5)}, name
        assert np.all(np.diff(scores) <= 0), name
    rows, _ = SOURCES["bought_together"](unknown(), bundle, AS_OF, np.array([6], np.int32))
    assert rows.tolist() == [7]
    for name in ("similar_items", "same_category"):
        rows, _ = SOURCES[name](unknown(), bundle, AS_OF, np.array([6], np.int32))
        assert len(rows) and {taste(row) for row in rows} == {taste(6)}, name


@pytest.mark.parametrize("name", SOURCES)
def test_no_source_proposes_anything_for_nobody_looking_at_nothing_but_the_lists_for_all(bundle, name):
    rows, _ = SOURCES[name](unknown(), bundle, AS_OF, NOBODY_IN_VIEW)
    assert bool(len(rows)) == (name in ("popular", "trending"))


def test_a_faint_proposal_still_names_its_source(bundle):
    rows = np.arange(3, dtype=np.int32)
    faint = replace(bundle, popular=Leaders(rows, np.array([1e30, 1e-30, 0.0], np.float32)))
    found = recommend(Query(placement("home"), unknown(), AS_OF, limit=3), faint)
    assert [(each.row, each.source) for each in found] == [(0, "popular"), (1, "popular"), (2, "popular")]


def test_filters_remove_and_never_reorder(bundle):
    profile = bundle.profile("u5")
    every = [each.row for each in recommend(Query(placement("home"), profile, AS_OF, 100), bundle)]
    drop = np.array(every[::3], np.int32)
    rest = [each.row for each in recommend(Query(placement("home"), profile, AS_OF, 100, exclude=drop), bundle)]
    assert rest == [row for row in every if row not in drop]
    in_view = candidates(Query(placement("home"), profile, AS_OF, items=drop), bundle, ["popular"]).rows
    assert not set(in_view) & set(drop)


def test_what_cannot_be_sold_is_not_shown(bundle):
    stock, available = bundle.catalog.stock.copy(), bundle.catalog.available.copy()
    stock[0], available[1] = 0, False
    shop = replace(bundle, catalog=replace(bundle.catalog, stock=stock, available=available))
    shown = [item.id for item in answer(shop, "home", unknown(), AS_OF, limit=2).items]
    assert shown == ["i2", "i3"]


def test_an_empty_list_falls_back_to_what_is_popular(bundle):
    silent = replace(bundle, trending=Leaders(NOBODY_IN_VIEW, np.zeros(0, np.float32)))
    found = answer(silent, "trending", unknown(), AS_OF, limit=2)
    assert [(item.id, item.source) for item in found.items] == [("i0", "popular"), ("i1", "popular")]


def test_without_a_learned_ranking_the_sources_ranks_are_fused(bundle):
    plain = replace(bundle, rankings={})
    found = recommend(Query(placement("home"), bundle.profile("u5"), AS_OF, 10), plain)
    assert {taste(each.row) for each in found[:3]} == {taste(5)}
    shares = [each.score for each in found]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] <= 9 / 61


def test_items_found_by_two_sources_come_before_those_of_one(bundle):
    two = replace(
        bundle,
        rankings={},
        popular=Leaders(np.array([0, 1, 2], np.int32), np.array([3, 2, 1], np.float32)),
        trending=Leaders(np.array([2, 7], np.int32), np.array([500, 400], np.float32)),
    )
    both = replace(placement("trending"), sources=("trending", "popular"))
    assert [each.row for each in recommend(Query(both, unknown(), AS_OF, 4), two)] == [2, 0, 1, 7]


def test_an_answer_is_personal_only_when_the_profile_had_a_say(bundle):
    assert answer(bundle, "home", bundle.profile("u5"), AS_OF).personalized
    assert not answer(bundle, "home", bundle.profile("u0"), AS_OF).personalized
    assert not answer(bundle, "trending", bundle.profile("u5"), AS_OF).personalized


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"limit": 0}, "limit"), ({"limit": -1}, "limit"), ({"fields": ["cost"]}, "fields")],
)
def test_wrong_wishes_are_refused(bundle, wrong, field):
    with pytest.raises(BadInput) as refused:
        answer(bundle, "home", unknown(), AS_OF, **wrong)
    assert refused.value.field == field


def test_a_placement_about_items_needs_one(bundle):
    with pytest.raises(BadInput, match="item_ids"):
        answer(bundle, "similar", unknown(), AS_OF)


def test_an_unknown_placement_is_told_with_the_nearest():
    with pytest.raises(UnknownThing, match="'bought-together'"):
        placement("bought_together")
    with pytest.raises(UnknownThing):
        placement("")


def test_a_reason_counts_the_purchases(bundle):
    profile = profile_of((5, "purchase", 10), (5, "purchase", 1))
    first = answer(bundle, "home", profile, AS_OF, explain=True).items[0]
    assert first.reason == "you bought it twice, last yesterday"


def test_a_sound_bundle_passes_and_an_empty_shop_too(bundle):
    check_sound(bundle)
    check_sound(toy_bundle(1, 1, events_each=0))


@pytest.mark.parametrize(
    "broken",
    [
        lambda bundle: replace(bundle, manifest=replace(bundle.manifest, features=FEATURES[::-1])),
        lambda bundle: replace(bundle, popular=Leaders(np.array([-1], np.int32), np.ones(1, np.float32))),
        lambda bundle: replace(bundle, neighbours=replace(bundle.neighbours, indptr=bundle.neighbours.indptr[::-1])),
        lambda bundle: replace(
            bundle, similar_users=replace(bundle.similar_users, items=bundle.similar_users.items + N_ITEMS)
        ),
        lambda bundle: replace(bundle, history=replace(bundle.history, types=bundle.history.types + 100)),
        lambda bundle: replace(bundle, fold_in=np.zeros(0, np.float32)),
    ],
)
def test_an_unsound_bundle_is_refused(bundle, broken):
    with pytest.raises(BundleUnusable):
        check_sound(broken(bundle))


def test_events_long_after_the_clock_count_as_new_and_stay_finite():
    bundle = toy_bundle()
    row = int(np.argmax(np.diff(bundle.history.indptr)))
    profile = bundle.history.profile(row)
    long_before = float(profile.times.min()) - 50 * 365 * 86_400
    found = recommend(Query(placement("home"), profile, long_before, limit=5), bundle)
    assert found and all(np.isfinite(each.score) for each in found)
    _, weights = bundle.interests(profile, long_before)
    assert np.isfinite(weights).all()


def test_a_source_that_throws_loses_its_candidates_and_not_the_list(bundle):
    broken = replace(bundle, neighbours=replace(bundle.neighbours, items=bundle.neighbours.items[:0]))
    lost = []
    query = Query(placement("home"), bundle.profile("u5"), AS_OF, failed=lambda what, problem: lost.append(what))
    found = recommend(query, broken)
    assert len(found) == 20 and {each.source for each in found} >= {"own"}
    assert lost == ["neighbours"]
    with pytest.raises(IndexError):
        recommend(replace(query, failed=raising), broken)


def test_a_ranking_that_throws_leaves_the_order_to_the_sources(bundle):
    ranking = bundle.rankings["home"]
    broken = replace(bundle, rankings={"home": replace(ranking, values=ranking.values[:1])}, kept=Kept())
    lost = []
    query = Query(placement("home"), bundle.profile("u5"), AS_OF, failed=lambda what, problem: lost.append(what))
    plain = recommend(Query(placement("home"), bundle.profile("u5"), AS_OF), replace(bundle, rankings={}))
    assert recommend(query, broken) == plain
    assert lost == ["ranking"]


def test_the_last_resort_is_what_sells_best_and_is_on_sale(bundle):
    stock = bundle.catalog.stock.copy()
    stock[1] = 0
    shop = replace(bundle, catalog=replace(bundle.catalog, stock=stock))
    found = last_resort(shop, 3, ["i2", "unknown"])
    assert [each.id for each in found.items] == ["i0", "i3", "i4"]
    assert not found.personalized
    assert last_resort(toy_bundle(1, 1, events_each=0), 5).items
