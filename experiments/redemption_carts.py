"""Random carts at the till: whatever is in them and whichever codes come together, the sums are right to the cent."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping
from typing import Any

from engine.storage.coupon_issue import import_codes
from engine.storage.ledger import LedgerPool
from engine.storage.offer_documents import put_offer
from experiments.traffic.connection import Connection, post

_ITEMS = 30
_OFFERS: Mapping[str, Mapping[str, Any]] = {
    "PERCENT": {"benefit": {"kind": "percent", "percent": 17.5}},
    "CAPPED": {"benefit": {"kind": "percent", "percent": 90}, "largest_discount": 777},
    "AMOUNT": {"benefit": {"kind": "amount", "amount": 1_001}},
    "STEP": {"benefit": {"kind": "per_step", "step": 3_000, "amount": 501, "ceiling": 1_503}},
    "STEPS": {"benefit": {"kind": "stepped", "steps": [{"from": 1_000, "percent": 5}, {"from": 9_000, "percent": 12}]}},
    "NTH": {"benefit": {"kind": "nth_piece", "n": 3, "percent": 50}},
    "BUY": {"benefit": {"kind": "buy_x_get_y", "buy": 2, "get": 1}},
    "FIXED": {"benefit": {"kind": "fixed_price", "price": 99, "pieces": 3}},
    "SHIP": {"benefit": {"kind": "free_shipping"}},
    "POINTS": {"benefit": {"kind": "points", "points": 3, "every": 100}},
    "GIFT": {"benefit": {"kind": "gift", "items": [{"item_id": "mug"}]}},
    "LATE": {"benefit": {"kind": "amount", "amount": 300}, "minimum": {"amount": 2_000, "when": "after"}},
    "ALONE": {"benefit": {"kind": "percent", "percent": 33}, "stacking": {"exclusive": True}},
}


def make_offers(ledger: LedgerPool) -> None:
    """One offer of each kind, each with a code for everybody that is called as it is."""
    for name, terms in _OFFERS.items():
        document = {"offer_id": name, "name": name, "currency": "EUR", "code": "generic", **terms}
        put_offer(ledger, document, actor="bench", now=time.time(), zone="UTC")
        import_codes(ledger, name, [name], max_uses=None, now=time.time())


async def try_carts(port: int, number: int, *, seed: int, at_once: int = 16) -> dict[str, Any]:
    """Validate so many carts, each with its lines in two orders; how many held, applied, and what was wrong."""
    chance = random.Random(seed)
    carts = iter([_cart(chance) for _ in range(number)])
    told, faults = {"carts": 0, "applied": 0, "discount": 0}, list[str]()

    async def caller() -> None:
        connection = Connection(port, seconds=30.0)
        for codes, lines, shipping in carts:
            answers = [await _ask(connection, codes, each, shipping) for each in (lines, lines[::-1])]
            fault = _fault(answers, lines, shipping)
            told["carts"] += 1
            told["applied"] += answers[0]["valid"]
            told["discount"] += (answers[0]["prices"] or {"discount": 0})["discount"]
            if fault:
                faults.append(f"{fault}: {codes} {lines} {shipping}")
        await connection.close()

    await asyncio.gather(*(caller() for _ in range(at_once)))
    return {**told, "wrong": len(faults), "first_wrong": faults[:3]}


def _cart(chance: random.Random) -> tuple[list[str], list[dict[str, Any]], int]:
    lines = [
        {
            "item_id": f"i{chance.randrange(_ITEMS)}",
            "quantity": chance.choice((1, 1, 2, 3, 7, 100)),
            "unit_price": chance.choice((0, 1, 99, 100, 333, 1_999, chance.randrange(10**6))),
        }
        for _ in range(chance.randint(1, 8))
    ]
    codes = chance.sample(sorted(_OFFERS), chance.choice((1, 1, 2, 3)))
    return codes, lines, chance.choice((0, 0, 499, 1))


async def _ask(connection: Connection, codes: list[str], lines: list[dict[str, Any]], shipping: int) -> dict[str, Any]:
    body = {"codes": codes, "basket": {"currency": "EUR", "lines": lines, "shipping": shipping}}
    status, answer = await connection.send(post("/v1/coupons/validations", json.dumps(body).encode()))
    found: dict[str, Any] = json.loads(answer)
    return found if status == 200 else {"valid": False, "prices": None, "reasons": [], "status": status}


def _fault(answers: list[dict[str, Any]], lines: list[dict[str, Any]], shipping: int) -> str | None:
    """What is wrong with the two answers about one cart."""
    one, other = answers
    if "status" in one or "status" in other:
        return f"answered {one.get('status')} and {other.get('status')}"
    if not one["valid"]:
        return None if one["reasons"] and not other["valid"] else "refused without a reason, or in one order only"
    prices = one["prices"]
    subtotal = sum(each["quantity"] * each["unit_price"] for each in lines)
    shares = [[part["amount"] for part in each["discounts"]] for each in prices["lines"]]
    checks = {
        "the subtotal is another": prices["subtotal"] == subtotal,
        "the discount is not within the subtotal": 0 <= prices["discount"] <= subtotal + shipping,
        "the shares do not add up": sum(map(sum, shares)) + prices["shipping_discount"] == prices["discount"],
        "the coupons do not add up": sum(each["discount"] for each in prices["coupons"]) == prices["discount"],
        "a line's share is not within its price": all(
            0 <= each["discount"] <= each["subtotal"] for each in prices["lines"]
        ),
        "a share is negative": all(part >= 0 for each in shares for part in each),
        "the total is another": prices["total"] == subtotal + shipping - prices["discount"],
        "the order of lines matters": other["valid"] and other["prices"]["discount"] == prices["discount"],
    }
    return next((what for what, is_right in checks.items() if not is_right), None)
