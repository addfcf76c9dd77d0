"""Segment's HTTP API, with Segment's own client."""

from __future__ import annotations

import json

import pytest
from segment.analytics.client import Client

from engine.storage.home import Home
from engine.storage.online import connect_live, connect_stream
from serving.storefront.segment_spec import MOST_BATCH_BYTES, MOST_CALL_BYTES
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import publish, storefront
from tests.stores import settings_of

TIME = "2023-11-14T22:00:00+00:00"


@pytest.fixture
def shop(stores, tmp_path):
    for connect, url in ((connect_live, stores.live_url), (connect_stream, stores.stream_url)):
        with connect(url) as client:
            client.flushall()
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    urls = {"HAWKER_STREAM_URL": stores.stream_url, "HAWKER_REDIS_URL": stores.live_url}
    settings = settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", HAWKER_EVENT_TYPES="tasted:0.3:30", **urls)
    with storefront(home, now=AS_OF + 60, settings=settings) as running:
        yield running


def rows(stores, kind="events"):
    with connect_stream(stores.stream_url) as client:
        found = [fields[b"rows"] for _, fields in client.xrange("default:stream") if fields[b"kind"] == kind.encode()]
    return [json.loads(line) for each in found for line in each.splitlines()]


def call(shop, kind, **body):
    return shop.client.post(f"/segment/v1/{kind}", json=body)


def track(shop, event, *, user="u1", **properties):
    return call(shop, "track", event=event, userId=user, messageId=f"m-{event}", timestamp=TIME, properties=properties)


@pytest.mark.parametrize("gzip", [False, True])
def test_the_real_client_is_pointed_here_and_goes_on(shop, stores, gzip):
    failures = []
    address = f"{str(shop.client.base_url).rstrip('/')}/segment"
    client = Client(
        "hk_none", host=address, gzip=gzip, sync_mode=False, on_error=lambda error, items: failures.append(error)
    )
    # The client's clock is the real one, years ahead of this shop's.
    client.track("u1", "Product Viewed", {"product_id": 17, "name": "Pen"}, anonymous_id="visit")
    client.identify("u1", {"email": "a@b.example", "gender": "f", "plan": "gold"}, anonymous_id="visit")
    client.page("u1", "Cart", "Home")
    client.flush()
    client.join()
    assert failures == []
    (event,) = rows(stores)
    assert (event["type"], event["user_id"], event["session_id"], event["item_id"]) == ("view", "u1", "visit", "17")
    assert abs(event["time"] / 1e6 - (AS_OF + 60)) < 30
    (user,) = rows(stores, "users")
    assert (user["gender"], json.loads(user["attributes"])) == ("f", {"plan": "gold"})
    assert [(each["kind"], each["id"], each["user_id"]) for each in rows(stores, "merges")] == [
        ("session", "visit", "u1")
    ]


def test_a_landing_pages_campaign_is_kept_and_a_page_that_tells_nothing_leaves_no_trace(shop, stores):
    client = Client("hk_none", host=f"{str(shop.client.base_url).rstrip('/')}/segment", sync_mode=False)
    came = {"campaign": {"name": "spring", "medium": "cpc"}, "page": {"referrer": "https://www.google.com/"}}
    client.page(anonymous_id="visit", name="Home", context=came)
    client.page(anonymous_id="visit", name="About us")
    client.flush()
    client.join()
    (event,) = rows(stores)
    assert (event["type"], event["session_id"], event["source"]) == ("landing", "visit", "paid")
    told = json.loads(event["properties"])
    assert (told["campaign"], told["referrer"]) == ("spring", "https://www.google.com/")


def test_an_order_is_an_event_a_line_with_what_was_paid(shop, stores):
    products = [{"product_id": "pen", "price": 2.5, "quantity": 2}, {"sku": "mug", "price": "5", "quantity": 1}]
    order = {"order_id": 7, "currency": "usd", "discount": 2, "coupon": "SAVE", "products": products}
    for expected in (2, 0):
        assert track(shop, "Order Completed", **order).json()["accepted"] == expected
    pen, mug = rows(stores)
    assert (pen["event_id"], mug["event_id"]) == ("m-Order Completed", "m-Order Completed-2")
    assert (pen["item_id"], pen["quantity"], pen["list_amount"], pen["amount"]) == ("pen", 2.0, 500, 400)
    assert (mug["item_id"], mug["list_amount"], mug["amount"], mug["currency"]) == ("mug", 500, 400, "USD")
    assert {(each["type"], each["order_id"], each["coupon_code"]) for each in (pen, mug)} == {("purchase", "7", "SAVE")}


def test_money_is_in_the_currencys_own_minor_units(shop, stores):
    for currency, paid in (("JPY", 250), ("KWD", 250_000), ("EUR", 25_000)):
        products = [{"product_id": currency, "price": 250}]
        call(shop, "track", event="Order Refunded", userId="u", properties={"currency": currency, "products": products})
        assert (rows(stores)[-1]["type"], rows(stores)[-1]["amount"]) == ("return", paid)


