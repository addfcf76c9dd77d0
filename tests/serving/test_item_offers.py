"""Offers on recommended items: net prices from what is at hand, and nothing where it cannot be known."""

from __future__ import annotations

import asyncio
import time

import pytest

from engine.storage.coupon_issue import import_codes, publish
from engine.storage.offer_documents import put_offer
from engine.storage.offer_ledger import disable_offer
from engine.storage.offered_segments import offer_segments
from serving.actions.keep_wallets import Wallets
from serving.actions.send_outbox import send_outbox
from serving.doors import Doors
from tests.serving.conftest import eventually
from tests.serving.test_coupons import redeem
from tests.stores import SHOP


@pytest.fixture
def shop(whole_shop):
    return whole_shop


def offer(shop, name, *, everybody=True, **terms):
    document = {"offer_id": name, "name": name, "currency": "EUR", "benefit": {"kind": "percent", "percent": 10}}
    put_offer(shop.ledger, {**document, **terms}, actor="test", now=time.time(), zone="UTC")
    if everybody:
        import_codes(shop.ledger, name, [name], max_uses=None, now=time.time())


def keep_wallets(shop):
    async def keep():
        doors = Doors(shop.settings, shop.home.root, live_seconds=5.0)
        wallets = Wallets(doors, SHOP)
        while await wallets.keep(now=time.time()):
            pass
        await doors.close()

    asyncio.run(keep())


def offers_for(shop, user_id="u1", **more):
    """The distinct offers of a list, with their prices."""
    items = shop.ask(user_id=user_id, offers=True, **more).json()["items"]
    assert items and all("offers" in each for each in items)
    return {(each["offer_id"], each["net_price"]) for item in items for each in item["offers"]}


def test_a_list_tells_the_best_offer_for_everybody_only_where_it_is_asked_to(shop):
    offer(shop, "ten")
    offer(shop, "half", benefit={"kind": "percent", "percent": 50}, scope='brand = "b1"')
    eventually(lambda: offers_for(shop) == {("ten", 900), ("half", 500)})
    assert "offers" not in shop.ask(user_id="u1").json()["items"][0]
    found = shop.get("/v1/users/u1/recommendations", offers="true").json()["items"]
    assert {each["id"] for each in found if each["offers"][0]["offer_id"] == "half"} == {
        each["id"] for each in found if int(each["id"][1:]) // 4 % 2
    }


def test_further_pages_tell_offers_where_the_first_one_did(shop):
    offer(shop, "ten")
    eventually(lambda: offers_for(shop) == {("ten", 900)})
    first = shop.ask(user_id="u1", limit=5, pages=True, offers=True).json()
    following = f"/v1/recommendations/{first['recommendation_id']}/next"
    second = shop.client.post(following, json={"limit": 5}).json()
    assert [each["offers"][0]["net_price"] for each in second["items"]] == [900] * 5
    third = shop.client.post(f"/v1/recommendations/{second['recommendation_id']}/next", json={"limit": 3}).json()
    assert [each["offers"][0]["offer_id"] for each in third["items"]] == ["ten"] * 3
    disable_offer(shop.ledger, "ten")
    eventually(lambda: offers_for(shop) == set())
    again = shop.client.post(following, json={"limit": 5}).json()
    assert [each["offers"] for each in again["items"]] == [[]] * 5
    silent = shop.ask(user_id="u1", limit=5, pages=True).json()
    body = shop.client.post(f"/v1/recommendations/{silent['recommendation_id']}/next", json={}).json()
    assert all("offers" not in each for each in body["items"])


def test_a_users_coupon_is_told_to_them_alone_until_it_is_used(shop):
    offer(shop, "mine", everybody=False)
    code = publish(shop.ledger, "mine", "u1", now=time.time()).code
    keep_wallets(shop)
    eventually(lambda: offers_for(shop) == {("mine", 900)})
    assert offers_for(shop, "u2") == set() == offers_for(shop, user_id=None)
    made = redeem(shop, code, user_id="u1")
    asyncio.run(_send(shop))
    keep_wallets(shop)
    assert offers_for(shop) == set()
    shop.client.post(
        f"/v1/coupons/redemptions/{made.json()['redemption_id']}/rollbacks", json={}, headers={"Idempotency-Key": "b"}
    )
    asyncio.run(_send(shop))
    keep_wallets(shop)
    assert offers_for(shop) == {("mine", 900)}


