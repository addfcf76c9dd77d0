"""Returns give uses and budget back, once, and every cent of a share."""

from __future__ import annotations

import random

import pytest

from engine.errors import BadInput, NotAllowed
from engine.targeting.returns import Redeemed, RedeemedCoupon, RedeemedLine, returned

USES, MONEY = '["uses offer total", "offer o", null, ""]', '["money offer total", "offer o", null, ""]'


def holds(money):
    return [{"key": USES, "add": 1, "cap": 5}, {"key": MONEY, "add": money, "cap": 900}]


def order(*, back=0, gone=0, gift=0):
    """Three pieces of 50 and one of 20 with 100 off the first line, and sending for 40 with 30 off that."""
    lines = (RedeemedLine(1, 3, 50, back, {"A": 100}), RedeemedLine(2, 1, 20, 0, {}))
    return Redeemed(210, 130, (RedeemedCoupon("A", "o", 130, gone, holds(130 + gift)),), lines)


def test_a_part_gives_budget_back_and_all_of_it_the_use_too():
    some = returned(order(), [(1, 1)])
    assert (some.whole, some.amount, some.holds) == (False, 34, ((MONEY, 34),))
    assert (some.refund, some.shipping) == (16, 0)
    rest = returned(order(back=1, gone=34), None)
    assert (rest.whole, rest.amount, set(rest.holds)) == (True, 96, {(USES, 1), (MONEY, 96)})
    assert some.refund + rest.refund == 210 - 130
    assert rest.shipping == 10


def test_what_a_gift_took_from_a_budget_goes_back_with_the_last_piece():
    assert returned(order(gift=70), [(1, 1)]).holds == ((MONEY, 34),)
    assert set(returned(order(back=1, gone=34, gift=70), None).holds) == {(USES, 1), (MONEY, 96 + 70)}


def test_shares_of_several_codes_go_back_piece_by_piece_and_never_above_the_price():
    lines = (RedeemedLine(0, 3, 1, 0, {"A": 1, "B": 1, "C": 1}),)
    coupons = tuple(RedeemedCoupon(code, code, 1, 0, []) for code in "ABC")
    found = returned(Redeemed(3, 3, coupons, lines), [(0, 1)])
    assert (found.amount, found.refund) == (1, 0)


def test_whatever_the_parts_and_their_order_they_add_up_to_the_whole():
    chance = random.Random(3)
    for _ in range(300):
        lines = [
            RedeemedLine(place, chance.randint(1, 9), 1_000, 0, {code: chance.randrange(300) for code in "AB"})
            for place in range(chance.randint(1, 4))
        ]
        gone, refunds = {"A": 0, "B": 0}, 0
        given = {code: sum(each.shares[code] for each in lines) for code in "AB"}
        paid = sum(each.quantity * 1_000 for each in lines) - sum(given.values())
        while True:
            coupons = tuple(RedeemedCoupon(code, code, given[code], gone[code], []) for code in "AB")
            subtotal = sum(each.quantity * 1_000 for each in lines)
            left = [each for each in lines if each.returned < each.quantity]
            one = chance.choice(left)
            number = chance.randint(1, one.quantity - one.returned)
            part = returned(Redeemed(subtotal, sum(given.values()), coupons, tuple(lines)), [(one.place, number)])
            refunds += part.refund
            gone = {code: gone[code] + part.amounts.get(code, 0) for code in "AB"}
            lines[one.place] = RedeemedLine(one.place, one.quantity, 1_000, one.returned + number, one.shares)
            if part.whole:
                break
        assert (gone, refunds) == (given, paid)


def test_what_cannot_go_back_is_refused_by_name():
    with pytest.raises(NotAllowed, match="only 3"):
        returned(order(), [(1, 4)])
    with pytest.raises(NotAllowed, match="nothing"):
        returned(Redeemed(0, 0, (RedeemedCoupon("A", "o", 0, 0, []),), ()), None)
    for pieces in ([], [(9, 1)], [(1, 0)]):
        with pytest.raises(BadInput, match="lines"):
            returned(order(), pieces)
