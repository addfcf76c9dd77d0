"""Items and users over HTTP: stored, read back, and obeyed by the next recommendation."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from engine.storage.home import Home
from engine.storage.online import connect_live, connect_stream
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import eventually, publish, storefront
from tests.stores import settings_of


@pytest.fixture(scope="module")
def open_shop(stores, tmp_path_factory):
    """A storefront with its stores; tests use items and users of their own."""
    for connect, url in ((connect_live, stores.live_url), (connect_stream, stores.stream_url)):
        with connect(url) as client:
            client.flushall()
    home = Home(tmp_path_factory.mktemp("home"))
    publish(home, toy_bundle())
    urls = {"HAWKER_STREAM_URL": stores.stream_url, "HAWKER_REDIS_URL": stores.live_url}
    with storefront(home, now=AS_OF + 60, settings=settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", **urls)) as shop:
        yield shop


def put(shop, path, **document):
    return shop.client.put(path, json=document)


def patch(shop, path, **changes):
    return shop.client.patch(path, json=changes)


def test_what_is_put_is_read_back_and_putting_again_is_no_news(open_shop):
    milk = {"name": "Milk 牛奶", "categories": ["DAIRY", "MILK"], "price": 129, "attributes": {"fat": 3.5, "tags": [1]}}
    assert put(open_shop, "/v1/items/milk", **milk).status_code == 201
    assert put(open_shop, "/v1/items/milk", **milk).status_code == 200
    assert open_shop.get("/v1/items/milk").json() == {"item_id": "milk", **milk}


def test_a_patch_changes_what_it_names_and_null_removes(open_shop):
    put(open_shop, "/v1/items/bread", name="Bread", price=200, attributes={"a": 1, "b": 2})
    answer = patch(open_shop, "/v1/items/bread", price=None, stock=3, attributes={"a": None, "c": 4})
    assert answer.json() == {"item_id": "bread", "name": "Bread", "stock": 3, "attributes": {"b": 2, "c": 4}}
    assert patch(open_shop, "/v1/items/never", price=1).status_code == 404


def test_one_is_not_true_and_a_change_between_them_is_news(open_shop):
    put(open_shop, "/v1/items/flag", attributes={"a": 1})
    patch(open_shop, "/v1/items/flag", attributes={"a": True})
    assert open_shop.get("/v1/items/flag").json()["attributes"]["a"] is True


def test_a_deleted_thing_is_gone_and_can_be_put_again(open_shop):
    put(open_shop, "/v1/users/anna", region="north")
    for _ in range(2):
        assert open_shop.client.delete("/v1/users/anna").status_code == 200
    assert open_shop.get("/v1/users/anna").status_code == 404
    assert put(open_shop, "/v1/users/anna", region="south").status_code == 201


def test_patches_of_different_fields_at_once_lose_nothing(open_shop):
    put(open_shop, "/v1/items/busy", name="Busy")
    fields = [{"attributes": {f"a{n}": n}} for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda changes: patch(open_shop, "/v1/items/busy", **changes).status_code, fields))
    assert answers == [200] * 24
    assert open_shop.get("/v1/items/busy").json()["attributes"] == {f"a{n}": n for n in range(24)}


def test_the_next_recommendation_obeys_stock_availability_price_and_deletion(open_shop):
    def lists():
        answer = open_shop.ask(user_id="u5", limit=100, fields=["price"]).json()
        return {each["id"]: each["fields"]["price"] for each in answer["items"]}

    first, second, third, fourth = list(lists())[:4]
    put(open_shop, f"/v1/items/{first}", stock=0)
    put(open_shop, f"/v1/items/{second}", available=False)
    put(open_shop, f"/v1/items/{third}", price=4_242)
    open_shop.client.delete(f"/v1/items/{fourth}")
    found = lists()
    assert not {first, second, fourth} & found.keys()
    assert found[third] == 4_242
    put(open_shop, f"/v1/items/{first}", stock=1)
    assert first in lists()


def test_another_bundle_obeys_what_was_said_before_it(open_shop):
    put(open_shop, "/v1/items/i3", available=False)
    before = open_shop.runtime.live.version
    publish(open_shop.home, toy_bundle())
    while open_shop.runtime.live.version == before:
        open_shop.get("/health/live")
    assert "i3" not in [each["id"] for each in open_shop.ask(user_id="u5", limit=100).json()["items"]]


def test_many_at_once_get_a_verdict_each(open_shop):
    items = [{"item_id": "b1", "price": 1}, {"item_id": "b2", "price": -1}, {"price": 3}, 7, {"item_id": "b5"}]
    told = open_shop.client.post("/v1/items/bulk", json={"items": items}).json()
    assert told["accepted"] == 2
    assert [(each["index"], each["field"]) for each in told["rejected"]][:2] == [(1, "price"), (2, "item_id")]
    assert open_shop.get("/v1/items/b1").json()["price"] == 1
    merged = {"items": [{"item_id": "b1", "name": "One"}], "mode": "merge"}
    assert open_shop.client.post("/v1/items/bulk", json=merged).json() == {"accepted": 1, "rejected": []}
    assert open_shop.get("/v1/items/b1").json() == {"item_id": "b1", "price": 1, "name": "One"}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"price": 1.5}, "price"),
        ({"price": True}, "price"),
        ({"stock": -1}, "stock"),
        ({"currency": "euro"}, "currency"),
        ({"categories": "DAIRY"}, "categories"),
        ({"colour": "red"}, "colour"),
        ({"attributes": []}, "attributes"),
        ({"item_id": "another"}, "item_id"),
        ({"name": "a\0"}, "name"),
        ({"available_from": "9999-12-31T23:59:59-12:00"}, "available_from"),
        ({"available_until": "0001-01-01T00:00:00+14:00"}, "available_until"),
    ],
)
def test_what_an_item_cannot_be_is_refused_with_its_field(open_shop, document, field):
    answer = open_shop.client.put("/v1/items/odd", json=document)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert open_shop.get("/v1/items/odd").status_code == 404


@pytest.mark.parametrize("item_id", ["a%2Fb", "%E7%95%8C", "%20", "similar", "x%252Fy"])
def test_ids_may_hold_any_character(open_shop, item_id):
    assert open_shop.client.put(f"/v1/items/{item_id}", json={"price": 5}).status_code == 201
    assert open_shop.get(f"/v1/items/{item_id}").json()["price"] == 5


def test_every_change_goes_to_the_lake_by_the_stream(open_shop, stores):
    put(open_shop, "/v1/items/noted", price=7, attributes={"a": 1})
    with connect_stream(stores.stream_url) as client:
        entries = [fields for _, fields in client.xrange("default:stream") if fields[b"kind"] == b"items"]
    row = json.loads(entries[-1][b"rows"])
    assert (row["item_id"], row["price"], row["attributes"]) == ("noted", 7, '{"a":1}')
    assert row["updated_at"] == (AS_OF + 60) * 1_000_000


def test_without_stores_changes_are_refused(shop):
    assert put(shop, "/v1/items/x", price=1).status_code == 503
    assert shop.get("/v1/items/x").status_code == 503


def test_a_new_item_is_recommended_within_seconds_and_gone_when_it_is_deleted(open_shop):
    def listed():
        return [each["id"] for each in open_shop.ask(user_id="u5", limit=20).json()["items"]]

    put(open_shop, "/v1/items/brand-new", name="New", categories=["taste 1"], tags=["t1"], price=77)
    eventually(lambda: "brand-new" in listed())
    shown = open_shop.ask(user_id="u5", limit=20, fields=["name", "price"], explain=True).json()["items"]
    (new,) = [each for each in shown if each["id"] == "brand-new"]
    assert (new["fields"], new["reason"]) == ({"name": "New", "price": 77}, "new, and like what you take")
    assert open_shop.get("/v1/items/brand-new/similar").json()["missing_ids"] == []
    patch(open_shop, "/v1/items/brand-new", stock=0)
    assert "brand-new" not in listed()
    patch(open_shop, "/v1/items/brand-new", stock=None)
    assert "brand-new" in listed()
    open_shop.client.delete("/v1/items/brand-new")
    assert "brand-new" not in listed()


def test_an_item_leaves_when_its_time_is_over(stores, tmp_path):
    """The storefront's clock is held in a list, so that the test moves it."""
    home, clock = Home(tmp_path / "home"), [AS_OF + 60.0]
    publish(home, toy_bundle())
    urls = {"HAWKER_STREAM_URL": stores.stream_url, "HAWKER_REDIS_URL": stores.live_url, "HAWKER_SHOP": "windows"}
    settings = settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", **urls)
    with storefront(home, settings=settings, real_time=lambda: clock[0]) as shop:
        listed = lambda: [each["id"] for each in shop.ask(user_id="u5", limit=100).json()["items"]]  # noqa: E731
        first, second = listed()[:2]
        put(shop, f"/v1/items/{first}", available_until=iso(AS_OF + 3_600))
        put(shop, f"/v1/items/{second}", available_from=iso(AS_OF + 3_600))
        assert first in listed()
        assert second not in listed()
        clock[0] += 3_600
        eventually(lambda: second in listed() and first not in listed())


