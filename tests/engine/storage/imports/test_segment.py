import json
from datetime import UTC, datetime


def track(event, *, user="u1", message=None, time="2024-01-01T10:00:00Z", **properties):
    return {
        "type": "track",
        "event": event,
        "userId": user,
        "messageId": message,
        "timestamp": time,
        "properties": properties,
    }


def load(shop, *calls):
    lines = [call if isinstance(call, str) else json.dumps(call) for call in calls]
    return shop.load_preset("segment", shop.file("calls.jsonl", "\n".join(lines)))


PEN = {"product_id": "pen", "name": "Pen", "brand": "Ink", "category": "Office/Pens", "price": 2.5, "quantity": 2}
MUG = {"product_id": "mug", "price": 5, "quantity": 1}


def test_every_known_track_event_becomes_its_event_type(shop):
    load(
        shop,
        *(
            track(name, message=name, product_id="pen")
            for name in (
                "Product Viewed",
                "Product Clicked",
                "Product Added",
                "Product Removed",
                "Product Added to Wishlist",
                "Products Searched",
                "Coupon Applied",
            )
        ),
    )
    assert {each["event_id"]: each["type"] for each in shop.events()} == {
        "Product Viewed": "view",
        "Product Clicked": "click",
        "Product Added": "cart_add",
        "Product Removed": "cart_remove",
        "Product Added to Wishlist": "wishlist_add",
        "Products Searched": "search",
        "Coupon Applied": "coupon_redeem",
    }


def test_an_order_becomes_one_purchase_a_line(shop):
    order = track(
        "Order Completed", message="m", order_id="o1", currency="eur", discount=2, coupon="SAVE", products=[PEN, MUG]
    )
    report = load(shop, order)
    assert (report.read, report.stored) == (2, 2)
    pen, mug = shop.events()
    assert (pen["event_id"], mug["event_id"]) == ("m", "m-2")
    assert {each["order_id"] for each in (pen, mug)} == {"o1"}
    assert (pen["item_id"], pen["quantity"], pen["amount"], pen["list_amount"]) == ("pen", 2, 400, 500)
    assert (mug["item_id"], mug["amount"], mug["list_amount"], mug["currency"]) == ("mug", 400, 500, "EUR")
    assert mug["coupon_code"] == "SAVE"


def test_a_refund_with_products_becomes_returns_and_one_without_is_set_aside(shop):
    report = load(shop, track("Order Refunded", order_id="o1", products=[PEN]), track("Order Refunded", order_id="o1"))
    assert [each["type"] for each in shop.events()] == ["return"]
    assert shop.refused(report) == {1: "product_id: no item"}


def test_products_fill_the_catalogue(shop):
    load(shop, track("Product Viewed", currency="EUR", **PEN))
    item = shop.items()["pen"]
    assert (item["name"], item["brand"], item["price"], item["currency"]) == ("Pen", "Ink", 250, "EUR")
    assert item["categories"] == ["Office", "Pens"]


def test_identify_fills_the_user_and_leaves_out_who_it_is(shop):
    traits = {"email": "a@b.c", "firstName": "A", "gender": "f", "plan": "gold", "address": {"country": "DE"}}
    report = load(shop, {"type": "identify", "userId": "u1", "traits": traits}, track("Product Viewed", product_id="p"))
    assert (report.read, report.stored, report.users) == (1, 1, 1)
    user = shop.users()["u1"]
    assert shop.users().keys() == {"u1"}
    assert (user["gender"], user["region"], json.loads(user["attributes"])) == ("f", "DE", {"plan": "gold"})


def test_a_birthday_is_a_day_and_a_city_a_region_where_nothing_else_is_said(shop):
    traits = {"birthday": "1990-05-01T00:00:00.000Z", "address": {"city": "Rome"}}
    load(shop, {"type": "identify", "userId": "u1", "traits": traits}, track("Product Viewed", product_id="p"))
    user = shop.users()["u1"]
    assert (str(user["birthday"]), user["region"]) == ("1990-05-01", "Rome")


def test_a_search_keeps_its_query_and_an_unknown_visitor_the_session(shop):
    call = track("Products Searched", user=None, query="red pens") | {"anonymousId": "a1"}
    load(shop, call)
    (event,) = shop.events()
    assert (event["user_id"], event["session_id"], json.loads(event["properties"])) == (
        None,
        "a1",
        {"query": "red pens"},
    )


def test_what_is_no_event_is_set_aside_with_the_reason(shop):
    report = load(
        shop,
        track("Product Viewed", product_id="p"),
        "{broken",
        '"text"',
        {"type": "page", "userId": "u1"},
        track("Tea Drunk"),
        {"type": "identify", "traits": {"plan": "gold"}},
        track("Product Viewed", product_id="p", time="2031-01-01"),
        track("Order Completed", products=[PEN | {"price": -1}]),
        {"userId": "u1"},
        track(None),
    )
    assert shop.refused(report) == {
        1: "the line is no JSON object",
        2: "the line is no JSON object",
        3: "type: a page call is no event",
        4: "event: no event type for Tea Drunk",
        5: "userId: no user",
        6: "timestamp: the time is in the future",
        7: "amount: negative",
        8: "type: the call has none",
        9: "event: the track call has no name",
    }
    assert (report.read, report.stored, report.quarantined) == (10, 1, 9)


def test_a_repeated_import_changes_nothing(shop):
    calls = [
        track("Order Completed", products=[PEN, MUG]),
        {"type": "identify", "userId": "u", "traits": {"a": 1}},
        "x",
    ]
    load(shop, *calls)
    versions = shop.lake.versions()
    again = load(shop, *calls)
    assert (again.read, again.stored, again.duplicates, again.quarantined, again.users) == (3, 0, 2, 1, 0)
    assert shop.lake.versions() == versions


def test_times_are_utc(shop):
    load(shop, track("Product Viewed", product_id="p", time="2024-01-01T10:00:00.500+02:00"))
    assert shop.events()[0]["time"] == datetime(2024, 1, 1, 8, 0, 0, 500000, tzinfo=UTC)
