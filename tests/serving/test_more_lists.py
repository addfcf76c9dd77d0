"""More kinds of lists: a given list reordered, several lists of one page, shelves, what was viewed, best sellers."""

from __future__ import annotations

import pytest

from tests.bundles import taste
from tests.serving.test_recommendations import rows


def rank(shop, item_ids, **more):
    return shop.client.post("/v1/rank", json={"item_ids": item_ids, **more})


def test_a_given_list_comes_back_whole_with_what_the_user_takes_first(shop):
    given = [f"i{row}" for row in range(40, 60)]
    answer = rank(shop, given, user_id="u5", strength=1, explain=True, fields=["price"])
    body = answer.json()
    assert sorted(item["id"] for item in body["items"]) == sorted(given)
    assert [taste(row) for row in rows(answer)[:5]] == [taste(5)] * 5
    assert [given[item["position"] - 1] for item in body["items"]] == [item["id"] for item in body["items"]]
    assert all(item["reason"] and item["fields"]["price"] for item in body["items"])
    scores = [item["score"] for item in body["items"]]
    assert scores == sorted(scores, reverse=True)
    assert body["personalized"]


def test_strength_says_how_far_the_given_order_is_left(shop):
    given = [f"i{row}" for row in range(40, 60)]
    assert [item["id"] for item in rank(shop, given, user_id="u5", strength=0).json()["items"]] == given
    half = rows(rank(shop, given, user_id="u5"))
    assert half not in (list(range(40, 60)), rows(rank(shop, given, user_id="u5", strength=1)))
    assert rows(rank(shop, ["i9", "i3", "i5"], strength=1)) == [3, 5, 9]
    assert not rank(shop, given).json()["personalized"]


def test_what_nobody_knows_stands_last_and_what_comes_twice_once(shop):
    body = rank(shop, ["gone", "i3", "i3", "i7"], user_id="u5", explain=True).json()
    assert [item["id"] for item in body["items"]][2:] == ["gone"]
    assert (body["missing_ids"], len(body["items"])) == (["gone"], 3)


def test_a_filter_keeps_of_a_given_list_what_passes_and_says_what_it_left_out(shop):
    given = [f"i{row}" for row in range(40, 60)]
    body = rank(shop, [*given, "gone"], user_id="u5", filter="price < 150").json()
    assert {item["id"] for item in body["items"]} == {*(f"i{row}" for row in range(40, 50)), "gone"}
    assert body["filtered_ids"] == [f"i{row}" for row in range(50, 60)]
    assert body["missing_ids"] == ["gone"]
    plain = [item["id"] for item in rank(shop, given[:10], user_id="u5").json()["items"]]
    assert [item["id"] for item in body["items"]] == [*plain, "gone"]
    nothing = rank(shop, given, filter="price < 1").json()
    assert (nothing["items"], nothing["filtered_ids"]) == ([], given)
    assert rank(shop, given).json()["filtered_ids"] == []
    assert len(rank(shop, given, user_id="u5", filter="user.orders > 1").json()["items"]) == 20
    assert rank(shop, given, filter="price < context.price").json()["items"] == [], "nothing given is in view"


def test_a_boost_moves_what_it_names_forward_however_much_the_order_is_kept(shop):
    given = [f"i{row}" for row in range(40, 60)]
    for strength in (0, 0.5, 1):
        plain = rank(shop, given, user_id="u5", strength=strength).json()["items"]
        last = plain[-1]["id"]
        boosted = rank(shop, given, user_id="u5", strength=strength, boost=f'if item_id = "{last}" then 5 else 1')
        ids = [item["id"] for item in boosted.json()["items"]]
        assert ids == [last, *(item["id"] for item in plain[:-1])]
    sunk = rank(shop, given, boost=[{"when": "price < 150", "factor": 0.1}]).json()["items"]
    assert {item["id"] for item in sunk[:10]} == {f"i{row}" for row in range(50, 60)}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"item_ids": ["i1"], "filter": "prise < 1"}, "filter"),
        ({"item_ids": ["i1"], "boost": "brand"}, "boost"),
        ({"item_ids": ["i1"], "pin": []}, "pin"),
        ({"item_ids": []}, "item_ids"),
        ({}, "item_ids"),
        ({"item_ids": ["i"] * 101}, "item_ids"),
        ({"item_ids": ["i1"], "strength": 2}, "strength"),
        ({"item_ids": ["i1"], "strength": "1"}, "strength"),
        ({"item_ids": ["i1"], "fields": ["secret"]}, "fields"),
        ({"item_ids": ["i1"], "limit": 3}, "limit"),
    ],
)
def test_a_wish_to_rank_that_means_nothing_is_refused_by_name(shop, body, field):
    answer = shop.client.post("/v1/rank", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_the_lists_of_a_page_repeat_nothing(shop):
    wishes = [
        {"placement": "home", "limit": 10},
        {"placement": "discover", "limit": 10, "filter": "price > 105"},
        {"placement": "best-sellers", "limit": 20},
        {"placement": "similar", "item_ids": ["i5"], "limit": 5},
    ]
    lists = shop.client.post("/v1/recommendations/batch", json={"user_id": "u5", "lists": wishes}).json()["lists"]
    shown = [item["id"] for each in lists for item in each["items"]]
    assert len(shown) == len(set(shown)) == 45
    alone = shop.ask(user_id="u5", placement="home", limit=10).json()["items"]
    assert lists[0]["items"] == alone
    assert len({each["recommendation_id"] for each in lists}) == 4


def test_a_page_with_a_wrong_list_is_refused_whole(shop):
    for wrong, field in (({"placement": "hom"}, "placement"), ({"filter": "prise > 1"}, "filter")):
        answer = shop.client.post("/v1/recommendations/batch", json={"lists": [{"limit": 1}, wrong]})
        assert answer.json()["field"] == field
    assert shop.client.post("/v1/recommendations/batch", json={"lists": [{}] * 11}).status_code == 422


def test_shelves_are_those_of_the_user_then_those_that_sell(shop):
    body = shop.get("/v1/users/u5/categories").json()
    assert body["shelves"][0]["name"] == f"taste {taste(5)}"
    assert [each["personalized"] for each in body["shelves"]] == [True, False, False, False]
    brands = shop.get("/v1/users/u6/brands", limit=1).json()["shelves"]
    assert [(each["name"], each["share"]) for each in brands] == [("brand 2", 1.0)]
    assert not any(each["personalized"] for each in shop.get("/v1/users/nobody/brands").json()["shelves"])


def test_what_was_viewed_comes_latest_first(shop):
    answer = shop.get("/v1/users/u5/recently-viewed", limit=100, explain=True)
    profile = shop.runtime.live.bundle.profile("u5")
    looked = profile.items[~profile.purchases][::-1].tolist()
    assert rows(answer) == list(dict.fromkeys(looked))
    assert answer.json()["items"][0]["reason"] == "you looked at it lately"
    assert shop.get("/v1/users/nobody/recently-viewed").json()["items"] == []


def test_best_sellers_of_a_category(shop):
    assert rows(shop.get("/v1/best-sellers", limit=3)) == [0, 1, 2]
    assert rows(shop.get("/v1/best-sellers", limit=3, filter='categories has "taste 2"')) == [2, 6, 10]
