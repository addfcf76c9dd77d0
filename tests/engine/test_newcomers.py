"""Items newer than the bundle: recommended by what they are, answered for like any other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.content import alike, codes_of, words_of
from engine.newcomers import with_newcomers
from engine.overlay import on_sale, overlaid, with_live_trends
from engine.profile import unknown, with_tail
from engine.recommend.answer import Told, answer
from engine.recommend.control import control_of
from engine.recommend.placements import PLACEMENTS
from engine.recommend.soundness import check_sound
from tests.bundles import AS_OF, DAY, taste, toy_bundle

NEW = [
    {"item_id": "new-1", "name": "Newest", "categories": ["taste 1"], "tags": ["t1"], "brand": "Fresh", "price": 5},
    {"item_id": "new-2", "categories": ["taste 2"], "stock": 0, "tags": ["t2"]},
    {"item_id": "new-3", "name": "stranger", "categories": ["never heard of"]},
]


def extended(bundle=None, documents=NEW):
    bundle = bundle or toy_bundle()
    near = alike(bundle.content, [codes_of(words_of(each)) for each in documents], 40)
    return with_newcomers(bundle, documents, near, AS_OF)


def listed(bundle, placement="home", user="u5", limit=20, **more):
    profile = bundle.profile(user) or unknown()
    return answer(bundle, placement, profile, AS_OF, limit=limit, **more).items


def test_the_ids_and_texts_of_more_rows_stand_behind_the_others():
    bundle = extended()
    ids = [*(f"i{row}" for row in range(80)), "new-1", "new-2", "new-3"]
    assert bundle.items.rows(ids).tolist() == list(range(83))
    assert [bundle.items.ids[row] for row in (0, 79, 80, 82)] == ["i0", "i79", "new-1", "new-3"]
    assert bundle.items.row("new-4") == -1
    assert bundle.catalog.fields(80) == {
        "name": "Newest", "brand": "Fresh", "categories": ["taste 1"], "price": 5
    }  # fmt: skip
    assert bundle.catalog.fields(82)["categories"] == ["never heard of"]


def test_whoever_takes_what_a_newcomer_is_like_sees_it_in_the_fifth_place():
    found = listed(extended())  # u5 takes taste 1
    assert [each.id for each in found].index("new-1") == 4
    assert found[4].source == "new_for_you"
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert len({each.id for each in found}) == len(found) == 20
    assert "new-1" not in [each.id for each in listed(extended(), user="u6")]


def test_lists_of_less_than_five_and_shops_without_newcomers_are_as_before():
    bundle = toy_bundle()
    assert listed(extended(bundle), limit=4) == listed(bundle, limit=4)
    assert listed(extended(bundle, []), limit=20) == listed(bundle, limit=20)


def test_what_is_sold_out_is_not_shown_before_it_is_back():
    bundle = extended()
    assert "new-2" not in [each.id for each in listed(bundle, user="u6")]
    back = overlaid(bundle, [{**NEW[1], "stock": 3}], AS_OF)
    assert "new-2" in [each.id for each in listed(back, user="u6")]


def test_a_newcomer_in_view_has_similar_items_and_stands_beside_what_is_like_it():
    bundle = extended()
    beside = listed(bundle, "similar", item_ids=["new-1"], explain=True)
    assert beside
    assert all(taste(int(each.id[1:])) == 1 for each in beside[:5] if each.source == "similar_items")
    assert "new-1" in [each.id for each in listed(bundle, "similar", item_ids=["i1"], explain=True)]


def test_every_placement_answers_for_somebody_who_bought_a_newcomer():
    bundle = extended()
    for row in (80, 81, 82):
        bought = with_tail(
            bundle.profile("u5"),
            *(
                np.array([value], kind)
                for value, kind in ((row, np.int32), (0, np.uint8), (AS_OF, np.int64), (1, np.float32))
            ),
        )
        for name, placement in PLACEMENTS.items():
            context = [bundle.items.ids[row]] if placement.needs_items else []
            found = answer(bundle, name, bought, AS_OF + 60, item_ids=context, explain=True)
            # Nothing stands in the orders of something new, and nothing was bought long enough ago.
            assert found.items or name in ("buy-again", "bought-together")
    assert "new-3" not in [each.id for each in answer(bundle, "buy-again", bought, AS_OF + 60).items]
    twice = with_tail(
        bought,
        *(
            np.array([value], kind)
            for value, kind in ((82, np.int32), (0, np.uint8), (AS_OF + 20 * DAY, np.int64), (1, np.float32))
        ),
    )
    assert "new-3" not in [each.id for each in answer(bundle, "buy-again", bought, AS_OF + 20 * DAY).items]
    assert "new-3" in [each.id for each in answer(bundle, "buy-again", twice, AS_OF + 40 * DAY).items]


def test_a_filter_that_speaks_of_the_user_finds_newcomers_behind_all_that_sells():
    told = Told(control_of({"filter": "price < user.attributes.most"}), {"attributes": {"most": 102}})
    found = answer(extended(), "best-sellers", unknown(), AS_OF, limit=9, told=told).items
    assert [each.id for each in found] == ["i0", "i1", "new-1"]


def test_an_extended_bundle_is_sound():
    check_sound(extended())


@pytest.mark.parametrize(
    ("document", "sold"),
    [
        ({}, True),
        ({"available": False}, False),
        ({"deleted": True}, False),
        ({"available_from": "2023-11-14T22:13:20Z"}, True),
        ({"available_from": "2023-11-14T22:13:21Z"}, False),
        ({"available_until": "2023-11-14T22:13:20+00:00"}, False),
        ({"available_until": "2023-11-15T06:13:21+08:00"}, True),
    ],
)
def test_an_item_is_sold_within_its_window(document, sold):
    assert on_sale(document, AS_OF) is sold


def test_one_variant_of_a_product_stands_in_a_list():
    bundle = toy_bundle()
    first, second, third = (bundle.items.row(each.id) for each in listed(bundle)[:3])
    family = bundle.catalog.family.copy()
    family[[first, third]] = 0
    varied = bundle.with_catalog(replace(bundle.catalog, family=family))
    found = [bundle.items.row(each.id) for each in listed(varied)]
    assert found[:2] == [first, second]
    assert third not in found
    assert len(found) == 20
    beside = listed(varied, "similar", item_ids=[bundle.items.ids[first]], limit=100)
    assert third not in [bundle.items.row(each.id) for each in beside]


def test_a_new_variant_joins_the_family_of_its_parent():
    bundle = toy_bundle()
    family = bundle.catalog.family.copy()
    family[1] = 4
    bundle = bundle.with_catalog(replace(bundle.catalog, family=family))
    variants = [
        {"item_id": "v1", "parent_id": "i1"},
        {"item_id": "v2", "parent_id": "shirt"},
        {"item_id": "v3", "parent_id": "shirt"},
        {"item_id": "shirt"},
        {"item_id": "alone"},
    ]
    codes = extended(bundle, variants).catalog.family[80:]
    assert codes[0] == 4
    assert codes[1] == codes[2] == codes[3] > 4
    assert codes[4] == -1


def test_what_sells_above_its_usual_rate_leads_the_trends():
    bundle = toy_bundle()
    usual = float(bundle.statistics.recent[0]) * 0.25 / 14
    trended = with_live_trends(bundle, [("i0", usual), ("i40", 30.0), ("i50", 3.0), ("unknown", 99.0)])
    names = [each.id for each in listed(trended, "trending", user="nobody", limit=8)]
    before = [each.id for each in listed(bundle, "trending", user="nobody", limit=6)]
    assert names == ["i40", "i50", *before]
    assert with_live_trends(bundle, []) is bundle