def test_names_of_the_spec_become_our_types(shop, stores):
    item = {"product_id": "pen"}
    said = {
        "Product Clicked": (item | {"position": 3, "recommendation_id": "r"}, "click"),
        "Product List Viewed": ({"list_id": "home", "products": [item, {"product_id": "mug"}]}, "exposure"),
        "Products Searched": ({"query": "牛奶"}, "search"),
        "Product Added": (item, "cart_add"),
        "Product Removed": (item, "cart_remove"),
        "Product Added to Wishlist": (item, "wishlist_add"),
        "Product Removed from Wishlist": (item, "wishlist_remove"),
        "Product Shared": (item, "share"),
        "Coupon Entered": ({"coupon_id": "C"}, "coupon_view"),
        "Promotion Viewed": ({"promotion_id": "P"}, "exposure"),
        "Promotion Clicked": ({"promotion_id": "P"}, "coupon_view"),
        "Order Cancelled": ({"order_id": "o", "products": [item]}, "return"),
        "Coupon Applied": ({"coupon_id": "C"}, "coupon_redeem"),
        "Checkout Started": ({"order_id": "o", "value": 12.5, "currency": "EUR"}, "checkout"),
        "Product Reviewed": (item | {"rating": "4", "review_body": "good"}, "review"),
        "Tasted": (item, "tasted"),
        "Signed In": ({}, "login"),
    }
    for name, (properties, kind) in said.items():
        answer = track(shop, name, **properties).json()
        assert answer["rejected"] == [], name
        assert rows(stores)[-1]["type"] in (kind, "rating"), name
    exposures = [each for each in rows(stores) if each["type"] == "exposure" and "item_id" in each]
    assert [json.loads(each["properties"]) for each in exposures] == [
        {"placement": "home", "position": 0},
        {"placement": "home", "position": 1},
    ]
    (rating,) = [each for each in rows(stores) if each["type"] == "rating"]
    assert json.loads(rating["properties"]) == {"value": 4.0}


def test_what_nobody_knows_is_ignored_and_what_is_no_call_is_rejected_alone(shop, stores):
    good = {"type": "track", "event": "Product Viewed", "anonymousId": "s", "properties": {"product_id": "a"}}
    calls = [good, {**good, "event": "Moon Phase"}, 3, {"type": "track"}, {"type": "dance", "userId": "u"}, {}]
    calls += [{**good, "event": None}, {**good, "properties": {}}, {"type": "group", "userId": "u"}]
    answer = shop.client.post("/segment/v1/batch", json={"batch": calls}).json()
    assert (answer["success"], answer["accepted"], answer["ignored"]) == (True, 1, 2)
    told = [(each["index"], each["field"]) for each in answer["rejected"]]
    assert told == [(2, None), (3, "userId"), (4, "type"), (5, "userId"), (6, "event"), (7, "item_id")]
    assert shop.client.post("/segment/v1/batch", json={"batch": [good]}).json()["duplicates"] == 1


def test_a_campaign_is_where_the_visit_comes_from(shop, stores):
    context = {"campaign": {"name": "spring", "medium": "CPC"}, "page": {"referrer": "https://search.example"}}
    call(shop, "page", userId="u", context=context, properties={"product_id": "a"})
    (event,) = rows(stores)
    assert (event["type"], event["source"]) == ("view", "paid")
    assert json.loads(event["properties"]) == {"campaign": "spring", "referrer": "https://search.example"}


def test_a_merge_that_a_later_call_takes_back_is_not_carried_out(shop, stores):
    """A shared device: the visit belongs to who signed in last."""
    said = [{"type": "identify", "userId": user, "anonymousId": "shared"} for user in ("a", "b", "a")]
    call(shop, "batch", batch=[*said, {"type": "alias", "userId": "u", "previousId": "x" * 600}])
    assert [(each["id"], each["user_id"]) for each in rows(stores, "merges")] == [("shared", "a")]


def test_a_batch_of_bad_and_good_merges_carries_out_the_good_ones(shop, stores):
    calls = [{"type": "alias", "userId": "u", "previousId": before} for before in ("x" * 600, "y")]
    answer = call(shop, "batch", batch=calls).json()
    assert {each["index"] for each in answer["rejected"]} == {0}
    assert {(each["kind"], each["id"]) for each in rows(stores, "merges")} == {("user", "y"), ("session", "y")}


def test_older_clients_post_their_batches_to_import(shop, stores):
    for path in ("import", "import/"):
        item = {"product_id": path}
        told = call(shop, path, batch=[{"type": "track", "event": "Product Viewed", "userId": "u", "properties": item}])
        assert told.json()["accepted"] == 1
    assert [each["item_id"] for each in rows(stores)] == ["import", "import/"]


