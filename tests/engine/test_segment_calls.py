"""What calls of Segment's clients mean here."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.event_check import Refusal, Terms, check_event
from engine.segment_calls import Arrival, Meaning, clock_ahead, meaning_of
from engine.segment_words import EVENT_NAMES

NOW = 1_700_000_000.0
ARRIVAL = Arrival(NOW, own_types=frozenset({"quiz_taken", "page"}))

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
line = st.dictionaries(st.sampled_from(["product_id", "sku", "price", "quantity", "position", "coupon"]), anything)
said = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("product_id", "currency", "discount", "value", "coupon", "order_id", "query", "rating"), anything
        ),
        "products": st.lists(line | anything, max_size=3),
    },
)
calls = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "identify", "page", "screen", "alias", "group", "dance"])},
    optional={
        **dict.fromkeys(
            ("userId", "anonymousId", "previousId", "messageId", "timestamp", "sentAt", "traits"), anything
        ),
        "userId": st.text(min_size=1, max_size=3),
        "event": st.sampled_from([*EVENT_NAMES, "Quiz Taken", "?"]) | anything,
        "properties": said | anything,
        "context": st.fixed_dictionaries({}, optional=dict.fromkeys(("page", "campaign", "device"), anything))
        | anything,
    },
)


def events_of(**call):
    found = meaning_of({"type": "track", "userId": "u", "messageId": "m", **call}, ARRIVAL)
    assert isinstance(found, Meaning), found
    return found.events


def told_of(**traits):
    return meaning_of({"type": "identify", "userId": "u", "traits": traits}, ARRIVAL).user[1]


@given(calls | anything)
def test_whatever_comes_means_something_or_is_refused(call):
    found = meaning_of(call, ARRIVAL)
    if isinstance(found, Meaning):
        for event in found.events:
            assert isinstance(check_event(event, Terms(NOW, own_types=ARRIVAL.own_types)), dict | Refusal)
    else:
        assert found.message


def test_a_price_is_counted_in_the_currencys_minor_units():
    for currency, price, amount in (("USD", 19.99, 1999), ("usd", "0.07", 7), ("JPY", 250, 250), ("KWD", 1.234, 1234)):
        order = {"currency": currency, "products": [{"product_id": "a", "price": price}]}
        (event,) = events_of(event="Order Completed", properties=order)
        assert (event["amount"], event["list_amount"], event["currency"]) == (amount, amount, currency.upper())


def test_a_line_may_have_a_coupon_of_its_own():
    order = {"products": [{"sku": "a", "coupon": "A"}, {"sku": "b"}]}
    assert [each.get("coupon_code") for each in events_of(event="Order Completed", properties=order)] == ["A", None]


def test_a_cart_that_was_looked_at_shows_its_items():
    cart = {"products": [{"product_id": "a"}, {"product_id": "b"}]}
    first, second = events_of(event="Cart Viewed", properties=cart)
    assert (first["type"], first["item_id"], first["properties"]) == (
        "exposure",
        "a",
        {"placement": "cart", "position": 0},
    )
    assert (second["event_id"], second["properties"]["position"]) == ("m-2", 1)


def test_a_checkout_says_what_the_cart_is_worth():
    (event,) = events_of(event="Checkout Started", properties={"revenue": "19.99", "currency": "EUR"})
    assert event["properties"] == {"value": 1999}


@pytest.mark.parametrize("name", ["Quiz Taken", "quiz_taken", "quiz-taken", " Quiz  taken! "])
def test_a_type_of_the_shops_own_is_known_by_its_words_and_keeps_what_was_said(name):
    (event,) = events_of(event=name, properties={"score": 3})
    assert (event["type"], event["properties"]) == ("quiz_taken", {"custom": {"score": 3}})


def test_pages_are_views_of_their_item_or_a_type_of_the_shops_own_or_ignored():
    (view,) = events_of(type="page", properties={"product_id": "a"})
    (page,) = events_of(type="page", name="Home", properties={"tab": 1})
    assert (view["type"], page["type"], page["properties"]) == ("view", "page", {"custom": {"name": "Home", "tab": 1}})
    assert meaning_of({"type": "screen", "userId": "u"}, ARRIVAL).ignored


def test_numbers_name_the_same_thing_however_they_are_written():
    found = [events_of(event="Product Viewed", userId=user, properties={"product_id": 17}) for user in (5, 5.0, "5")]
    assert {(event["user_id"], event["item_id"]) for (event,) in found} == {("5", "17")}


def test_ids_keep_their_spaces_as_everywhere_else():
    (event,) = events_of(event="Product Viewed", userId=" u ", properties={"product_id": "a "})
    assert (event["user_id"], event["item_id"]) == (" u ", "a ")


def test_a_position_or_an_address_that_does_not_fit_does_not_cost_the_event():
    page = {"url": "https://shop.example/" + "x" * 5_000, "referrer": "https://news.example"}
    said = {"product_id": "a", "position": 20_000}
    (event,) = events_of(event="Product Clicked", properties=said, context={"page": page})
    assert event["properties"] == {"referrer": "https://news.example"}


def test_traits_fill_the_fields_that_there_are():
    told = told_of(birthday="1990-05-01T00:00:00.000Z", address={"city": "Rome"}, gender="f", timezone="Europe/Rome")
    assert told == {"birthday": "1990-05-01", "region": "Rome", "gender": "f", "zone": "Europe/Rome"}
    assert told_of(address={"city": "Rome", "country": "IT"}) == {"region": "IT"}
    assert told_of(birthday="--05-01", gender=3, timezone="Mars") == {"birthday": "--05-01"}


def test_a_trait_that_does_not_fit_does_not_cost_the_others_and_names_are_left_out():
    deep = json.loads('{"a":' * 20 + "1" + "}" * 20)
    told = told_of(likes=["tea"], deep=deep, age=31, first_name="A", email="a@b.example", gone=None)
    assert told == {"attributes": {"likes": ["tea"], "age": 31}}


def test_the_zone_is_also_read_from_the_context():
    call = {"type": "identify", "userId": "u", "context": {"timezone": "Asia/Tokyo"}}
    assert meaning_of(call, ARRIVAL).user == ("u", {"zone": "Asia/Tokyo"})


def test_a_clock_that_is_wrong_is_corrected_by_the_time_of_sending():
    batch = Arrival(NOW, clock_ahead("2033-11-14T22:13:20Z", NOW))  # "now", ten years ahead
    call = {"type": "track", "event": "Signed In", "userId": "u", "timestamp": "2033-11-14T22:12:20Z"}
    assert meaning_of(call, batch).events[0]["time"] == "2023-11-14T22:12:20+00:00"
    waited = call | {"timestamp": "2023-11-14T22:00:00Z", "sentAt": "2023-11-14T22:13:20Z"}
    assert meaning_of(waited, batch).events[0]["time"] == "2023-11-14T22:00:00+00:00"
