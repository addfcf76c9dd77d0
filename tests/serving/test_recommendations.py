"""The recommendation endpoints, asked over a real connection."""

from __future__ import annotations

import json
from datetime import datetime
from urllib.parse import quote

import pytest

from engine.recommend.answer import FIELDS
from tests.bundles import AS_OF, DAY, taste
from tests.serving.conftest import ODD_IDS

N_ITEMS = 80
KEYS = {
    "recommendation_id",
    "items",
    "bundle_version",
    "variant",
    "personalized",
    "degraded",
    "missing_ids",
    "overruled",
    "next",
}


def rows(answer):
    known = [f"i{row}" for row in range(N_ITEMS - len(ODD_IDS))] + ODD_IDS
    return [known.index(item["id"]) for item in answer.json()["items"]]


def path_of(item_id):
    return quote(item_id.encode("utf-8", "surrogatepass"), safe="").replace(".", "%2E")


def test_a_known_user_sees_items_of_the_own_taste_with_reasons_that_are_asked_for(shop):
    answer = shop.get("/v1/users/u5/recommendations", limit=8, explain=True)
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == KEYS
    assert {taste(row) for row in rows(answer)} == {taste(5)}
    assert body["personalized"] and not body["degraded"]
    assert body["items"][0]["source"] == "own"
    assert body["items"][0]["reason"].startswith("you bought it")
    scores = [item["score"] for item in body["items"]]
    assert scores == sorted(scores, reverse=True)


def test_reasons_and_fields_are_left_out_unless_asked_for(shop):
    item = shop.get("/v1/users/u5/recommendations", limit=1).json()["items"][0]
    assert item == item | {"reason": None, "promoted": False, "fields": {}}
    full = shop.get("/v1/users/u5/recommendations", limit=1, fields=",".join(FIELDS)).json()["items"][0]
    assert list(full["fields"]) == list(FIELDS)
    assert full["fields"]["categories"] == ["everything", f"taste {taste(5)}"]


@pytest.mark.parametrize("user", ["nobody", "u0", "a/b", "\ud800"])
def test_somebody_unknown_sees_what_is_popular_and_the_answer_says_so(shop, user):
    answer = shop.client.get(f"/v1/users/{path_of(user)}/recommendations", params={"limit": 5})
    body = answer.json()
    assert rows(answer) == [0, 1, 2, 3, 4]
    assert {item["source"] for item in body["items"]} == {"popular"}
    assert not body["degraded"] and not body["personalized"]


def test_nobody_at_all_is_answered_like_somebody_unknown(shop):
    assert rows(shop.ask(limit=3)) == rows(shop.ask(limit=3, session_id="s1")) == [0, 1, 2]


@pytest.mark.parametrize("placement", ["home", "discover", "buy-again", "trending"])
def test_the_long_form_and_the_short_form_agree(shop, placement):
    long = shop.ask(placement=placement, user_id="u6", limit=10, explain=True).json()
    short = shop.get("/v1/users/u6/recommendations", placement=placement, limit=10, explain=True).json()
    assert long["items"] == short["items"]
    assert long["items"]
    assert long["recommendation_id"] != short["recommendation_id"]


def test_discover_shows_nothing_that_was_bought_and_buy_again_nothing_else(shop):
    profile = shop.runtime.live.bundle.profile("u6")
    bought = set(profile.purchased.tolist())
    assert not bought & set(rows(shop.ask(placement="discover", user_id="u6", limit=100)))
    again = shop.get("/v1/users/u6/buy-again", limit=100)
    assert set(rows(again)) <= bought


def test_what_is_due_again_says_when_and_how_likely(shop):
    body = shop.get("/v1/users/u6/buy-again", limit=100, explain=True).json()
    assert body["items"] and body["personalized"]
    for each in body["items"]:
        assert datetime.fromisoformat(each["due_at"]).timestamp() <= AS_OF + 7 * DAY
        assert 0 <= each["chance"] <= 0.5
        assert (
            each["reason"].startswith(f"due again since {each['due_at'][:10]}: you bought it")
            or "again on" in each["reason"]
        )
    likely = [each["chance"] for each in body["items"]]
    assert likely == sorted(likely, reverse=True)
    assert all("due_at" not in each for each in shop.ask(user_id="u6").json()["items"])


def test_somebody_who_never_bought_has_nothing_to_buy_again(shop):
    answer = shop.get("/v1/users/nobody/buy-again")
    assert answer.status_code == 200
    assert answer.json()["items"] == []


def test_similar_items_are_of_the_same_taste_and_exclude_the_item_itself(shop):
    assert rows(shop.get("/v1/items/i3/similar", limit=3)) == [7, 11, 15]


def test_bought_together_begins_with_the_planted_partner(shop):
    answer = shop.get("/v1/items/i3/bought-together", limit=2, explain=True)
    assert rows(answer)[0] == 4
    assert answer.json()["items"][0]["reason"] == "bought together with item 3"


def test_a_reason_names_the_item_in_view_that_called(shop):
    body = shop.ask(placement="bought-together", item_ids=["i2", "i6"], limit=2, explain=True).json()
    reasons = {item["id"]: item["reason"] for item in body["items"]}
    assert reasons == {"i3": "bought together with item 2", "i7": "bought together with item 6"}


def test_trending_shows_the_planted_risers(shop):
    assert rows(shop.get("/v1/trending", limit=3)) == [79, 78, 77]


def test_an_unknown_item_is_named_as_missing_and_the_fallback_answers(shop):
    answer = shop.get("/v1/items/gone/similar", limit=3)
    assert answer.status_code == 200
    assert answer.json()["missing_ids"] == ["gone"]
    assert {item["source"] for item in answer.json()["items"]} == {"popular"}
    both = shop.ask(placement="similar", item_ids=["gone", "i3", "gone"], limit=2)
    assert both.json()["missing_ids"] == ["gone"]
    assert rows(both) == [7, 11]


