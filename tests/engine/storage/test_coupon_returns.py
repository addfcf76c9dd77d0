"""Returns give uses and budget back, once, and every cent of a share."""

from __future__ import annotations

import random

import pytest

from engine.errors import BadInput, NotAllowed
from engine.storage.coupon_returns import RedeemedCoupon, RedeemedLine, Stack, decide_return, returned_share

USES, MONEY = '["uses offer total", "offer o", null, ""]', '["money offer total", "offer o", null, ""]'


def stack(**more):
    holds = [{"key": USES, "add": 1, "cap": 5}, {"key": MONEY, "add": 130, "cap": 900}]
    told = {
        "order_id": "1", "user_id": "u", "currency": "EUR", "discount": 130, "returned": 0, "rollbacks": 0,
        "state": "redeemed", "now": 1.0, "coupons": (RedeemedCoupon("A", "o", 130, 0, holds),),
        "lines": (RedeemedLine(1, 3, 0, {"A": 100}), RedeemedLine(2, 1, 0, {})),
    }  # fmt: skip
    return Stack(**{**told, **more})


def test_a_line_goes_back_to_the_cent_however_it_is_returned():
    chance = random.Random(2)
    for _ in range(500):
        share, quantity = chance.randrange(10**6), chance.randrange(1, 50)
        back, before = 0, 0
        while before < quantity:
            number = chance.randrange(1, quantity - before + 1)
            back += returned_share(share, quantity, before, number)
            before += number
        assert back == share


def test_a_part_gives_budget_back_and_all_of_it_the_use_too():
    some = decide_return(stack(), [(1, 1)])
    assert (some.whole, some.amount, some.holds) == (False, 33, ((MONEY, 33),))
    whole = decide_return(stack(), None)
    assert (whole.whole, whole.amount, set(whole.holds)) == (True, 130, {(USES, 1), (MONEY, 130)})
    lines = (RedeemedLine(1, 3, 1, {"A": 100}), RedeemedLine(2, 1, 1, {}))
    rest = decide_return(
        stack(lines=lines, coupons=(RedeemedCoupon("A", "o", 130, 33, stack().coupons[0].holds),)), [(1, 2)]
    )
    assert (rest.whole, rest.amount) == (True, 97)


def test_what_cannot_go_back_is_refused_by_name():
    with pytest.raises(NotAllowed) as refused:
        decide_return(stack(state="rolled_back"), None)
    assert refused.value.code == "already_rolled_back"
    with pytest.raises(NotAllowed, match="only 3"):
        decide_return(stack(), [(1, 4)])
    for pieces in ([], [(9, 1)], [(1, 0)]):
        with pytest.raises(BadInput, match="lines"):
            decide_return(stack(), pieces)