def test_a_long_call_is_rejected_alone_and_a_long_batch_as_a_whole(shop):
    good = {"type": "track", "event": "Product Viewed", "userId": "u", "properties": {"product_id": "a"}}
    long = good | {"properties": {"product_id": "b", "more": "x" * MOST_CALL_BYTES}}
    told = call(shop, "batch", batch=[good, long]).json()
    refused = [(each["index"], each["code"], each["field"]) for each in told["rejected"]]
    assert (told["accepted"], refused) == (1, [(1, "too_large", "properties")])
    answer = call(shop, "batch", batch=[good | {"context": {"more": "x" * MOST_BATCH_BYTES}}])
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("gzip", [False, True])
def test_the_fullest_batch_of_the_real_client_is_taken(shop, stores, gzip):
    failures = []
    address = f"{str(shop.client.base_url).rstrip('/')}/segment"
    client = Client("k", host=address, gzip=gzip, upload_interval=5, on_error=lambda error, _: failures.append(error))
    for place in range(40):
        client.track("u", "Product Viewed", {"product_id": str(place), "more": "x" * 32_000})
    client.flush()
    client.join()
    assert failures == []
    assert len(rows(stores)) == 40


def test_lists_longer_than_a_call_of_our_own_are_taken_whole(shop, stores):
    products = [[{"sku": f"{part}-{place}"} for place in range(1_200)] for part in range(2)]
    calls = [
        {"type": "track", "event": "Product List Viewed", "userId": "u", "messageId": f"m{part}", "properties": each}
        for part, each in enumerate({"products": each} for each in products)
    ]
    assert call(shop, "batch", batch=calls).json()["accepted"] == 2_400
    assert len(rows(stores)) == 2_400
    assert call(shop, "batch", batch=calls).json()["duplicates"] == 2_400


def test_lines_of_an_order_that_lack_the_same_are_told_of_once(shop):
    told = track(shop, "Order Completed", products=[{}] * 500).json()
    assert [(each["index"], each["field"]) for each in told["rejected"]] == [(0, "item_id")]


def test_a_call_without_an_id_is_the_same_when_it_is_sent_again_later(shop):
    said = {"event": "Product Viewed", "userId": "u", "properties": {"product_id": "a"}}
    first = call(shop, "track", **said, sentAt="2023-11-14T22:14:00Z").json()
    again = call(shop, "track", **said, sentAt="2023-11-14T22:14:30Z", writeKey="k").json()
    assert (first["accepted"], again["duplicates"]) == (1, 1)


def test_what_became_of_calls_is_in_the_metrics(shop):
    call(shop, "batch", batch=[3, {"type": "track", "event": "Moon Phase", "userId": "u"}])
    page = shop.get("/metrics").text
    assert 'hawker_events_total{verdict="ignored"} 1.0' in page
    assert 'hawker_events_total{verdict="rejected"} 1.0' in page


def test_an_alias_and_repeated_identifies_merge_once(shop, stores):
    for _ in range(2):
        call(shop, "alias", userId="new", previousId="old")
        call(shop, "identify", userId="new", anonymousId="visit", traits={"age": 3})
    told = [(each["kind"], each["id"], each["user_id"]) for each in rows(stores, "merges")]
    assert told == [("user", "old", "new"), ("session", "old", "new"), ("session", "visit", "new")]
    assert len(rows(stores, "users")) == 1


@pytest.mark.parametrize("body", [{}, {"batch": 3}, {"batch": [{}] * 1_001}, [], {"batch": None}])
def test_a_batch_that_is_none_is_refused(shop, body):
    answer = shop.client.post("/segment/v1/batch", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, "batch")


@pytest.mark.parametrize(
    "odd",
    [
        {"timestamp": "9999-12-31T23:59:59Z"},
        {"timestamp": 5, "properties": {"price": "x", "quantity": -1, "product_id": "a"}},
        {"userId": {"a": 1}},
        {"userId": "\ud800"},
        {"userId": "x" * 600},
        {"context": 3, "properties": [1]},
        {"properties": {"product_id": "a", "currency": "euros"}},
        {"messageId": "m\x00"},
        {"event": {"a": 1}},
        {"event": "Order Completed", "properties": {"product_id": "a", "price": 1e308, "quantity": 1e9}},
        {"context": {"page": {"url": "https://[", "referrer": "https://[x"}}},
        {"properties": {"product_id": 2**70, "position": 2**70}},
    ],
)
def test_odd_calls_are_rejected_and_never_an_error(shop, odd):
    said = {"event": "Product Viewed", "userId": "u", "properties": {"product_id": "a"}} | odd
    answer = shop.client.post(
        "/segment/v1/track", content=json.dumps(said), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 200
    assert answer.json()["rejected"] or answer.json()["accepted"]


@pytest.mark.parametrize("depth", [200, 500, 900, 950, 1_000, 1_020, 5_000])
def test_calls_of_any_depth_get_an_answer(shop, depth):
    deep = '{"a":' * depth + "1" + "}" * depth
    for kind, named in (("track", "properties"), ("identify", "traits")):
        text = f'{{"event": "Tasted", "userId": "u", "{named}": {{"x": {deep}}}}}'
        sent = {"content": text, "headers": {"content-type": "application/json"}}
        assert shop.client.post(f"/segment/v1/{kind}", **sent).status_code in (200, 400)