def test_an_unknown_item_has_nothing_bought_together(shop):
    answer = shop.get("/v1/items/gone/bought-together")
    assert (answer.status_code, answer.json()["missing_ids"]) == (200, ["gone"])


def test_excluded_items_are_not_shown_and_unknown_ones_do_not_matter(shop):
    first = rows(shop.ask(user_id="u5", limit=3))
    again = rows(shop.ask(user_id="u5", limit=3, exclude=[f"i{first[0]}", "gone"]))
    assert again[:2] == first[1:]


@pytest.mark.parametrize("item_id", ODD_IDS)
def test_an_id_may_hold_any_character(shop, item_id):
    row = N_ITEMS - len(ODD_IDS) + ODD_IDS.index(item_id)
    short = shop.client.get(f"/v1/items/{path_of(item_id)}/similar?explain=true")
    long = shop.client.post(
        "/v1/recommendations",
        content=json.dumps({"placement": "similar", "item_ids": [item_id], "explain": True}),
        headers={"content-type": "application/json"},
    )
    for answer in (short, long):
        assert answer.status_code == 200
        assert answer.json()["missing_ids"] == []
        assert {taste(found) for found in rows(answer)[:1]} == {taste(row)}


def test_an_odd_id_comes_back_as_it_is(shop):
    shown = {item["id"] for item in shop.ask(placement="trending", limit=10).json()["items"]}
    assert shown == set(ODD_IDS[-10:])


@pytest.mark.parametrize("limit", [1, 100])
def test_both_ends_of_the_limit_are_allowed(shop, limit):
    assert len(shop.ask(limit=limit).json()["items"]) == min(limit, N_ITEMS)


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "5"},
        {"limit": True},
        {"limit": None},
        {"limit": 10**400},
        {"item_ids": "i3"},
        {"item_ids": [""]},
        {"item_ids": [3]},
        {"item_ids": [{}]},
        {"user_id": ""},
        {"user_id": 7},
        {"exclude": ["x"] * 1001},
        {"fields": ["secret"]},
        {"explain": "yes"},
        {"placement": "similar"},
        {"placement": 3},
        {"filter": "prise < 3"},
        {"filter": 3},
        {"hide": "price"},
        {"boost": {}},
        {"diversity": 1.5},
        {"rotation": -1},
        {"pages": 1},
        {"hue": "blue"},
    ],
)
def test_wrong_options_are_refused_with_their_name(shop, body):
    answer = shop.ask(**body)
    field = "item_ids" if body == {"placement": "similar"} else next(iter(body))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_an_unknown_option_is_told_from_a_wrong_one(shop):
    assert shop.ask(filters="x").json()["code"] == "unknown_field"
    assert shop.get("/v1/trending", filters="x").json()["code"] == "unknown_field"
    assert shop.ask(item_ids=["i1", ""]).json()["position"] == 1


def test_a_filter_passes_by_every_way_and_a_wrong_one_is_told_with_its_place(shop):
    for answer in (
        shop.ask(user_id="u5", filter="price > 110", limit=20),
        shop.ask(user_id="u5", filter={"field": "price", "op": ">", "value": 110}, limit=20),
        shop.get("/v1/users/u5/recommendations", filter="price > 110", limit=20),
    ):
        assert len(rows(answer)) == 20
        assert min(rows(answer)) > 10
    wrong = shop.ask(filter="stock > 1 and price / 0 > 1")
    assert (wrong.status_code, wrong.json()["position"]) == (422, 20)
    assert "divides by zero" in wrong.json()["detail"]
    assert shop.get("/v1/trending", filter="prise > 1").json()["position"] == 0


def test_decided_places_are_marked_and_what_lost_is_told(shop):
    body = shop.ask(
        user_id="u5",
        limit=5,
        pin=[{"item_id": "i9", "position": 2}, {"item_id": "i10", "position": 2}],
        hide='item_id = "i10"',
    ).json()
    assert body["items"][1]["id"] == "i9"
    assert [item["promoted"] for item in body["items"]] == [False, True, False, False, False]
    assert body["overruled"] == [{"rule": "pin", "by": "hide", "item_id": "i10"}]


def test_without_a_live_store_no_pages_are_kept_and_the_answer_says_so(shop):
    body = shop.ask(user_id="u5", limit=5, pages=True).json()
    assert (body["next"], body["degraded"], len(body["items"])) == (False, True, 5)
    answer = shop.client.post(f"/v1/recommendations/{body['recommendation_id']}/next", json={})
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")


@pytest.mark.parametrize("limit", ["0", "101", "many", "", "1.5", "-1"])
def test_a_wrong_limit_of_a_short_form_is_refused(shop, limit):
    answer = shop.get("/v1/trending", limit=limit)
    assert (answer.status_code, answer.json()["field"]) == (422, "limit")


def test_an_unknown_placement_is_answered_with_the_nearest(shop):
    for answer in (shop.ask(placement="hom"), shop.get("/v1/users/u5/recommendations", placement="hom")):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_placement")
        assert "did you mean home?" in answer.json()["detail"]


@pytest.mark.parametrize("field", ["user_id", "session_id"])
def test_an_id_that_nothing_can_have_is_refused(shop, field):
    assert shop.ask(**{field: "é" * 256}).status_code == 200
    answer = shop.ask(**{field: "é" * 257})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_a_list_is_not_asked_for_in_plain_text(shop):
    answer = shop.client.post("/v1/recommendations", content=b"{}", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "not_json")
