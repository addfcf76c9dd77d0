"""Who may use an offer at the till, by what Hawker knows and whatever the caller claims."""

from __future__ import annotations

import time

import pytest

from engine.storage.classes import create_classification, put_class
from engine.storage.coupon_issue import import_codes
from engine.storage.offer_documents import put_offer
from engine.storage.offered_segments import offer_segments
from engine.storage.segment_edits import archive_segment, create_segment
from tests.serving.test_coupons import body, post, redeem
from tests.stores import SHOP


@pytest.fixture
def shop(whole_shop):
    return whole_shop


def offer(shop, name, **eligible):
    document = {"offer_id": name, "name": name, "benefit": {"kind": "percent", "percent": 10}, "eligible": eligible}
    put_offer(shop.ledger, document, actor="test", now=time.time(), zone="UTC")
    import_codes(shop.ledger, name, [name], max_uses=None, now=time.time())


def members(shop, segment, *users):
    offer_segments(shop.live, SHOP, [segment], was=None, now=1.0, moves=[], members=lambda _: [users] if users else [])


def look(shop, code, user_id="u1", **customer):
    found = post(shop, "validations", body(code, user_id=user_id, customer=customer))
    return found.json().get("valid", found.json().get("code"))


def test_nobody_claims_a_segment_that_hawker_knows_they_are_not_in(shop):
    offer(shop, "NEW", segments=["value.new"])
    members(shop, "value.new", "u1")
    assert look(shop, "NEW") is True
    assert look(shop, "NEW", "u2", segments=["value.new"]) is False
    assert look(shop, "NEW", None, segments=["value.new"]) is False
    found = shop.client.get("/v1/users/u2/offers").json()["offers"]
    assert [reason["code"] for each in found for reason in each["reasons"]] == ["not_in_segment"]
    assert shop.client.get("/v1/users/u1/offers").json()["offers"][0]["usable"]


def test_a_label_of_the_shops_own_is_the_callers_word(shop):
    offer(shop, "VIP", segments=["vip of the shop"])
    assert look(shop, "VIP") is False
    assert look(shop, "VIP", segments=["vip of the shop"]) is True


def test_a_segment_that_was_not_evaluated_yet_waits_and_an_archived_one_has_nobody(shop):
    create_segment(shop.ledger, {"en": "List"}, definition=None, segment_id="list", actor=None, now=1.0)
    offer(shop, "LIST", segments=["list"])
    assert look(shop, "LIST", segments=["list"]) == "segment_not_evaluated"
    members(shop, "list", "u1")
    assert look(shop, "LIST") is True
    archive_segment(shop.ledger, "list", archived=True, actor=None, now=2.0)
    assert look(shop, "LIST", segments=["list"]) is False


def test_a_reservation_keeps_its_promise_to_who_left_the_segment(shop):
    offer(shop, "NEW", segments=["value.new"])
    members(shop, "value.new", "u1")
    held = post(shop, "reservations", body("NEW", user_id="u1"), "k1").json()["reservation_id"]
    members(shop, "value.new")
    assert look(shop, "NEW") is False
    assert redeem(shop, "NEW", user_id="u1", reservation_id=held).status_code == 201


def tiers(shop, *names):
    create_classification(shop.ledger, {"en": "Tier"}, classification_id="tier", actor=None, now=1.0)
    for name in names:
        put_class(shop.ledger, "tier", name, names={"en": name}, definition=None, actor=None, now=1.0)


def test_nobody_claims_a_tier_where_hawker_keeps_the_shops_tiers(shop):
    offer(shop, "GOLD", tiers=["gold", "platinum"])
    assert look(shop, "GOLD") is False
    assert look(shop, "GOLD", tier="gold") is True  # nobody but the shop knows its tiers
    tiers(shop, "gold", "silver")
    assert look(shop, "GOLD", tier="gold") == "segment_not_evaluated"
    members(shop, "class:tier:gold", "u1")
    assert look(shop, "GOLD") is True
    for claimed in ("gold", "platinum"):  # platinum is no class of the shop's, so nobody has it
        assert look(shop, "GOLD", "u2", tier=claimed) is False
        assert look(shop, "GOLD", None, tier=claimed) is False
    found = {user: shop.client.get(f"/v1/users/{user}/offers").json()["offers"][0] for user in ("u1", "u2")}
    assert found["u1"]["usable"]
    assert [each["code"] for each in found["u2"]["reasons"]] == ["not_in_tier"]


def test_a_class_of_any_classification_is_a_segment_and_a_tier_that_only_its_members_have(shop):
    create_classification(shop.ledger, {"en": "Worth"}, classification_id="worth", actor=None, now=1.0)
    put_class(shop.ledger, "worth", "high", names={"en": "High"}, definition=None, actor=None, now=1.0)
    members(shop, "class:worth:high", "u1")
    offer(shop, "SEGMENT", segments=["class:worth:high"])
    offer(shop, "TIER", tiers=["class:worth:high"])
    offer(shop, "GONE", segments=["class:worth:gone"])
    for code, claim in (("SEGMENT", {"segments": ["class:worth:high"]}), ("TIER", {"tier": "class:worth:high"})):
        assert look(shop, code, "u1") is True
        assert look(shop, code, "u2", **claim) is False
    assert look(shop, "GONE", segments=["class:worth:gone"]) is False


def test_who_was_deleted_is_in_no_segment_from_then_on(shop):
    assert shop.client.put("/v1/users/u1", json={}).status_code in (200, 201)
    offer(shop, "NEW", segments=["value.new"])
    members(shop, "value.new", "u1", "u2")
    assert look(shop, "NEW") is True
    assert shop.client.delete("/v1/users/u1").status_code in (200, 204)
    assert look(shop, "NEW") is False
    assert look(shop, "NEW", "u2") is True


def test_a_first_order_is_one_that_follows_no_known_order(shop):
    offer(shop, "FIRST", first_order=True)
    assert look(shop, "FIRST", "u1", first_order=True) is False  # by the bundle's history
    assert look(shop, "FIRST", "somebody") is True
    bought = {"event_id": "e", "type": "purchase", "user_id": "carl", "item_id": "i1", "order_id": "o"}
    assert shop.client.post("/v1/events", json={"events": [bought]}).json()["accepted"] == 1
    assert look(shop, "FIRST", "carl", first_order=True) is False  # by what happened since
    assert redeem(shop, "FIRST", user_id="dora").status_code == 201
    assert look(shop, "FIRST", "dora", first_order=True) is False  # by what was redeemed


def test_without_the_live_store_only_what_hawker_keeps_is_closed(shop):
    offer(shop, "NEW", segments=["value.new"])
    offer(shop, "VIP", segments=["vip of the shop"])
    shop.runtime.customers._client = None
    assert look(shop, "NEW", segments=["value.new"]) == "segment_not_evaluated"
    assert look(shop, "VIP", segments=["vip of the shop"]) is True
