"""A live store that falls silent: pages go on without it, nobody asks it any more, and it is found again by itself."""

from __future__ import annotations

import pytest

from engine.storage.home import Home
from tests.bundles import toy_bundle
from tests.relay import relay
from tests.serving.conftest import eventually, publish, storefront
from tests.stores import settings_of


@pytest.fixture
def shop(stores, live, tmp_path):
    """A storefront whose live store is behind `shop.relay`; a request waits for it a moment only."""
    live.flushall()
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    with relay(stores.live_url) as between:
        urls = {"HAWKER_STREAM_URL": stores.stream_url, "HAWKER_REDIS_URL": between.url}
        settings = settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", **urls)
        with storefront(home, settings=settings, patience=0.03) as running:
            running.relay = between
            eventually(lambda: not degraded(running))
            yield running


def degraded(shop, **wishes):
    answer = shop.ask(user_id="u1", **wishes)
    assert answer.status_code == 200 and len(answer.json()["items"]) == 20
    return answer.json()["degraded"]


def test_pages_go_on_and_one_of_them_asked(shop):
    shop.relay.silent = True
    eventually(lambda: degraded(shop))
    before = shop.relay.count(b"MGET")
    assert all(degraded(shop) for _ in range(50))
    assert shop.relay.count(b"MGET") == before


def test_lists_that_keep_what_follows_do_not_wait_for_it_either(shop):
    assert shop.ask(user_id="u1", pages=True).json()["next"]
    shop.relay.silent = True
    eventually(lambda: degraded(shop))
    before = shop.relay.count(b"SET")
    found = [shop.ask(user_id="u1", pages=True).json() for _ in range(20)]
    assert all(each["degraded"] and not each["next"] for each in found)
    assert shop.relay.count(b"SET") == before


def test_it_is_found_again_by_itself(shop):
    shop.relay.silent = True
    eventually(lambda: degraded(shop))
    shop.relay.silent = False
    eventually(lambda: not shop.runtime.doors.reads.breaker.is_open)
    eventually(lambda: not degraded(shop))


def test_what_the_shop_said_meanwhile_holds_when_it_is_found_again(shop):
    shop.relay.silent = True
    eventually(lambda: degraded(shop))
    shop.relay.silent = False
    eventually(lambda: shop.client.put("/v1/items/i1", json={"name": "A", "price": 4_321}).status_code in (200, 201))

    def price():
        found = shop.client.post("/v1/rank", json={"item_ids": ["i1"], "fields": ["price"], "user_id": "u1"}).json()
        return found["items"][0]["fields"]["price"]

    eventually(lambda: price() == 4_321)