def test_what_is_bought_now_trends_within_a_minute(open_shop):
    events = [
        {"event_id": f"trend-{n}", "type": "purchase", "user_id": f"buyer-{n}", "item_id": "i33"} for n in range(30)
    ]
    assert open_shop.client.post("/v1/events", json={"events": events}).json()["accepted"] == 30
    eventually(lambda: open_shop.get("/v1/trending").json()["items"][0]["id"] == "i33", within=60)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"available_from": "2026-01-02T00:00:00Z", "available_until": "2026-01-01T00:00:00Z"}, "available_until"),
        ({"available_from": "2026-01-02"}, "available_from"),
        ({"parent_id": "wide"}, "parent_id"),
        ({"parent_id": ""}, "parent_id"),
        ({"url": 3}, "url"),
        ({"description": "x" * 5_000}, "description"),
    ],
)
def test_the_wider_fields_are_checked_too(open_shop, document, field):
    answer = put(open_shop, "/v1/items/wide", **document)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def iso(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def test_a_number_that_no_float_holds_is_refused_and_not_stored_as_nothing(open_shop):
    body, kind = b'{"attributes": {"weight": 1e999}}', {"content-type": "application/json"}
    answer = open_shop.client.put("/v1/items/heavy", content=body, headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_json")
    assert open_shop.get("/v1/items/heavy").status_code == 404


def test_a_field_that_bulk_does_not_know_is_named(open_shop):
    answer = open_shop.client.post("/v1/items/bulk", json={"items": [], "modus": "merge"})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "unknown_field", "modus")
