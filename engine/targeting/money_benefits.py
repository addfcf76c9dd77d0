"""Benefits that take money off: percent, amount, per full step, by steps, a fixed price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from engine.targeting.basket import MOST_PIECES
from engine.targeting.gains import BenefitKind, Gain, Reach, Speech
from engine.targeting.money import LARGEST_MONEY, percent_of, shares
from engine.targeting.terms_reader import (
    Part,
    choice,
    id_text,
    list_of,
    money,
    percent,
    refuse,
    some_money,
    whole,
)

MOST_STEPS, MOST_PRICES = 20, 1_000


@dataclass(frozen=True, slots=True)
class Percent:
    percent: float


@dataclass(frozen=True, slots=True)
class Amount:
    amount: int


@dataclass(frozen=True, slots=True)
class PerStep:
    """`amount` off for each full `step` spent, at most `ceiling` in all: 满300减50."""

    step: int
    amount: int
    ceiling: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    from_: int
    amount: int | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class Stepped:
    """The highest step that is reached gives; steps count money (minor units) or pieces."""

    steps: tuple[Step, ...]
    by: str = "amount"


@dataclass(frozen=True, slots=True)
class FixedPrice:
    """A piece costs `price`, or its own of `prices` by item; at most `pieces` of an order, the dearest."""

    price: int | None = None
    prices: Mapping[str, int] | None = None
    pieces: int | None = None


def _off_total(reach: Reach, off: int) -> Gain:
    weights = reach.weights()
    return Gain(shares(min(off, reach.total), weights)) if reach.total else Gain()


def _stepped_off(terms: Stepped, reach: Reach) -> Gain:
    measured = reach.total if terms.by == "amount" else reach.quantity
    reached = [each for each in terms.steps if each.from_ <= measured]
    if not reached:
        return Gain()
    step = reached[-1]
    return _off_total(reach, step.amount or percent_of(reach.total, step.percent or 0))


def _fixed(terms: FixedPrice, reach: Reach) -> Gain:
    off = [0] * len(reach.pieces)
    room = MOST_PIECES * len(off) if terms.pieces is None else terms.pieces
    for place in reach.dearest_first(reach.inside):
        kind = reach.pieces[place]
        price = terms.price if terms.prices is None else terms.prices.get(kind.item_id)
        if price is None:
            continue
        pieces = min(kind.quantity, room)
        saved = reach.part(place, pieces, 100) - price * pieces
        if saved > 0:
            off[place] = saved
            room -= pieces
    return Gain(tuple(off))


def _read_per_step(part: Part) -> PerStep:
    found = PerStep(
        part.need("step", some_money), part.need("amount", some_money), part.may("ceiling", some_money, None)
    )
    if found.amount > found.step:
        refuse(part.path("amount"), "gives more than a step costs")
    if found.ceiling is not None and found.ceiling < found.amount:
        refuse(part.path("ceiling"), "is less than what one step gives")
    return found


def _read_stepped(part: Part) -> Stepped:
    by = part.may("by", choice("amount", "quantity"), "amount")

    def step(value: Any, path: str) -> Step:
        one = Part(value, path)
        start = one.need("from", whole(1, LARGEST_MONEY if by == "amount" else MOST_PIECES))
        found = Step(start, one.may("amount", some_money, None), one.may("percent", percent, None))
        one.done()
        if (found.amount is None) == (found.percent is None):
            refuse(path, "needs either amount or percent")
        if by == "amount" and (found.amount or 0) > found.from_:
            refuse(f"{path}.amount", "gives more than the step costs")
        return found

    steps = part.need("steps", list_of(step, most=MOST_STEPS))
    for place, (low, high) in enumerate(pairwise(steps), start=1):
        path = f"{part.path('steps')}[{place}]"
        if (low.amount is None) != (high.amount is None):
            refuse(path, "all steps give amounts, or all percentages")
        if low.from_ >= high.from_:
            refuse(f"{path}.from", "steps must ascend")
        if (low.amount or low.percent or 0) >= (high.amount or high.percent or 0):
            refuse(path, "a higher step must give more")
    return Stepped(steps, by)


def _read_fixed(part: Part) -> FixedPrice:
    price, pieces = part.may("price", money, None), part.may("pieces", whole(1, MOST_PIECES), None)
    prices = part.may("prices", _price_list, None)
    if (price is None) == (prices is None):
        refuse(part.path("price"), "say either one price, or prices by item")
    return FixedPrice(price, prices, pieces)


def _price_list(value: Any, path: str) -> Mapping[str, int]:
    if type(value) is not dict or not 1 <= len(value) <= MOST_PRICES:
        refuse(path, f"must be an object of 1 to {MOST_PRICES} item ids with a price each")
    return MappingProxyType({id_text(name, path): money(price, path) for name, price in value.items()})


def off_text(value: float, speech: Speech) -> str:
    """A percentage off, as it is said: 20 % off is 8折."""
    if not speech.is_chinese:
        return "free" if value == 100 else f"{value:g}% off"
    return "免费" if value == 100 else f"{round((100 - value) / 10, 3):g}折"


def _tell_per_step(terms: PerStep, speech: Speech) -> str:
    if speech.is_chinese:
        ceiling = f"，最多减{speech.money(terms.ceiling)}" if terms.ceiling else ""
        return f"每满{speech.money(terms.step)}减{speech.money(terms.amount)}{ceiling}"
    ceiling = f", up to {speech.money(terms.ceiling)}" if terms.ceiling else ""
    return f"{speech.money(terms.amount)} off for every {speech.money(terms.step)} spent{ceiling}"


def _tell_stepped(terms: Stepped, speech: Speech) -> str:
    def one(step: Step) -> str:
        pieces = terms.by == "quantity"
        if speech.is_chinese:
            start = f"满{step.from_}件" if pieces else f"满{speech.money(step.from_)}"
            return start + (f"减{speech.money(step.amount)}" if step.amount else off_text(step.percent or 0, speech))
        start = f"from {step.from_} pieces" if pieces else f"from {speech.money(step.from_)}"
        given = f"{speech.money(step.amount)} off" if step.amount else off_text(step.percent or 0, speech)
        return f"{given} {start}"

    return ("，" if speech.is_chinese else ", ").join(map(one, terms.steps))


def _tell_fixed(terms: FixedPrice, speech: Speech) -> str:
    if speech.is_chinese:
        most = f"，限{terms.pieces}件" if terms.pieces else ""
        return ("特价" if terms.price is None else f"特价每件{speech.money(terms.price)}") + most
    most = f", up to {terms.pieces} pieces" if terms.pieces else ""
    return ("special prices" if terms.price is None else f"{speech.money(terms.price)} a piece") + most


MONEY_BENEFITS: Mapping[str, BenefitKind] = {
    "fixed_price": BenefitKind(
        read=_read_fixed,
        compute=_fixed,
        told=_tell_fixed,
        phase=10,
        has_money=lambda terms: True,
    ),
    "percent": BenefitKind(
        read=lambda part: Percent(part.need("percent", percent)),
        compute=lambda terms, reach: _off_total(reach, percent_of(reach.total, terms.percent)),
        told=lambda terms, speech: off_text(terms.percent, speech),
        phase=30,
    ),
    "amount": BenefitKind(
        read=lambda part: Amount(part.need("amount", some_money)),
        compute=lambda terms, reach: _off_total(reach, terms.amount),
        told=lambda terms, speech: (
            f"减{speech.money(terms.amount)}" if speech.is_chinese else f"{speech.money(terms.amount)} off"
        ),
        phase=50,
        moves=True,
        worth=lambda terms: int(terms.amount),
        has_money=lambda terms: True,
    ),
    "per_step": BenefitKind(
        read=_read_per_step,
        compute=lambda terms, reach: _off_total(
            reach, min(reach.total // terms.step * terms.amount, terms.ceiling or LARGEST_MONEY)
        ),
        told=_tell_per_step,
        phase=40,
        moves=True,
        worth=lambda terms: int(terms.ceiling or terms.amount),
        has_money=lambda terms: True,
    ),
    "stepped": BenefitKind(
        read=_read_stepped,
        compute=_stepped_off,
        told=_tell_stepped,
        phase=40,
        moves=True,
        worth=lambda terms: terms.steps[-1].amount,
        has_money=lambda terms: terms.by == "amount" or terms.steps[0].amount is not None,
    ),
}
