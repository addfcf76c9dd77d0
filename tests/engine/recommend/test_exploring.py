"""Exploring: what chance shows, with which chances, and that no rule is broken by it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from engine.errors import BadInput
from engine.profile import unknown
from engine.recommend.answer import EXPLORED, Told, answer
from engine.recommend.control import control_of
from engine.recommend.exploration import Exploration, exploration_of
from engine.recommend.exploring import ALTERNATIVES, Tried, explored, seed_of
from engine.recommend.placement_reader import read_placement
from engine.recommend.placements import PLACEMENTS
from engine.recommend.query import Query
from engine.recommend.recommender import recommend
from tests.bundles import AS_OF, taste, toy_bundle

SHARE = 0.3
DRAWS = 6_000


@pytest.fixture(scope="module")
def bundle():
    return toy_bundle(n_items=200)


def exploring(share=SHARE, **words):
    return read_placement("try", {"like": "home", "newcomers": "", "explore": share, **words})


def asked(bundle, placement, seed, *, user="u5", limit=8, **told):
    profile = bundle.profile(user) or unknown()
    wishes = {name: told.pop(name) for name in ("pages", "tried") if name in told}
    exclude = told.pop("exclude_ids", ())
    wanted = Told(control_of(told), seed=seed, **wishes)
    return answer(bundle, placement, profile, AS_OF, limit=limit, explain=True, exclude_ids=exclude, told=wanted)


def shown(found):
    return [each.id for each in found.items]


def test_a_placement_explores_only_where_a_seed_is_given_and_it_is_set_to(bundle):
    plain = shown(asked(bundle, exploring(0), 1))
    assert shown(asked(bundle, exploring(), None)) == plain
    assert asked(bundle, exploring(), None).propensities is None
    assert asked(bundle, exploring(0), 1).propensities is None
    assert any(shown(asked(bundle, exploring(), seed)) != plain for seed in range(5))


def test_the_same_seed_gives_the_same_list_again(bundle):
    seed = seed_of("0f" * 16)
    assert asked(bundle, exploring(), seed) == asked(bundle, exploring(), seed)
    assert len({tuple(shown(asked(bundle, exploring(), seed))) for seed in range(20)}) > 10


def test_what_was_explored_says_so_and_keeps_the_reason_of_its_source(bundle):
    plain = shown(asked(bundle, exploring(0), 1))
    for seed in range(20):
        found = asked(bundle, exploring(), seed)
        scores = [each.score for each in found.items]
        assert scores == sorted(scores, reverse=True)
        for at, each in enumerate(found.items):
            assert (each.source == EXPLORED) == (each.id != plain[at])
            assert (each.reason or "").startswith("tried out; ") == (each.source == EXPLORED)
    assert EXPLORED not in {each.source for each in asked(bundle, exploring(), None).items}


@pytest.fixture(scope="module")
def deep(bundle):
    """What u5 would be shown, and what waits behind it."""
    query = Query(PLACEMENTS["home"], bundle.profile("u5"), AS_OF, limit=8 * (1 + ALTERNATIVES))
    found = recommend(query, bundle)
    return query, found[:8], found[8:]


@pytest.mark.parametrize("by", ["chance", "results"])
def test_each_item_is_shown_as_often_as_the_logged_propensities_say(bundle, deep, by):
    """By inverse propensities every item that can be shown at a place counts once a list, on average."""
    query, plain, waiting = deep
    tried = Tried(0.1, {f"i{row}": (8.0, float(row % 3)) for row in range(200)})
    counts, weights, squares = Counter(), Counter(), Counter()
    for seed in range(DRAWS):
        found = explored(plain, waiting, Exploration(SHARE, by), query, bundle, seed=seed, tried=tried)
        for at, (each, chance) in enumerate(zip(found.shown, found.propensities, strict=True)):
            assert 0 < chance <= 1
            counts[at, each.row] += 1
            weights[at, each.row] += 1 / chance
            squares[at, each.row] += 1 / chance**2
    assert len(counts) == len(plain) * (1 + ALTERNATIVES)
    assert len({row for _, row in counts}) == len(counts)  # no item has two places
    for (at, row), weight in weights.items():
        error = np.sqrt(squares[at, row] / DRAWS - (weight / DRAWS) ** 2) / np.sqrt(DRAWS)
        assert abs(weight / DRAWS - 1) < 5 * error, (at, row)
        if row == plain[at].row:
            assert abs(counts[at, row] / DRAWS - (1 - SHARE)) < 5 * np.sqrt(SHARE * (1 - SHARE) / DRAWS)


def test_by_chance_all_alternatives_of_a_place_are_alike(bundle, deep):
    query, plain, waiting = deep
    for seed in range(50):
        found = explored(plain, waiting, Exploration(SHARE), query, bundle, seed=seed)
        for each, chance in zip(found.shown, found.propensities, strict=True):
            assert chance == pytest.approx(SHARE / ALTERNATIVES if each.explored else 1 - SHARE)


def test_by_results_what_was_clicked_is_tried_more_often_and_what_was_not_still_is(bundle, deep):
    query, plain, waiting = deep

    def counted(tried):
        found = Counter()
        for seed in range(DRAWS):
            made = explored(plain, waiting, Exploration(SHARE, "results"), query, bundle, seed=seed, tried=tried)
            found.update(each.row for each in made.shown if each.explored)
        return found

    good, *others = (each.row for each in waiting[::8])  # the alternatives of the first place
    before, after = (
        counted(Tried()),
        counted(Tried(0.05, {f"i{row}": (200.0, 60.0 * (row == good)) for row in range(200)})),
    )
    assert after[good] > 3 * before[good]
    assert all(0 < after[row] < before[row] for row in others)
    assert set(after) == set(before)


def test_places_are_drawn_independently_of_each_other(bundle, deep):
    query, plain, waiting = deep
    drawn = np.array(
        [
            [each.explored for each in explored(plain, waiting, Exploration(SHARE), query, bundle, seed=seed).shown]
            for seed in range(DRAWS)
        ],
        float,
    )
    correlations = np.corrcoef(drawn.T)[np.triu_indices(8, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(DRAWS)


def test_pins_and_promotions_stay_and_what_may_not_be_shown_is_not_tried(bundle):
    wishes = {
        "pin": [{"item_id": "i150", "position": 2}],
        "promote": [{"filter": 'brand = "brand 3"', "share": 0.25}],
        "hide": "price > 270",
        "filter": "price < 280",
    }
    for seed in range(60):
        found = asked(bundle, exploring(0.5), seed, exclude_ids=["i9", "i13"], **wishes)
        assert (found.items[1].id, found.propensities[1]) == ("i150", 1.0)
        assert [chance for each, chance in zip(found.items, found.propensities, strict=True) if each.promoted] == [
            1.0
        ] * 3
        assert all(int(each.id[1:]) <= 170 for each in found.items)
        assert not {"i9", "i13"} & set(shown(found))
        assert len(set(shown(found))) == 8


def test_caps_hold_however_the_places_are_drawn(bundle):
    words = {"max": {"brand": 2}}
    seen = Counter()
    for seed in range(300):
        found = asked(bundle, exploring(0.5), seed, diversity=words)
        rows = [int(each.id[1:]) for each in found.items]
        assert max(Counter(map(taste, rows)).values()) <= 2
        seen.update(each.source == EXPLORED for each in found.items)
    assert seen[True] > 100


def test_what_stepped_back_comes_first_on_the_next_page_and_nothing_twice(bundle):
    plain = asked(bundle, exploring(0), 1, pages=True)
    whole = {*shown(plain), *(each.id for each in plain.rest)}
    for seed in range(20):
        found = asked(bundle, exploring(0.5), seed, pages=True)
        rest = [each.id for each in found.rest]
        assert {*shown(found), *rest} == whole
        assert len(shown(found)) + len(rest) == len(whole)
        gone = [item for item in shown(plain) if item not in shown(found)]
        assert rest[: len(gone)] == gone
        assert EXPLORED not in {each.source for each in found.rest}


def test_a_shop_with_nothing_more_to_show_explores_nothing():
    small = toy_bundle(n_items=8)
    found = asked(small, exploring(0.5), 3, limit=20)
    assert set(found.propensities) == {1.0}
    empty = answer(toy_bundle(n_items=8), read_placement("b", {"like": "buy-again", "explore": 0.5}), unknown(), AS_OF,
                   told=Told(seed=1))  # fmt: skip
    assert (empty.items, empty.propensities) == ((), ())


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (0.6, "explore.share"),
        (-0.1, "explore.share"),
        (True, "explore.share"),
        ("0.1", "explore.share"),
        (float("nan"), "explore.share"),
        ({}, "explore.share"),
        ({"share": 0.1, "by": "luck"}, "explore.by"),
        ({"share": 0.1, "epsilon": 1}, "explore"),
        ([], "explore.share"),
    ],
)
def test_an_exploration_that_means_nothing_is_refused_by_name(given, field):
    with pytest.raises(BadInput) as refused:
        exploration_of(given)
    assert refused.value.field == field


def test_no_share_is_no_exploration():
    assert exploration_of(0) is None
    assert exploration_of({"share": 0.0}) is None
    assert exploration_of({"share": 0.1, "by": "results"}) == Exploration(0.1, "results")
