"""What storefronts remember of lists in the live store: further pages, and what a person was served lately."""

from __future__ import annotations

import pytest

from engine.storage.home import Home
from engine.storage.online import connect_live
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import eventually, publish, storefront
from tests.stores import settings_of


@pytest.fixture
def shop(stores, tmp_path):
    with connect_live(stores.live_url) as client:
        client.flushall()
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    urls = {"HAWKER_STREAM_URL": stores.stream_url, "HAWKER_REDIS_URL": stores.live_url}
    with storefront(home, now=AS_OF, settings=settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", **urls)) as running:
        yield running


def ids(body):
    return [item["id"] for item in body["items"]]


def following(shop, body, **more):
    return shop.client.post(f"/v1/recommendations/{body['recommendation_id']}/next", json=more)


def test_pages_follow_each_other_and_stay_what_they_are(shop):
    whole = ids(shop.ask(user_id="u5", limit=40).json())
    first = shop.ask(user_id="u5", limit=10, pages=True, fields=["price"], explain=True).json()
    assert first["next"]
    assert ids(first) == whole[:10]
    second = following(shop, first, limit=10).json()
    assert ids(second) == whole[10:20]
    assert ids(following(shop, first, limit=10).json()) == whole[10:20]
    third = following(shop, second, limit=15).json()
    assert ids(third) == whole[20:35]
    assert all(item["fields"]["price"] > 0 and item["reason"] for item in third["items"])
    assert third["personalized"] and not third["degraded"]


def test_the_last_page_says_that_nothing_follows(shop):
    body = shop.ask(user_id="u5", limit=50, pages=True, filter="price > 120").json()
    last = following(shop, body, limit=100).json()
    assert len(ids(body) + ids(last)) == len(set(ids(body) + ids(last))) == 59
    assert not last["next"]
    answer = following(shop, last)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_page")


def test_what_is_sold_out_by_then_is_not_on_the_next_page(shop):
    first = shop.ask(user_id="u5", limit=5, pages=True).json()
    gone = ids(following(shop, first, limit=1).json())[0]
    assert shop.client.put(f"/v1/items/{gone}", json={"stock": 0}).status_code == 201
    eventually(lambda: gone not in ids(shop.ask(user_id="u5", limit=20).json()))
    assert gone not in ids(following(shop, first, limit=50).json())


def test_lists_without_pages_have_none(shop, stores):
    body = shop.ask(user_id="u5", limit=5).json()
    assert not body["next"]
    assert following(shop, body).status_code == 404
    with connect_live(stores.live_url) as client:
        assert list(client.scan_iter("default:page:*")) == []


def test_a_page_is_forgotten_after_half_an_hour(shop, stores):
    shop.ask(user_id="u5", limit=5, pages=True)
    with connect_live(stores.live_url) as client:
        (key,) = client.scan_iter("default:page:*")
        assert 1_700 < client.ttl(key) <= 1_800


def test_what_was_served_steps_back_in_a_rotation(shop, stores):
    first = ids(shop.ask(user_id="u5", limit=5, rotation=1.0).json())
    with connect_live(stores.live_url) as client:
        eventually(lambda: client.exists("default:shown:u:u5"))
    second = ids(shop.ask(user_id="u5", limit=5, rotation=1.0).json())
    assert not set(first[:3]) & set(second[:3])
    assert ids(shop.ask(user_id="u5", limit=5).json()) == first
    assert ids(shop.ask(session_id="u5", limit=5, rotation=1.0).json()) != second


def test_a_filter_may_ask_what_the_shop_said_of_the_user(shop):
    text = "attributes.colour = user.attributes.likes"
    assert shop.ask(user_id="u5", filter=text).json()["items"] == []
    shop.client.put("/v1/users/u5", json={"attributes": {"likes": "red"}})
    body = shop.ask(user_id="u5", filter=text).json()
    assert body["items"]
    assert all(int(name[1:]) % 3 == 0 for name in ids(body))