async def _send(shop):
    doors = Doors(shop.settings, shop.home.root, live_seconds=5.0)
    await send_outbox(doors)
    await doors.close()


def test_wallets_are_written_anew_where_the_live_store_lost_them(shop):
    offer(shop, "mine", everybody=False)
    publish(shop.ledger, "mine", "u1", now=time.time())
    keep_wallets(shop)
    shop.live.delete("default:wallet:u1", "default:wallets:swept")
    keep_wallets(shop)
    eventually(lambda: offers_for(shop) == {("mine", 900)})


def test_what_ended_is_disabled_or_spent_vanishes(shop):
    offer(shop, "ends", valid={"until": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4))})
    offer(shop, "few", benefit={"kind": "percent", "percent": 20}, limits=[{"of": "offer", "count": 1, "per": "total"}])
    offer(shop, "off", benefit={"kind": "percent", "percent": 30})
    eventually(lambda: offers_for(shop) == {("off", 700)})
    disable_offer(shop.ledger, "off")
    eventually(lambda: offers_for(shop) == {("few", 800)})
    assert redeem(shop, "few").status_code == 201
    eventually(lambda: offers_for(shop) <= {("ends", 900)})
    eventually(lambda: offers_for(shop) == set())


def test_an_offer_for_a_segment_is_told_to_its_members(shop):
    offer(shop, "new", eligible={"segments": ["value.new"]})
    offer_segments(
        shop.live, SHOP, ["value.new"], was=None, now=time.time(), moves=[], members=lambda _: [["u1", "u9"]]
    )
    eventually(lambda: offers_for(shop) == {("new", 900)})
    assert offers_for(shop, "u2") == set()


def test_an_offer_for_a_tier_is_told_to_who_is_known_to_have_it(shop):
    offer(shop, "gold", eligible={"tiers": ["gold"]})
    offer_segments(
        shop.live, SHOP, ["class:tier:gold"], was=None, now=time.time(), moves=[], members=lambda _: [["u1"]]
    )
    eventually(lambda: offers_for(shop) == {("gold", 900)})
    assert offers_for(shop, "u2") == set()


def test_an_offer_is_told_to_a_customer_until_their_own_limit_is_used_up(shop):
    offer(shop, "twice", limits=[{"of": "customer", "count": 2, "per": "month"}])
    offer(shop, "five", benefit={"kind": "percent", "percent": 5})
    eventually(lambda: offers_for(shop) == {("twice", 900)})
    made = [redeem(shop, "twice", user_id="u1").json() for _ in range(2)]
    settle(shop)
    assert offers_for(shop) == {("five", 950)}
    assert offers_for(shop, "u2") == {("twice", 900)}
    shop.live.flushall()  # what the live store forgets it is told again
    settle(shop)
    eventually(lambda: offers_for(shop) == {("five", 950)})
    shop.client.post(
        f"/v1/coupons/redemptions/{made[0]['redemption_id']}/rollbacks", json={}, headers={"Idempotency-Key": "b"}
    )
    settle(shop)
    assert offers_for(shop) == {("twice", 900)}


def settle(shop):
    """As the runner of jobs does again and again."""
    asyncio.run(_send(shop))
    keep_wallets(shop)


def test_a_wallet_of_the_older_form_is_read(shop):
    offer(shop, "mine", everybody=False)
    shop.live.set("default:wallet:u1", '[["mine", 1, null, null]]')
    eventually(lambda: offers_for(shop) == {("mine", 900)})


def test_an_offer_for_a_first_order_is_told_to_who_has_none(shop):
    offer(shop, "first", eligible={"first_order": True})
    eventually(lambda: offers_for(shop, "somebody new") == {("first", 900)})
    assert offers_for(shop, "u1") == set()


def test_without_the_ledger_or_the_live_store_lists_go_on_without_offers(shop, ledger_url):
    offer(shop, "ten")
    eventually(lambda: offers_for(shop) == {("ten", 900)})
    shop.runtime.doors.ledger._pool.dispose()
    shop.runtime.doors.ledger._pool = None
    shop.runtime.doors.ledger._url = ledger_url.replace("test_", "nobody_")
    eventually(lambda: offers_for(shop) == set())
    assert shop.ask(user_id="u1", offers=True).json()["degraded"] is False
