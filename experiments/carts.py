"""Random carts: baskets with random offers, and what must be true of every one of them, to the cent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from engine.targeting.basket import Basket, Line
from engine.targeting.offers import Offer, checked_offer
from engine.targeting.pricing import Facts, Issue, Priced, priced
from engine.targeting.returns import Redeemed, RedeemedCoupon, RedeemedLine, Return, returned

NOW = 1_780_000_000.0
_CATEGORIES = ("Milk", "Bread", "Wine", "Toys")


@dataclass(frozen=True, slots=True)
class Cart:
    basket: Basket
    applied: tuple[tuple[Offer, Issue], ...]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Checked:
    """`faults` are what was not as it must be; the counts tell that there was something to look at."""

    carts: int
    applied: Mapping[str, int]
    refused: Mapping[str, int]
    discount: int
    faults: tuple[str, ...]


def random_carts(count: int, seed: int) -> Iterator[Cart]:
    """Carts of 1 to 8 lines with 0 to 6 offers of all kinds; the same ones for the same seed."""
    chance = Random(seed)
    for _ in range(count):
        lines = tuple(_line(chance) for _ in range(chance.randint(1, 8)))
        offers = [checked_offer(_offer(chance, f"o{n}")) for n in range(chance.randint(0, 6))]
        if offers and chance.random() < 0.1:
            offers.append(chance.choice(offers))
        tiers = frozenset(chance.choice((("gold",), ())))
        facts = Facts("u", frozenset({"vip"}), tiers, chance.choice((True, False, None)))
        basket = Basket(lines, "EUR", chance.choice((0, 1, 499, 1_000)))
        yield Cart(basket, tuple((each, Issue(f"C{n}", NOW - 60)) for n, each in enumerate(offers)), facts)


def check_carts(count: int, seed: int) -> Checked:
    """Price random carts and look at each answer; the figures of a bench."""
    applied: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    discount, faults = 0, []
    for number, cart in enumerate(random_carts(count, seed)):
        answer = priced(cart.basket, cart.applied, cart.facts, NOW)
        faults += [f"cart {number}: {each}" for each in faults_of(cart, answer, Random(number))]
        applied.update(each.offer.benefit.kind for each in answer.offers if each.applied)
        refused.update(reason.code for each in answer.offers for reason in each.reasons)
        discount += answer.discount
    return Checked(count, applied, refused, discount, tuple(faults))


def faults_of(cart: Cart, answer: Priced, chance: Random) -> list[str]:
    """What is not as it must be: bounds, sums, order of lines and offers, lines cut into two, partial returns."""
    found = [*_bounds(cart, answer), *_sums(answer), *_floors(answer)]
    told = answer.as_json()
    order = chance.sample(range(len(cart.basket.lines)), len(cart.basket.lines))
    turned = replace(cart.basket, lines=tuple(cart.basket.lines[place] for place in order))
    offers = chance.sample(range(len(cart.applied)), len(cart.applied))
    other = priced(turned, [cart.applied[place] for place in offers], cart.facts, NOW)
    if _summary(other) != _summary(answer):
        found.append("the order of lines or offers changes something")
    cut = replace(cart.basket, lines=tuple(part for line in cart.basket.lines for part in _cut(line, chance)))
    if _summary(priced(cut, cart.applied, cart.facts, NOW)) != _summary(answer):
        found.append("cutting lines into two changes something")
    if any(type(told[name]) is not int for name in ("subtotal", "discount", "total", "shipping", "points")):
        found.append("an amount is no whole number")
    return found + _returns(answer, chance)


def _bounds(cart: Cart, answer: Priced) -> list[str]:
    lines = zip(cart.basket.lines, answer.line_discounts, strict=True)
    found = [f"line {line.item_id} has {off} off" for line, off in lines if not 0 <= off <= line.subtotal]
    if not 0 <= sum(answer.line_discounts) <= cart.basket.subtotal:
        found.append("the discount is not between 0 and the subtotal")
    if not 0 <= answer.shipping_discount <= cart.basket.shipping or answer.total < 0:
        found.append("the shipping or the total is out of bounds")
    for each in answer.offers:
        numbers = (*each.discounts, *each.points, each.shipping)
        if min(numbers) < 0:
            found.append(f"{each.offer.offer_id} gives less than nothing")
        if not each.applied and (any(numbers) or each.gifts or not each.reasons):
            found.append(f"{each.offer.offer_id} is refused and gives, or without a reason")
        if each.applied and (each.reasons or not (any(numbers) or each.gifts)):
            found.append(f"{each.offer.offer_id} applies and gives nothing, or with a reason")
        if each.offer.largest_discount is not None and each.discount > each.offer.largest_discount:
            found.append(f"{each.offer.offer_id} gives more than its largest discount")
        if each.gifts and each.gifts != each.offer.benefit.terms.items:
            found.append(f"{each.offer.offer_id} gives other gifts than promised")
    return found


def _sums(answer: Priced) -> list[str]:
    off = answer.line_discounts
    found = []
    if sum(off) + answer.shipping_discount != sum(each.discount for each in answer.offers):
        found.append("the shares of lines and of offers are not the same money")
    if answer.basket.subtotal + answer.basket.shipping - answer.discount != answer.total:
        found.append("subtotal, discount and total do not add up")
    told = answer.as_json()
    if sum(line["total"] for line in told["lines"]) + told["shipping"] - told["shipping_discount"] != told["total"]:
        found.append("the lines do not add up to the total")
    if any(sum(part["amount"] for part in line["discounts"]) != line["discount"] for line in told["lines"]):
        found.append("the shares of a line do not add up")
    return found


def _floors(answer: Priced) -> list[str]:
    floors = [each.offer.profit_floor for each in answer.offers if each.applied and any(each.discounts)]
    if not floors or None in floors:
        return []
    least = max(floor for floor in floors if floor is not None)
    lines = zip(answer.basket.lines, answer.line_discounts, strict=True)
    # All that apply keep one: nothing that was made cheaper may be below the highest of those that came first.
    lowest = min(floor for floor in floors if floor is not None)
    return [
        f"line {line.item_id} is below cost and floor {lowest}..{least}"
        for line, off in lines
        if off and line.cost is not None and line.subtotal - off < (line.cost + lowest) * line.quantity - 1
    ]


def _returns(answer: Priced, chance: Random) -> list[str]:
    """Everything comes back in random parts: what goes back must be what was given, and never less than nothing."""
    sold, budgets, refunds, found = _redeemed(answer), Counter[str](), 0, []
    while True:
        left = {each.place: each.quantity - each.returned for each in sold.lines}
        more = {place: chance.randint(0, number) for place, number in left.items()}
        pieces = [(place, number) for place, number in more.items() if number]
        if not pieces:
            continue
        part = returned(sold, pieces)
        refunds += part.refund
        budgets.update(dict(part.holds))
        if min((part.shipping, *(each.refund for each in part.lines), *part.amounts.values())) < 0:
            found.append("a return gives back less than nothing")
        sold = _after(sold, more, part)
        if part.whole:
            break
    if refunds != answer.total:
        found.append(f"returns give back {refunds} of {answer.total}")
    if any(each.returned != each.discount for each in sold.coupons):
        found.append("returns give back other discounts than were given")
    if any(budgets[hold["key"]] != hold["add"] for each in sold.coupons for hold in each.holds):
        found.append("returns give back other uses or budget than were taken")
    return found


def _redeemed(answer: Priced) -> Redeemed:
    """The answer as the ledger would keep it."""
    given = {str(place): each for place, each in enumerate(answer.offers) if each.applied}
    coupons = [
        RedeemedCoupon(
            code,
            each.offer.offer_id,
            each.discount,
            0,
            [{"key": json.dumps([kind, code]), "add": add} for kind, add in (("uses ", 1), ("money ", each.cost))],
        )
        for code, each in given.items()
    ]
    lines = [
        RedeemedLine(
            place,
            line.quantity,
            line.unit_price,
            0,
            {code: each.discounts[place] for code, each in given.items() if each.discounts[place]},
        )
        for place, line in enumerate(answer.basket.lines)
    ]
    subtotal = answer.basket.subtotal + answer.basket.shipping
    return Redeemed(subtotal, answer.discount, tuple(coupons), tuple(lines))


def _after(sold: Redeemed, more: Mapping[int, int], part: Return) -> Redeemed:
    return replace(
        sold,
        coupons=tuple(replace(each, returned=each.returned + part.amounts.get(each.code, 0)) for each in sold.coupons),
        lines=tuple(replace(each, returned=each.returned + more[each.place]) for each in sold.lines),
    )


def _summary(answer: Priced) -> Any:
    """What must not depend on how the basket was told."""
    of_item: Counter[tuple[str, int, int]] = Counter()
    for line, off in zip(answer.basket.lines, answer.line_discounts, strict=True):
        of_item[(line.item_id, line.unit_price, -1 if line.cost is None else line.cost)] += off
    offers = sorted(
        (each.offer.offer_id, each.issue.code or "", each.discount, sum(each.points), [r.code for r in each.reasons])
        for each in answer.offers
    )
    return answer.total, answer.discount, answer.points, dict(of_item), offers


def _cut(line: Line, chance: Random) -> Sequence[Line]:
    if line.quantity < 2:
        return (line,)
    first = chance.randint(1, line.quantity - 1)
    return replace(line, quantity=first), replace(line, quantity=line.quantity - first)


def _line(chance: Random) -> Line:
    price = chance.choice((0, 1, 99, 100, 333, chance.randint(1, 100_000), chance.randint(1, 10**9)))
    cost = chance.choice((None, price // 2, price, price + 1))
    name = f"i{chance.randint(0, 9)}"
    fields = {"item_id": name, "categories": [chance.choice(_CATEGORIES)]}
    return Line(name, chance.choice((1, 1, 2, 3, 7, 1_000)), price, None, cost, fields)


def _offer(chance: Random, offer_id: str) -> dict[str, Any]:
    offer: dict[str, Any] = {
        "offer_id": offer_id,
        "name": offer_id,
        "benefit": _BENEFITS[chance.randrange(len(_BENEFITS))](chance),
        "currency": "EUR" if chance.random() < 0.98 else "CNY",
        "scope": chance.choice((None, None, f'categories has "{chance.choice(_CATEGORIES)}"', "price < 1000")),
        "stacking": {"priority": chance.randint(-2, 2), "group": chance.choice((None, None, "a", "b"))},
    }
    offer["stacking"] |= {name: True for name in ("exclusive", "one_per_product") if chance.random() < 0.08}
    if chance.random() < 0.2:
        offer["stacking"]["without"] = [f"o{chance.randint(0, 5)}"]
    if chance.random() < 0.3:
        offer["minimum"] = {
            chance.choice(("amount", "quantity")): chance.randint(1, 20),
            "when": chance.choice(("before", "after")),
            "of": chance.choice(("scope", "basket")),
        }
    if chance.random() < 0.3:
        offer["largest_discount"] = chance.choice((1, 7, 100, 5_000))
    if chance.random() < 0.3:
        offer["profit_floor"] = chance.choice((0, 1, 50))
    if chance.random() < 0.1:
        offer["eligible"] = chance.choice(({"segments": ["vip", "x"]}, {"tiers": ["gold"]}, {"first_order": True}))
    return offer


def _rate(chance: Random) -> float:
    return chance.choice((1, 12.5, 20, 33, 33.33, 50, 99.99, 100))


_BENEFITS = (
    lambda chance: {"kind": "percent", "percent": _rate(chance)},
    lambda chance: {"kind": "amount", "amount": chance.choice((1, 10, 500, 10**9))},
    lambda chance: {"kind": "per_step", "step": 300, "amount": 50, "ceiling": chance.choice((None, 50, 10_000))},
    lambda chance: {"kind": "stepped", "steps": [{"from": 100, "amount": 7}, {"from": 5_000, "amount": 999}]},
    lambda chance: {
        "kind": "stepped",
        "by": "quantity",
        "steps": [{"from": 2, "percent": 10}, {"from": 3, "percent": 20}],
    },
    lambda chance: {"kind": "nth_piece", "n": chance.randint(2, 4), "percent": _rate(chance), "same_item": True},
    lambda chance: {"kind": "nth_piece", "n": 2, "percent": 50, "times": chance.choice((None, 1, 3))},
    lambda chance: {"kind": "fixed_price", "price": chance.choice((0, 1, 250)), "pieces": chance.choice((None, 1, 5))},
    lambda chance: {"kind": "fixed_price", "prices": {"i1": 50, "i2": 1}},
    lambda chance: {"kind": "buy_x_get_y", "buy": chance.randint(1, 3), "get": chance.randint(1, 2)},
    lambda chance: {"kind": "buy_x_get_y", "buy": 2, "get": 1, "percent": _rate(chance), "of": 'categories has "Wine"'},
    lambda chance: {"kind": "gift", "items": [{"item_id": "g", "quantity": 2, "value": 30}]},
    lambda chance: {"kind": "free_shipping", "ceiling": chance.choice((None, 100))},
    lambda chance: {"kind": "points", "points": 10, "every": chance.choice((None, 100)), "ceiling": 5_000},
)
