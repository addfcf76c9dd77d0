"""Wishes of a list, on the toy shop: what each does, who wins where they contradict each other, what is refused."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from engine.errors import BadInput
from engine.overlay import overlaid
from engine.profile import unknown
from engine.recommend.answer import Told, answer
from engine.recommend.control import NOTHING, control_of, joined
from engine.recommend.placements import PLACEMENTS
from tests.bundles import AS_OF, DAY, taste, toy_bundle

HOUR = 3_600


@pytest.fixture(scope="module")
def bundle():
    return toy_bundle(n_items=80)


def rows(bundle, placement="home", user="u5", limit=10, *, shown=(), document=None, pages=False, **wishes):
    more = {name: wishes.pop(name) for name in ("item_ids", "exclude_ids") if name in wishes}
    profile = bundle.profile(user) or unknown()
    told = Told(control_of(wishes), document or {}, shown, pages)
    found = answer(bundle, placement, profile, AS_OF, limit=limit, told=told, explain=True, **more)
    scores = [each.score for each in found.items]
    assert scores == sorted(scores, reverse=True)
    assert all(each.reason for each in found.items)
    return found, [bundle.items.row(each.id) for each in found.items]


@pytest.mark.parametrize("user", ["u5", "nobody"])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_filter_keeps_what_passes_in_its_order_and_fills_the_list(bundle, placement, user):
    item_ids = ["i5"] if PLACEMENTS[placement].needs_items else []
    _, free = rows(bundle, placement, user, 80, item_ids=item_ids)
    _, kept = rows(bundle, placement, user, 80, item_ids=item_ids, filter="attributes.bio = true")
    assert all(row % 2 == 0 for row in kept)
    if PLACEMENTS[placement].fallback:
        assert len(kept) >= 38
    assert [row for row in free if row in kept][:3] == [row for row in kept if row in free][:3]


def test_a_filter_that_keeps_one_in_a_hundred_fills_twenty_places():
    large = toy_bundle(n_items=4_000)
    for user in ("u7", "nobody"):
        found, kept = rows(large, "home", user, 20, filter='attributes.size = 7 and tags has "t3" and price > 1000')
        assert len(kept) == 20
        assert all(row % 10 == 7 and row % 8 == 3 for row in kept)
        assert found.personalized == (user == "u7")


def test_a_filter_that_speaks_of_the_user_finds_the_same_best_sellers_as_one_that_does_not():
    """The one asks the best sellers first and no further than needed, the other has a column of all."""
    large = toy_bundle(n_items=9_000)
    mine, told = "attributes.size = user.attributes.size", {"attributes": {"size": 7}}
    for user in ("nobody", "u7"):
        _, own = rows(large, "best-sellers", user, 80, filter=mine, document=told)
        _, same = rows(large, "best-sellers", user, 80, filter="attributes.size = 7")
        assert own == same == [7 + 10 * place for place in range(80)]
    changed = overlaid(large, [{"item_id": "i7", "stock": 0}, {"item_id": "i8", "attributes": {"size": 7}}], AS_OF)
    _, own = rows(changed, "best-sellers", limit=3, filter=mine, document=told)
    assert own == [8, 17, 27]
    rare = {"filter": "price > user.attributes.least", "document": {"attributes": {"least": 9_090}}}
    assert rows(large, "best-sellers", limit=80, **rare)[1] == list(range(8_991, 9_000))
    assert rows(large, "best-sellers", limit=80, filter="price > user.attributes.nothing")[1] == []


def test_a_filter_may_speak_of_the_item_in_view_the_user_and_the_clock(bundle):
    _, kept = rows(
        bundle, "similar", limit=5, item_ids=["i5"], filter="price < context.price and brand = context.brand"
    )
    assert kept == [1]
    _, kept = rows(
        bundle, filter="attributes.colour = user.attributes.likes", document={"attributes": {"likes": "red"}}
    )
    assert kept
    assert all(row % 3 == 0 for row in kept)
    _, kept = rows(bundle, filter="user.orders > 1 and first_sold_at < now()")
    assert len(kept) == 10
    assert rows(bundle, user="nobody", filter="user.orders > 1")[1] == []


def test_without_a_fallback_a_list_stays_short(bundle):
    assert rows(bundle, "trending", limit=20, filter="price < 171", fill=False)[1] == [70]
    assert len(rows(bundle, "trending", limit=20, filter="price < 171")[1]) == 20


def test_a_boost_orders_and_never_removes(bundle):
    _, plain = rows(bundle, limit=80)
    _, boosted = rows(bundle, limit=80, boost='if brand = "brand 2" then 1000000 else 1')
    assert set(plain) == set(boosted)
    assert boosted != plain
    assert [taste(row) for row in boosted[:3]] == [2, 2, 2]
    assert [row for row in boosted if taste(row) == 2] == [row for row in plain if taste(row) == 2]
    _, sunk = rows(bundle, limit=80, boost=[{"when": f'item_id = "i{plain[0]}"', "factor": 0.000001}])
    assert sunk.index(plain[0]) > 5


def test_a_boost_holds_within_its_window_only(bundle):
    _, plain = rows(bundle)

    def times(since, until):
        return {"from": iso(since), "until": iso(until)}

    def boosted(window):
        return rows(bundle, boost=[{"when": 'brand = "brand 2"', "factor": 1e6, **window}])[1]

    assert boosted(times(HOUR, 2 * HOUR)) == boosted(times(-2 * HOUR, -HOUR)) == plain
    assert boosted(times(-HOUR, HOUR)) != plain


def iso(after):
    return datetime.fromtimestamp(AS_OF + after, UTC).isoformat()


def test_a_boost_that_knows_nothing_of_an_item_leaves_it_where_it_is(bundle):
    assert rows(bundle, boost="attributes.nobody * 5")[1] == rows(bundle)[1]
    assert rows(bundle, boost="margin / (price - price)")[1] == rows(bundle)[1]


def test_pins_stand_at_their_places_and_say_that_somebody_decided(bundle):
    found, kept = rows(bundle, pin=[{"item_id": "i70", "position": 1}, {"item_id": "i71", "position": 4}])
    assert (kept[0], kept[3]) == (70, 71)
    assert [each.promoted for each in found.items[:4]] == [True, False, False, True]
    assert found.items[0].source == "pinned"
    assert found.overruled == ()
    assert len(set(kept)) == 10


def test_what_removes_wins_over_pins_and_the_answer_says_so(bundle):
    sold_out = overlaid(bundle, [{"item_id": "i74", "stock": 0}], AS_OF)
    pins = [{"item_id": f"i{row}", "position": at} for at, row in enumerate((70, 71, 72, 73, 74, 75, 999), start=1)]
    pins += [{"item_id": "i76", "position": 6}, {"item_id": "i75", "position": 9}]
    found, kept = rows(
        sold_out,
        "similar",
        item_ids=["i70"],
        exclude_ids=["i71"],
        hide='item_id = "i72"',
        filter='not item_id = "i73"',
        pin=pins,
    )
    assert not {70, 71, 72, 73, 74} & set(kept)
    assert kept[5:7] == [75, 76]
    assert [(each.rule, each.by, each.item_id) for each in found.overruled] == [
        ("pin", "context", "i70"),
        ("pin", "excluded", "i71"),
        ("pin", "hide", "i72"),
        ("pin", "filter", "i73"),
        ("pin", "unsellable", "i74"),
        ("pin", "unknown", "i999"),
        ("pin", "pin", "i76"),
        ("pin", "pin", "i75"),
    ]


def test_a_share_of_the_places_is_promoted_and_spread(bundle):
    found, kept = rows(bundle, promote=[{"filter": 'brand = "brand 3"', "share": 0.3}])
    places = [at for at, each in enumerate(found.items) if each.promoted]
    assert len(places) == 3
    assert {taste(kept[at]) for at in places} == {3}
    assert min(b - a for a, b in pairwise(places)) >= 3
    assert rows(bundle, promote=[{"filter": "brand is null", "share": 0.5}])[1] == rows(bundle)[1]


def test_promotions_pass_the_filter_and_leave_pins_their_places(bundle):
    found, kept = rows(
        bundle,
        pin=[{"item_id": "i8", "position": 2}],
        promote=[{"filter": 'brand = "brand 2"', "share": 1.0}],
        filter="price < 150",
    )
    assert kept[1] == 8
    assert all(row == 8 or taste(row) == 2 for row in kept)
    assert all(row < 50 for row in kept)
    assert [(each.rule, each.by) for each in found.overruled] == [("promote", "pin")]


def test_a_promotion_of_which_nothing_may_be_shown_says_what_forbids_it(bundle):
    promoted = [{"filter": 'brand = "brand 3"', "share": 0.3}]
    for wishes, by in (
        ({"filter": 'brand = "brand 1"'}, "filter"),
        ({"hide": 'brand = "brand 3"'}, "hide"),
        ({"hide": 'brand = "brand 3"', "filter": 'brand != "brand 1"'}, "hide"),
    ):
        found, kept = rows(bundle, promote=promoted, **wishes)
        assert not any(each.promoted for each in found.items)
        assert 3 not in set(map(taste, kept))
        assert [(each.rule, each.by) for each in found.overruled] == [("promote", by)]
    none = [{"filter": 'brand = "nobody"', "share": 0.3}]
    assert [(each.rule, each.by) for each in rows(bundle, promote=none)[0].overruled] == [("promote", "unsellable")]
    assert rows(bundle, promote=promoted, filter='brand in ("brand 1", "brand 3")')[0].overruled == ()


def test_a_filter_for_nothing_but_what_is_hidden_loses_and_the_answer_says_so(bundle):
    found, kept = rows(bundle, filter='brand = "brand 1"', hide="price > 0")
    assert kept == []
    assert [(each.rule, each.by) for each in found.overruled] == [("filter", "hide")]
    assert rows(bundle, filter="price > 1000000", hide="price < 0")[0].overruled == (), "nothing passes it anyway"
    assert rows(bundle, filter='brand = "brand 1"', hide='brand = "brand 2"')[0].overruled == ()


def test_pins_win_over_variety_and_the_answer_says_so(bundle):
    pins = [{"item_id": f"i{row}", "position": at} for at, row in enumerate((3, 7, 11), start=1)]
    found, kept = rows(bundle, pin=pins, diversity={"max": {"brand": 2}}, limit=8)
    assert kept[:3] == [3, 7, 11]
    assert Counter(map(taste, kept))[3] == 3
    assert [(each.rule, each.by) for each in found.overruled] == [("diversity", "pin")]
    wide = rows(bundle, promote=[{"filter": 'brand = "brand 3"', "share": 0.5}], diversity={"max": {"brand": 2}})[0]
    assert [(each.rule, each.by) for each in wide.overruled] == [("diversity", "promote")]


def test_at_most_so_many_of_a_group_are_shown(bundle):
    _, kept = rows(bundle, user="nobody", diversity={"max": {"brand": 2}})
    assert Counter(map(taste, kept)) == {0: 2, 1: 2, 2: 2, 3: 2}
    _, kept = rows(bundle, user="nobody", limit=8, diversity={"max": {"attributes.size": 1, "category": 3}})
    assert len({row % 10 for row in kept}) == 8
    changed = overlaid(bundle, [{"item_id": f"i{row}", "brand": "one"} for row in range(40)], AS_OF)
    _, kept = rows(changed, user="nobody", limit=20, diversity={"max": {"brand": 2}})
    assert len([row for row in kept if row < 40]) == 2


def test_variety_mixes_what_is_alike_and_zero_changes_nothing(bundle):
    plain, varied = rows(bundle, limit=10)[1], rows(bundle, limit=10, diversity=0.7)[1]
    assert rows(bundle, limit=10, diversity=0)[1] == plain
    assert varied[0] == plain[0]
    assert len(set(map(taste, varied))) > len(set(map(taste, plain)))
    assert rows(bundle, limit=10, diversity={"mmr": 0.7})[1] == varied


def test_what_was_just_served_steps_back_and_comes_again(bundle):
    _, plain = rows(bundle)
    just = [(f"i{row}", AS_OF - 1.0) for row in plain[:3]]
    _, rotated = rows(bundle, shown=just, rotation=1.0)
    assert not set(plain[:3]) & set(rotated[:3])
    assert rows(bundle, shown=[(name, AS_OF - DAY) for name, _ in just], rotation=1.0)[1] == plain
    assert rows(bundle, shown=just)[1] == plain


def test_what_would_follow_comes_with_the_answer_where_pages_are_wished(bundle):
    found, first = rows(bundle, limit=5, pages=True)
    _, whole = rows(bundle, limit=60)
    assert first == whole[:5]
    assert [each.id for each in found.rest][:20] == [f"i{row}" for row in whole[5:25]]
    assert rows(bundle, limit=5)[0].rest == ()


def test_saved_wishes_and_those_of_a_request_hold_together(bundle):
    saved = control_of({"filter": "price < 150", "pin": [{"item_id": "i3", "position": 1}], "diversity": 0.2})
    asked = control_of({"filter": "price > 120", "pin": [{"item_id": "i40", "position": 1}], "fill": False})
    both = joined(saved, asked)
    assert [pin.item_id for pin in both.pins] == ["i40", "i3"]
    assert both.mmr == 0.2
    assert not both.fills
    assert joined(saved, NOTHING) is saved and joined(NOTHING, asked) is asked
    assert control_of({"filter": None, "diversity": None}) is NOTHING


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"filter": "price"}, "filter"),
        ({"hide": 3}, "hide"),
        ({"boost": "brand"}, "boost"),
        ({"boost": 3}, "boost"),
        ({"boost": [{"factor": 0}]}, "boost.factor"),
        ({"boost": [{"factor": 2, "when": "price"}]}, "boost"),
        ({"boost": [{"factor": 2, "from": "yesterday"}]}, "boost.from"),
        ({"boost": [{"factor": 2, "from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}]}, "boost.until"),
        ({"boost": [{"factor": 2, "weight": 3}]}, "boost"),
        ({"boost": [{"factor": 2}] * 51}, "boost"),
        ({"pin": [{"position": 1}]}, "pin.item_id"),
        ({"pin": [{"item_id": "a", "position": 0}]}, "pin.position"),
        ({"pin": [{"item_id": "a", "position": 101}]}, "pin.position"),
        ({"pin": [{"item_id": "a", "position": True}]}, "pin.position"),
        ({"pin": ["a"]}, "pin"),
        ({"promote": [{"filter": "price > 1", "share": 1.1}]}, "promote.share"),
        ({"promote": [{"share": 0.1}]}, "promote.filter"),
        ({"diversity": 2}, "diversity"),
        ({"diversity": {"mmr": -1}}, "diversity.mmr"),
        ({"diversity": {"max": {"price": 1}}}, "diversity.max"),
        ({"diversity": {"max": {"brand": 0}}}, "diversity.max"),
        ({"diversity": {"min": 1}}, "diversity"),
        ({"rotation": "much"}, "rotation"),
        ({"rotation": []}, "rotation"),
        ({"diversity": {"mmr": None}}, "diversity.mmr"),
        ({"fill": "no"}, "fill"),
    ],
)
def test_wishes_that_mean_nothing_are_refused_by_name(given, field):
    with pytest.raises(BadInput) as refused:
        control_of(given)
    assert refused.value.field == field
