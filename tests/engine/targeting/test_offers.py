"""Offers: what they may say, what they give to the cent, why they do not apply, and what goes back."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.targeting.basket import Basket, Line, checked_basket
from engine.targeting.benefits import BENEFITS, BenefitKind, Gain
from engine.targeting.eligibility import ends_at
from engine.targeting.money import money_text, percent_of, shares, spread
from engine.targeting.net_price import net_price, usable
from engine.targeting.offers import Budget, checked_offer, offer_document
from engine.targeting.pricing import Facts, Issue, priced
from engine.targeting.reasons import REASONS
from engine.targeting.returns import given_back
from engine.targeting.wording import told
from experiments.carts import check_carts

NOW = datetime.fromisoformat("2026-06-03T10:00:00+00:00").timestamp()  # a Wednesday
ANYBODY = Facts()


def offer(benefit=None, **more):
    benefit = benefit or {"kind": "percent", "percent": 20}
    return checked_offer({"offer_id": "o", "name": "O", "benefit": benefit, "currency": "EUR", **more})


def line(price, quantity=1, item="i", cost=None, **fields):
    return Line(item, quantity, price, None, cost, fields)


def till(lines, *offers, shipping=0, facts=ANYBODY, now=NOW):
    return priced(Basket(tuple(lines), "EUR", shipping), [(each, Issue()) for each in offers], facts, now)


@pytest.mark.parametrize(
    ("benefit", "lines", "discounts"),
    [
        ({"kind": "percent", "percent": 33}, [(100, 1), (101, 1)], [33, 33]),
        ({"kind": "percent", "percent": 12.5}, [(100, 1)], [13]),
        ({"kind": "percent", "percent": 100}, [(99, 3)], [297]),
        ({"kind": "amount", "amount": 100}, [(100, 1), (200, 1)], [33, 67]),
        ({"kind": "amount", "amount": 10**15}, [(100, 1), (200, 1)], [100, 200]),
        ({"kind": "per_step", "step": 300, "amount": 50, "ceiling": 100}, [(300, 2)], [100]),
        ({"kind": "per_step", "step": 300, "amount": 50, "ceiling": 100}, [(300, 5)], [100]),
        ({"kind": "per_step", "step": 300, "amount": 50}, [(299, 1), (1, 1)], [50, 0]),
        ({"kind": "stepped", "steps": [{"from": 100, "amount": 5}, {"from": 200, "amount": 20}]}, [(199, 1)], [5]),
        ({"kind": "stepped", "steps": [{"from": 100, "amount": 5}, {"from": 200, "amount": 20}]}, [(200, 1)], [20]),
        ({"kind": "stepped", "by": "quantity", "steps": [{"from": 3, "percent": 20}]}, [(100, 3)], [60]),
        ({"kind": "nth_piece", "n": 2, "percent": 50}, [(100, 1), (60, 1), (10, 1)], [0, 30, 0]),
        ({"kind": "nth_piece", "n": 2, "percent": 50}, [(100, 5)], [100]),
        ({"kind": "nth_piece", "n": 2, "percent": 50, "times": 1}, [(100, 5)], [50]),
        ({"kind": "fixed_price", "price": 60}, [(100, 3), (50, 1)], [120, 0]),
        ({"kind": "fixed_price", "price": 60, "pieces": 2}, [(100, 3)], [80]),
        ({"kind": "fixed_price", "prices": {"i": 1}}, [(100, 1)], [99]),
        ({"kind": "buy_x_get_y", "buy": 2, "get": 1}, [(100, 2), (30, 2)], [0, 30]),
        ({"kind": "buy_x_get_y", "buy": 1, "get": 1, "percent": 50, "of": "price < 50"}, [(100, 1), (30, 3)], [0, 30]),
    ],
)
def test_what_a_benefit_gives_to_each_line(benefit, lines, discounts):
    (found,) = till([line(*each) for each in lines], offer(benefit)).offers
    assert list(found.discounts) == discounts


def test_gifts_points_and_shipping_are_given():
    found = till(
        [line(250), line(100)],
        offer({"kind": "gift", "items": [{"item_id": "g", "value": 30}]}, offer_id="a"),
        offer({"kind": "points", "points": 10, "every": 100}, offer_id="b"),
        offer({"kind": "free_shipping"}, offer_id="c"),
        offer({"kind": "amount", "amount": 60}, offer_id="d", stacking={"priority": -1}),
        shipping=499,
    )
    gift, points, shipping, amount = found.offers
    assert (gift.gifts[0].item_id, gift.cost) == ("g", 30)
    assert sum(points.points) == 20  # 290 are paid, whichever is asked first
    assert (shipping.discount, amount.discount, found.total) == (499, 60, 290)
    assert json.loads(json.dumps(found.as_json()))["points"] == 20


def test_a_new_kind_of_benefit_is_one_entry(monkeypatch):
    kind = BenefitKind(
        read=lambda part: part.need("price", lambda value, path: value),
        compute=lambda terms, reach: Gain(tuple(max(0, left - terms) for left in reach.left)),
        told=lambda terms, speech: "together",
        phase=10,
    )
    monkeypatch.setitem(BENEFITS, "group_price", kind)
    assert till([line(100)], offer({"kind": "group_price", "price": 70})).total == 70


@pytest.mark.parametrize(
    ("terms", "facts", "code"),
    [
        ({"valid": {"from": "2026-06-03T10:00:01Z"}}, ANYBODY, "not_yet_valid"),
        ({"valid": {"until": "2026-06-03T10:00:00Z"}}, ANYBODY, "expired"),
        ({"valid": {"weekdays": ["sat"]}}, ANYBODY, "not_today"),
        ({"valid": {"weekdays": ["wed"]}}, Facts(zone="Pacific/Kiritimati"), "not_today"),
        ({"valid": {"hours": [["18:00", "21:00"]]}}, ANYBODY, "not_at_this_hour"),
        ({"valid": {"hours": [["09:00", "18:00"]]}}, Facts(zone="Asia/Shanghai"), "not_at_this_hour"),
        ({"eligible": {"segments": ["a"]}}, Facts(segments=frozenset("b")), "not_in_segment"),
        ({"eligible": {"tiers": ["gold"]}}, ANYBODY, "not_in_tier"),
        ({"eligible": {"first_order": True}}, ANYBODY, "not_first_order"),
        ({"scope": "price > 500"}, ANYBODY, "nothing_in_scope"),
        ({"minimum": {"amount": 101}}, ANYBODY, "below_minimum_amount"),
        ({"minimum": {"quantity": 2}}, ANYBODY, "below_minimum_quantity"),
        ({"currency": "CNY"}, ANYBODY, "other_currency"),
        ({"profit_floor": 10}, ANYBODY, "profit_floor"),
        ({"benefit": {"kind": "free_shipping"}}, ANYBODY, "no_effect"),
    ],
)
def test_a_refusal_says_why(terms, facts, code):
    (found,) = till([line(100, cost=90)], offer(**terms), facts=facts).offers
    assert (found.applied, [each.code for each in found.reasons], found.discount) == (False, [code], 0)
    assert code in REASONS


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        ({"exclusive": True}, {}, "exclusive"),
        ({"exclusive": True, "with": ["b"]}, {}, None),
        ({"group": "g"}, {"group": "g"}, "same_group"),
        ({"group": "g", "with": ["group:g"]}, {"group": "g"}, None),
        ({"without": ["b"]}, {}, "never_with"),
        ({}, {"without": ["group:x"]}, None),
        ({"one_per_product": True}, {}, "product_taken"),
        ({}, {"one_per_product": True}, "product_taken"),
        ({}, {}, None),
    ],
)
def test_which_offers_go_together(one, other, code):
    first, second = till([line(1_000)], offer(offer_id="a", stacking=one), offer(offer_id="b", stacking=other)).offers
    assert first.applied
    assert [each.code for each in second.reasons] == ([code] if code else [])


def test_the_same_offer_applies_once_and_a_higher_priority_is_asked_first():
    twice = offer(stacking={"exclusive": True})
    assert [each.applied for each in till([line(100)], twice, twice).offers] == [True, False]
    dear = offer({"kind": "amount", "amount": 1}, offer_id="z", stacking={"exclusive": True, "priority": 1})
    assert [each.applied for each in till([line(100)], twice, dear).offers] == [False, True]


def test_a_minimum_after_discounts_looks_at_what_others_left():
    late = offer(offer_id="b", minimum={"amount": 900, "when": "after"}, stacking={"priority": -1})
    first, second = till([line(1_000)], offer(offer_id="a"), late).offers
    assert (first.discount, second.reasons[0].limit, second.reasons[0].used) == (200, 900, 800)


def test_an_amount_goes_to_the_lines_that_can_bear_it_and_a_percentage_does_not():
    lines = [line(100, item="a", cost=95), line(100, item="b", cost=10)]
    assert till(lines, offer({"kind": "amount", "amount": 40}, profit_floor=0)).line_discounts == (5, 35)
    assert till(lines, offer(profit_floor=0)).line_discounts == (5, 20)


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on():
    night = offer(valid={"weekdays": ["tue"], "hours": [["22:00", "02:00"]]})
    at = {
        hour: datetime.fromisoformat(f"2026-06-0{hour}:00+00:00").timestamp()
        for hour in ("2T23:30", "3T01:59", "3T02:00", "3T23:00")
    }
    assert [till([line(100)], night, now=each).offers[0].applied for each in at.values()] == [True, True, False, False]


def test_a_code_ends_its_time_after_issue_and_is_for_whom_it_was_issued_to():
    week = offer(valid={"for": "P7D", "until": "2027-01-01T00:00:00Z"})
    issue = Issue("C", NOW - 7 * 86_400, "u")
    assert ends_at(week, issue) == NOW
    found = priced(Basket((line(100),), "EUR"), [(week, issue)], ANYBODY, NOW).offers[0]
    assert [each.code for each in found.reasons] == ["expired", "other_user"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"benefit": {"kind": "percent", "percent": 0}}, "benefit.percent"),
        ({"benefit": {"kind": "percent", "percent": 101}}, "benefit.percent"),
        ({"benefit": {"kind": "percent", "percent": float("nan")}}, "benefit.percent"),
        ({"benefit": {"kind": "percent", "percent": True}}, "benefit.percent"),
        ({"benefit": {"kind": "percent"}}, "benefit.percent"),
        ({"benefit": {"kind": "amount", "amount": -1}}, "benefit.amount"),
        ({"benefit": {"kind": "amount", "amount": 10**15 + 1}}, "benefit.amount"),
        ({"benefit": {"kind": "amount", "amount": float("inf")}}, "benefit.amount"),
        ({"benefit": {"kind": "per_step", "step": 10, "amount": 11}}, "benefit.amount"),
        (
            {"benefit": {"kind": "stepped", "steps": [{"from": 9, "amount": 1}, {"from": 9, "amount": 2}]}},
            "benefit.steps[1].from",
        ),
        (
            {"benefit": {"kind": "stepped", "steps": [{"from": 8, "amount": 2}, {"from": 9, "amount": 2}]}},
            "benefit.steps[1]",
        ),
        ({"benefit": {"kind": "fixed_price"}}, "benefit.price"),
        ({"benefit": {"kind": "magic"}}, "benefit.kind"),
        ({"benefit": {"kind": "percent", "percent": 5, "x": 1}}, "benefit.x"),
        ({"colour": "red"}, "colour"),
        ({"\ud800": 1}, "\\ud800"),
        ({"name": "\ud800"}, "name"),
        ({"name": {}}, "name"),
        ({"offer_id": "x" * 513}, "offer_id"),
        ({"scope": "price > 5 and price < 3"}, "scope"),
        ({"scope": "price < 0"}, "scope"),
        ({"scope": 'brand = "A" and brand in ("B", "C")'}, "scope"),
        ({"scope": 'brand is null and brand = "A"'}, "scope"),
        ({"scope": 'not (tags has "a" or not tags has "a")'}, "scope"),
        ({"scope": "weight > 3"}, "scope"),
        ({"scope": "price < context.price"}, "scope"),
        ({"scope": 'user.region = "north"'}, "scope"),
        ({"scope": "available_from < now()"}, "scope"),
        ({"scope": "price * 2"}, "scope"),
        ({"scope": "price * 2 > 5 and not price * 2 > 5"}, "scope"),
        ({"scope": "available and not available"}, "scope"),
        ({"scope": "price between 5 and 3"}, "scope"),
        ({"scope": 'available_from < "2026-01-01T00:00:00Z" and available_from > "2026-01-01T00:00:00Z"'}, "scope"),
        ({"valid": {"from": "2026-01-02T00:00:00Z", "until": "2026-01-02T00:00:00Z"}}, "valid.until"),
        ({"valid": {"from": "2026-01-02"}}, "valid.from"),
        ({"valid": {"hours": [["9:00", "21:00"]]}}, "valid.hours[0]"),
        ({"valid": {"for": "P1M"}}, "valid.for"),
        ({"valid": {"for": "P7D"}, "code": "none"}, "valid.for"),
        ({"benefit": {"kind": "amount", "amount": 500}, "budget": {"amount": 499}}, "budgets"),
        ({"largest_discount": 500, "budget": {"amount": 499}}, "budgets"),
        ({"minimum": {"amount": 1_000}, "budget": {"amount": 199}}, "budgets"),
        ({"limits": [{"of": "campaign", "count": 1}]}, "campaign_id"),
        ({"limits": [{"of": "offer", "count": 1}, {"of": "offer", "count": 2}]}, "limits"),
        ({"limits": [{"of": "offer", "count": 0}]}, "limits[0].count"),
        ({"largest_discount": 5, "currency": None}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"stacking": {"with": ["a"], "without": ["a"]}}, "stacking.without"),
        ({"eligible": {"segments": ["a", "a"]}}, "eligible.segments[1]"),
        ({"code": "secret"}, "code"),
    ],
)
def test_terms_that_cannot_be_kept_are_refused_by_name(more, field):
    with pytest.raises(BadInput) as refused:
        offer(**more)
    assert refused.value.field == field
    refused.value.message.encode()


@pytest.mark.parametrize(
    "scope",
    ["price > 3 and price < 5", "price >= 5 and price <= 5", 'tags has "a" and tags has "b"', "not (price > 5)",
     'brand = "A" or brand = "B"', "price = 0", 'not (brand = "A" and brand = "B")', "attributes.x != 1",
     'tags in ("a") and tags in ("b")',
     "price * 2 > 5 and price * 3 < 9", 'attributes.x < "b"', "not attributes.x < true", "not available",
     'available_from = "2026-01-01T00:00:00Z" and available_from = "2026-01-01T01:00:00+01:00"'],
)  # fmt: skip
def test_a_scope_that_something_can_fulfil_is_taken(scope):
    assert offer(scope=scope).scope is not None


def test_a_scope_may_compute_and_survives_its_json_form():
    half_off = offer(scope="price <= list_price / 2 and price between 1 and 500 and available")
    document = json.loads(json.dumps(offer_document(half_off)))
    assert checked_offer(document) == half_off
    assert document["scope"]["all"][0] == {"field": "price", "op": "<=", "value": {"formula": "list_price / 2"}}
    assert told(half_off, "en").endswith("on selected products.")


def test_a_shop_has_one_currency():
    document = {"offer_id": "o", "name": "O", "benefit": {"kind": "amount", "amount": 5}}
    assert checked_offer(document, shop_currency="EUR").currency == "EUR"
    with pytest.raises(BadInput, match="the shop's is EUR"):
        checked_offer({**document, "currency": "CNY"}, shop_currency="EUR")


FULL = {
    "name": {"en": "Summer", "zh": "夏天"},
    "description": "All of it",
    "scope": 'categories has "Milk"',
    "minimum": {"amount": 1_000, "quantity": 2, "when": "after", "of": "basket"},
    "valid": {"from": "2026-01-01T00:00:00+01:00", "until": "2026-12-31T00:00:00Z", "weekdays": ["wed"],
              "hours": [["09:00", "21:00"]], "for": "P7D"},
    "eligible": {"segments": ["a"], "tiers": ["gold"], "first_order": True},
    "stacking": {"group": "g", "priority": 3, "exclusive": True, "with": ["x"], "without": ["y"],
                 "one_per_product": True},
    "largest_discount": 500, "profit_floor": 0, "campaign_id": "c",
    "limits": [{"of": "customer_campaign", "count": 1, "per": "day"}],
    "budget": {"amount": 100_000, "per": "month"},
}  # fmt: skip


@pytest.mark.parametrize(
    "benefit",
    [
        {"kind": "percent", "percent": 12.5},
        {"kind": "stepped", "steps": [{"from": 100, "percent": 5}, {"from": 200, "percent": 20}]},
        {"kind": "fixed_price", "prices": {"a": 1}, "pieces": 2},
        {"kind": "buy_x_get_y", "buy": 1, "get": 2, "of": "price < 5", "percent": 50},
        {"kind": "gift", "items": [{"item_id": "g", "quantity": 2, "value": 3}]},
        {"kind": "points", "points": 5, "every": 100},
        {"kind": "nth_piece", "n": 3, "percent": 50},
        {"kind": "free_shipping"},
        {"kind": "per_step", "step": 300, "amount": 50, "ceiling": 150},
        {"kind": "amount", "amount": 50},
    ],
)
def test_an_offer_survives_its_json_form_and_is_told_in_two_languages(benefit):
    one = offer(benefit, **FULL)
    document = json.loads(json.dumps(offer_document(one)))
    assert checked_offer(document) == one
    assert one.budgets == (Budget(100_000, "offer", "month"),)
    for language in ("en", "zh"):
        assert told(one, language)


def test_the_wording_says_the_terms():
    steps = offer(
        {"kind": "per_step", "step": 30_000, "amount": 5_000, "ceiling": 15_000}, currency="CNY", valid={"for": "P7D"}
    )
    assert told(steps, "zh") == "每满300元减50元，最多减150元，领取后7天内有效。"
    assert told(steps, "en") == "50 CNY off for every 300 CNY spent, up to 150 CNY, for 7 days after issue."
    milk = offer(scope='categories has "Milk"', minimum={"amount": 1_050})
    assert told(milk, "en") == "20% off on Milk, from 10.50 EUR."
    assert told(milk, "zh") == "“Milk”类商品8折，满10.50 EUR可用。"


def test_a_basket_is_read_with_what_the_catalogue_knows_and_refused_by_name():
    items = {"i": {"item_id": "i", "price": 100, "cost": 40, "categories": ["Milk"]}}
    basket = checked_basket({"currency": "EUR", "lines": [{"item_id": "i", "quantity": 2}]}, items)
    assert (basket.subtotal, basket.lines[0].cost) == (200, 40)
    for broken, field in (
        ({"item_id": "i", "quantity": 0}, "basket.lines[0].quantity"),
        ({"item_id": "i", "unit_price": -1}, "basket.lines[0].unit_price"),
        ({"item_id": "x"}, "basket.lines[0].unit_price"),
        ({"item_id": "i", "currency": "CNY"}, "basket.lines[0].currency"),
        ({"item_id": "i", "quantity": 2, "unit_price": 10**15}, "basket.lines"),
        ({"item_id": "i", "x": 2}, "basket.lines[0].x"),
    ):
        with pytest.raises(BadInput) as refused:
            checked_basket({"currency": "EUR", "lines": [broken]}, items)
        assert refused.value.field == field


def test_an_item_is_told_its_best_price_for_one_piece():
    item = {"item_id": "i", "price": 1_000, "categories": ["Milk"]}
    offers = [
        (offer(offer_id="a"), Issue()),
        (offer({"kind": "fixed_price", "price": 700}, offer_id="b", valid={"until": "2026-07-01T00:00:00Z"}), Issue()),
        (offer({"kind": "percent", "percent": 90}, offer_id="c", minimum={"quantity": 2}), Issue()),
        (offer({"kind": "percent", "percent": 90}, offer_id="d", eligible={"tiers": ["gold"]}), Issue()),
    ]
    found = net_price(item, usable(offers, ANYBODY, NOW), ANYBODY, NOW)
    assert (found.offer_id, found.net_price) == ("b", 700)
    assert net_price(item, offers[2:], ANYBODY, NOW) is None
    assert net_price({"item_id": "i"}, offers, ANYBODY, NOW) is None


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=4), st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_parts_of_a_line_add_up_whatever_the_parts(amounts, parts):
    before, back = 0, [0] * len(amounts)
    for more in parts:
        given_now = given_back(amounts, sum(parts), before=before, more=more)
        assert min(given_now) >= 0
        back = [one + other for one, other in zip(back, given_now, strict=True)]
        before += more
    assert back == amounts


@given(st.data())
def test_shares_add_up_and_none_is_above_its_room(data):
    weights = data.draw(st.lists(st.integers(0, 10**9), min_size=1, max_size=8).filter(any))
    amount = data.draw(st.integers(0, sum(weights)))
    found = shares(amount, weights)
    assert sum(found) == amount
    assert all(0 <= each <= weight for each, weight in zip(found, weights, strict=True))
    room = [data.draw(st.integers(0, each)) for each in weights]
    found = spread(amount, weights, room)
    assert sum(found) == min(amount, sum(room))
    assert all(0 <= each <= free for each, free in zip(found, room, strict=True))


@given(st.integers(0, 10**15), st.integers(100, 10_000))
@settings(max_examples=50)
def test_a_percentage_is_at_most_half_a_cent_off(amount, hundredths):
    assert abs(percent_of(amount, hundredths / 100) * 10_000 - amount * hundredths) * 2 <= 10_000


def test_amounts_are_written_as_people_do():
    assert [money_text(n, c, "zh") for n, c in ((5_000, "CNY"), (5_050, "CNY"), (50, "JPY"))] == [
        "50元",
        "50.50元",
        "50 JPY",
    ]


def test_in_random_carts_no_cent_is_lost_or_made():
    found = check_carts(2_000, seed=7)
    assert found.faults == ()
    assert set(found.applied) == set(BENEFITS)
    assert len(found.refused) > 10
