"""What the shop said of its items counts at the till, and is asked only where an offer depends on it."""

from __future__ import annotations

import pytest

from tests.serving.test_coupons import body, post
from tests.serving.test_item_offers import offer


@pytest.fixture
def shop(whole_shop):
    offer(whole_shop, "ALL")
    offer(whole_shop, "B0", scope='brand = "b0"')
    offer(whole_shop, "B1", scope='brand = "b1"')
    offer(whole_shop, "MORE", benefit={"kind": "buy_x_get_y", "buy": 1, "get": 1, "of": 'brand = "b0"'})
    return whole_shop


def look(shop, code):
    found = post(shop, "validations", body(code, user_id="u1")).json()
    return found.get("code") or (found["prices"]["discount"] if found["valid"] else found["reasons"][0]["code"])


def test_an_offer_reaches_the_items_that_the_shop_says_are_of_its_scope(shop):
    assert [look(shop, code) for code in ("ALL", "B0", "B1", "MORE")] == [100, 100, "nothing_in_scope", 1]


def test_while_nobody_can_read_the_items_only_offers_that_ask_nothing_of_them_are_answered(shop):
    shop.runtime.doors.live = None
    assert [look(shop, code) for code in ("ALL", "B0", "MORE")] == [100, "store_unavailable", "store_unavailable"]


def test_a_profit_floor_counts_with_the_cost_that_the_shop_said_last(shop):
    offer(shop, "FLOOR", profit_floor=1)
    assert shop.client.patch("/v1/items/i1", json={"cost": 400}).status_code == 200
    assert look(shop, "FLOOR") == 100
    assert shop.client.patch("/v1/items/i1", json={"cost": 500}).status_code == 200
    assert look(shop, "FLOOR") == "profit_floor"
