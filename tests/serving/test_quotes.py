"""Quotes: what codes give together, and why one does not."""

from __future__ import annotations

import pytest

from engine.errors import StoreUnavailable
from engine.storage.offer_documents import caps_of
from engine.targeting.basket import Basket, Line
from engine.targeting.known_customer import Shopper
from engine.targeting.offers import checked_offer
from engine.targeting.settling import Coupon
from serving.actions.quotes import KnownOffer, quote

NOW = 1_750_000_000.0  # a Sunday, 15:06 in UTC


def quoted(*documents, lines=((1_000, 1), (333, 3)), shipping=0, shopper=None, items_known=True):
    offers, coupons = {}, []
    for place, document in enumerate(documents):
        told = {"offer_id": f"o{place}", "name": "An offer", "currency": "EUR", **document}
        offer = checked_offer(told)
        offers[offer.offer_id, 1] = KnownOffer(offer, told, {}, caps_of(offer))
        coupons.append(Coupon(f"C{place}", offer.offer_id, None, 1, 1, None, None, None, None, 0, False, ()))
    basket = Basket(
        tuple(
            Line(f"i{place}", number, price, fields={"brand": f"b{place}"})
            for place, (price, number) in enumerate(lines)
        ),
        "EUR",
        shipping,
    )
    return quote(offers, basket, coupons, shopper or Shopper(), NOW, "UTC", items_known=items_known)


def percent(value=10, **more):
    return {"benefit": {"kind": "percent", "percent": value}, **more}


def amount(value, **more):
    return {"benefit": {"kind": "amount", "amount": value}, **more}


def test_codes_are_priced_one_after_the_other_and_their_shares_add_up():
    found = quoted(percent(10), amount(500))
    assert found.discounts == {"C0": 200, "C1": 500}
    assert sum(sum(each.values()) for each in found.shares) == 700
    assert found.as_json()["total"] == 1_999 - 700


def test_nothing_is_taken_off_twice_and_never_more_than_there_is():
    found = quoted(percent(100), amount(500))
    assert (found.discounts, [each["code"] for each in found.refused]) == ({"C0": 1_999}, ["no_effect"])


def test_a_largest_discount_and_free_shipping():
    assert quoted(percent(50, largest_discount=300)).discounts == {"C0": 300}
    found = quoted({"benefit": {"kind": "free_shipping"}}, shipping=499)
    assert (found.discounts, found.as_json()["shipping_discount"], found.shares) == ({"C0": 499}, 499, [{}, {}])


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"scope": 'brand = "b9"'}, "nothing_in_scope"),
        ({"minimum": {"amount": 2_000}}, "below_minimum_amount"),
        ({"minimum": {"quantity": 5}}, "below_minimum_quantity"),
        ({"valid": {"until": "2025-01-01T00:00:00Z"}}, "expired"),
        ({"valid": {"from": "2026-01-01T00:00:00Z"}}, "not_yet_valid"),
        ({"valid": {"weekdays": ["mon"]}}, "not_today"),
        ({"valid": {"hours": [["22:00", "06:00"]]}}, "not_at_this_hour"),
        ({"eligible": {"segments": ["vip"]}}, "not_in_segment"),
        ({"eligible": {"tiers": ["gold"]}}, "not_in_tier"),
        ({"eligible": {"first_order": True}}, "not_first_order"),
        ({"currency": "USD"}, "other_currency"),
    ],
)
def test_what_speaks_against_a_code_is_said_with_its_name(terms, code):
    document = amount(5, **terms) if "currency" in terms else percent(**terms)
    assert [(each["code"], each["coupon"]) for each in quoted(document).refused] == [(code, "C0")]


def test_who_is_meant_gets_it_and_scopes_choose_lines():
    shopper = Shopper(frozenset({"vip"}), frozenset({"gold"}), first_order=True)
    terms = {"eligible": {"segments": ["vip"], "tiers": ["gold"], "first_order": True}, "scope": 'brand = "b1"'}
    assert quoted(percent(10, **terms), shopper=shopper).shares == [{}, {"C0": 100}]


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        ({"stacking": {"exclusive": True}}, {}, "exclusive"),
        ({"stacking": {"group": "g"}}, {"stacking": {"group": "g"}}, "same_group"),
        ({}, {"stacking": {"without": ["o0"]}}, "never_with"),
    ],
)
def test_codes_that_do_not_go_together_are_told(one, other, code):
    assert [each["code"] for each in quoted(percent(**one), percent(**other)).refused] == [code]


def test_codes_that_go_with_an_exclusive_one_by_name_are_taken():
    found = quoted(percent(10, stacking={"exclusive": True, "with": ["o1"]}), amount(500))
    assert (found.discounts, found.refused) == ({"C0": 200, "C1": 500}, [])


def test_a_scope_needs_to_know_the_items():
    with pytest.raises(StoreUnavailable):
        quoted(percent(scope='brand = "b1"'), items_known=False)
    with pytest.raises(StoreUnavailable):
        quoted({"benefit": {"kind": "buy_x_get_y", "buy": 1, "get": 1, "of": 'brand = "b1"'}}, items_known=False)
    assert quoted(percent(), items_known=False).discounts == {"C0": 200}
