"""What is due again: the user's own rhythm beside that of others, now and not yesterday, with a date and a chance."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from engine.errors import BundleUnusable
from engine.events import TYPE_CODES
from engine.learned import Chance, Repurchase
from engine.profile import Profile, unknown, with_tail
from engine.recommend.again import BUY_AGAIN
from engine.recommend.answer import answer
from engine.recommend.due import due_at, of_profile, rhythm
from engine.recommend.placement_reader import read_placement
from engine.recommend.soundness import check_sound
from tests.bundles import AS_OF, DAY, toy_bundle


@pytest.fixture(scope="module")
def bundle():
    return toy_bundle()


def bought(*events: tuple[int, float]) -> Profile:
    """Purchases as (item, days ago)."""
    items, ages = zip(*sorted(events, key=lambda each: -each[1]), strict=True)
    n = len(items)
    return Profile(
        -1,
        np.array(items, np.int32),
        np.full(n, TYPE_CODES["purchase"], np.uint8),
        np.array([AS_OF - age * DAY for age in ages], np.int64),
        np.ones(n, np.float32),
    )


def listed(bundle, profile, now=AS_OF, **more):
    return answer(bundle, "buy-again", profile, now, explain=True, **more).items


def slow_typical(ages: list[float], prior: float, strength: float) -> float:
    logs = [math.log(early - late) for early, late in pairwise(ages) if early - late >= 0.5]
    return math.exp((strength * math.log(prior) + sum(logs)) / (strength + len(logs)))


@pytest.mark.parametrize("seed", range(5))
def test_the_rhythm_is_the_users_own_shrunk_to_the_items(seed):
    random = np.random.default_rng(seed)
    events = [
        (int(item), float(age)) for item, age in zip(random.integers(0, 5, 40), random.random(40) * 200, strict=True)
    ]
    events += [(2, 30.0), (2, 30.2)]  # one visit
    again = Repurchase(
        np.log([10.0, 20.0, 5.0, 80.0, 20.0]).astype(np.float32),
        np.full(5, 0.02, np.float32),
        np.array([3.0, 2.0], np.float32),
    )
    own = of_profile(bought(*events), AS_OF)
    found = rhythm(own, again)
    for at, item in enumerate(own.keys.tolist()):
        ages = sorted((age for each, age in events if each == item), reverse=True)
        assert found.typical[at] == pytest.approx(slow_typical(ages, math.exp(again.interval[item]), 3.0), rel=1e-3)
        repeats = sum(early - late >= 0.5 for early, late in pairwise(ages))
        assert found.pace[at] == pytest.approx(7 * (repeats + 2.0) / (ages[0] + 2.0 / 0.02), rel=1e-3)


def test_what_was_bought_today_or_yesterday_is_not_offered_however_often_it_is_bought(bundle):
    daily = [(3, age) for age in range(1, 40)]
    assert listed(bundle, bought(*daily)) == ()
    assert listed(bundle, bought((3, 0.0), *daily)) == ()
    found = listed(bundle, bought(*[(item, age + 1.5) for item, age in daily]))
    assert [each.id for each in found] == ["i3"]


def test_what_is_due_within_a_week_or_overdue_is_offered_and_what_is_due_later_is_not(bundle):
    """Of every item of the toy shop 20 days are usual."""
    profile = bought((1, 12.9), (2, 13.1), (5, 20.0), (6, 90.0), (9, 101.0))
    found = {each.id: each for each in listed(bundle, profile)}
    assert found.keys() == {"i2", "i5", "i6"}
    assert found["i2"].due_at == pytest.approx(AS_OF + 6.9 * DAY, abs=120)
    assert found["i6"].due_at == pytest.approx(AS_OF - 70 * DAY, abs=120)
    day = datetime.fromtimestamp(AS_OF + 6.9 * DAY, UTC).date()
    assert found["i2"].reason == f"due again on {day}: you bought it once, last 13 days ago"
    assert found["i6"].reason.startswith("due again since 2023-09-05: you bought it once")
    assert "i1" in {each.id for each in listed(bundle, profile, AS_OF + DAY)}


def test_what_was_bought_once_is_due_where_most_of_its_buyers_came_back(bundle):
    """Of item 3 a fifth came back; item 75 has five buyers of whom three did."""
    share = bundle.statistics.repeat_share.copy()
    share[3] = 0.2
    shop = replace(bundle, statistics=replace(bundle.statistics, repeat_share=share))
    once = bought((3, 25.0), (7, 25.0), (75, 25.0))
    assert [each.id for each in listed(shop, once)] == ["i7"]
    assert {each.id for each in listed(shop, bought((3, 25.0), (3, 45.0)))} == {"i3"}


def test_the_likelier_comes_first_and_scores_are_told_as_chances(bundle):
    often, seldom = [(1, age) for age in range(10, 100, 5)], [(2, 30.0), (2, 90.0)]
    found = listed(bundle, bought(*often, *seldom))
    assert [each.id for each in found] == ["i1", "i2"]
    assert 0.5 >= found[0].chance > found[1].chance >= 0
    silent = replace(bundle, chances={})
    assert [each.chance for each in listed(silent, bought(*often))] == [None]
    unlearned = replace(bundle, chances={}, rankings={})
    assert [each.id for each in listed(unlearned, bought(*often, *seldom))] == ["i1", "i2"]


def test_a_chance_does_not_depend_on_boosts_nor_on_what_else_is_in_the_list(bundle):
    profile = bought(*[(item, age) for item in range(20) for age in (20 + item, 60 + item)])
    plain = {each.id: each.chance for each in listed(bundle, profile, limit=20)}
    boosted = read_placement(
        "again", {"like": "buy-again", "boost": 'if item_id = "i9" then 1000 else 1', "filter": "price < 115"}
    )
    found = answer(bundle, boosted, profile, AS_OF, limit=20).items
    assert found[0].id == "i9"
    assert 0 < len(found) < len(plain)
    assert {each.id: each.chance for each in found} == {each.id: plain[each.id] for each in found}


def test_a_purchase_since_the_bundle_was_made_counts_at_once(bundle):
    before = bought((7, 40.0))
    assert [each.id for each in listed(bundle, before)] == ["i7"]
    arrays = ((7, np.int32), (TYPE_CODES["purchase"], np.uint8), (AS_OF - 60, np.int64), (1, np.float32))
    since = with_tail(before, *(np.array([value], kind) for value, kind in arrays))
    assert listed(bundle, since) == ()


def test_who_never_bought_has_nothing_due_and_a_shop_may_use_the_source_in_a_list_of_its_own(bundle):
    assert listed(bundle, unknown()) == ()
    own = read_placement("mine", {"sources": ["due", "trending"], "meaning": "Both."})
    found = answer(bundle, own, bought((5, 20.0)), AS_OF, limit=5)
    assert {each.source for each in found.items} == {"due", "trending"}
    assert [each.due_at is None for each in found.items] == [each.source == "trending" for each in found.items]


def test_the_moment_is_that_of_each_row_asked_for(bundle):
    profile = bought((1, 20.0), (2, 10.0), (3, 30.0))
    moments = due_at(np.array([3, 1], np.int32), profile, bundle, AS_OF)
    assert np.round((moments - AS_OF) / DAY).tolist() == [-10, 0]


@pytest.mark.parametrize(
    "broken",
    [
        {"chances": {BUY_AGAIN: Chance(np.array([1.0, 0.0]), np.array([0.1, 0.2]))}},
        {"chances": {BUY_AGAIN: Chance(np.array([0.0, 1.0]), np.array([0.1, 1.2]))}},
        {"chances": {BUY_AGAIN: Chance(np.zeros(0), np.zeros(0))}},
    ],
)
def test_a_bundle_whose_chances_are_none_is_refused(bundle, broken):
    with pytest.raises(BundleUnusable) as refused:
        check_sound(replace(bundle, **broken))
    assert refused.value.field == "chances.buy-again"


def test_a_bundle_in_which_nothing_may_be_bought_again_is_refused(bundle):
    again = replace(bundle.repurchase, pace=np.zeros(len(bundle.items), np.float32))
    with pytest.raises(BundleUnusable, match="buying again"):
        check_sound(replace(bundle, repurchase=again))
