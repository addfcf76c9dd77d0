"""The prices of an allocation: of money, of an offer's pieces, of a segment's floor; and the bound that they prove.

At given prices customers do not depend on each other any more. The best prices are those with the smallest bound. They
are found by coordinate descent: with all others fixed, the best price of one limit is exact, by bisection for money and
by selecting the last customer that a stock or a floor has room for (arXiv 2002.00352).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

_SAMPLE = 20_000  # customers on whom the prices are looked for first
_ROUNDS = 40  # of coordinate descent on the sample; on everybody it goes on from there
_LAST_ROUNDS = 4
_BLOCK = 65_536  # customers whose figures stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """`worth` (n, m) is the profit, -inf where the offer may not be given; `cost` (n, m) has the same type.

    `stock` (m,), `most` offers a customer, `segment` (n,) and `least` (segments,) customers of each to be treated.
    """

    worth: Floats
    cost: Floats
    budget: float
    stock: Floats
    most: int
    segment: NDArray[np.int64]
    least: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """`money` a unit of budget, `stock` (m,) a piece of each offer, `floor` (segments,) what treating one brings."""

    money: float
    stock: Floats
    floor: Floats


def find_prices(options: Options) -> Prices:
    """Prices with a small bound; those of everybody are looked for beside those of an even sample."""
    start = Prices(0.0, np.zeros(len(options.stock)), np.zeros(len(options.least)))
    customers = len(options.worth)
    if customers <= _SAMPLE:
        return _descend(options, start, _ROUNDS)
    step = -(-customers // _SAMPLE)
    few = _sampled(options, step)
    near = _descend(few, start, _ROUNDS)
    return _descend(options, near, _LAST_ROUNDS)


def surplus(options: Options, prices: Prices, rows: Any = slice(None)) -> Floats:
    """(rows, m) what giving an offer earns after money and pieces are paid."""
    worth, dtype = options.worth[rows], options.worth.dtype
    found: Floats = options.cost[rows] * dtype.type(-prices.money)
    found += worth
    if prices.stock.any():
        found -= prices.stock.astype(dtype)
    return found


def best_at(options: Options, prices: Prices, rows: Any = slice(None)) -> Bools:
    """(rows, m) what each customer takes at these prices; who would gain nothing takes nothing."""
    found = surplus(options, prices, rows)
    extra = prices.floor[options.segment[rows]] if prices.floor.any() else None
    first = found.argmax(axis=1)
    lines = np.arange(len(found))
    top = found[lines, first]
    taken = np.zeros(found.shape, np.bool_)
    taken[lines, first] = top > 0 if extra is None else top + extra > 0
    if options.most > 1:
        last = found.shape[1] - options.most
        order = np.argpartition(found, last, axis=1)[:, last:]
        taken[lines[:, None], order] |= found[lines[:, None], order] > 0
    return taken


def bound_at(options: Options, prices: Prices) -> float:
    """No allocation within the limits earns more, whatever the prices are; summed in double precision."""
    total = prices.money * options.budget - float(prices.floor @ options.least)
    kept = prices.stock > 0
    total += float(prices.stock[kept] @ options.stock[kept])
    for begin in range(0, len(options.worth), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        block = replace(
            options, worth=options.worth[rows].astype(np.float64), cost=options.cost[rows].astype(np.float64)
        )
        found = surplus(block, prices)
        top = found.max(axis=1)
        extra = prices.floor[options.segment[rows]]
        total += float(np.maximum(top + extra, 0)[top <= 0].sum() + (top + extra)[top > 0].sum())
        if options.most > 1:
            several = np.sort(found, axis=1)[:, -options.most : -1]
            total += float(np.maximum(several, 0).sum())
    return total


def _descend(options: Options, prices: Prices, rounds: int) -> Prices:
    """Each price in turn, until the bound does not sink any more; the best that was seen."""
    alone = not np.isfinite(options.stock).any() and not options.least.any()
    best = replace(prices, money=budget_price(options, prices))
    if alone:
        return best
    lowest = bound_at(options, best)
    prices = best
    for _ in range(rounds):
        prices = replace(prices, stock=_stock_prices(options, prices))
        prices = replace(prices, floor=_floor_prices(options, prices))
        prices = replace(prices, money=budget_price(options, prices))
        bound = bound_at(options, prices)
        if bound >= lowest * (1 - 1e-7):
            return prices if bound < lowest else best
        best, lowest = prices, bound
    return best


def budget_price(options: Options, prices: Prices) -> float:
    """The lowest price of money at which what customers take fits the budget, the other prices being fixed.

    Bisection; customers who take the same at both ends take it in between too, so that they are asked no more.
    """
    free = replace(prices, money=0.0)
    at_low = best_at(options, free)
    if _paid(options.cost, at_low) <= options.budget:
        return 0.0
    (low, at_low), high, at_high = _bracket(options, prices, at_low)
    exact = 1e-12 if options.worth.dtype == np.float64 else 1e-7
    settled = 0.0
    few = options
    while high - low > exact * high:
        differ = (at_low != at_high).any(axis=1)
        if not differ.any():
            break
        if differ.mean() < 0.5:
            settled += _paid(few.cost[~differ], at_high[~differ])
            few, at_low, at_high = _some(few, differ), at_low[differ], at_high[differ]
        middle = (low + high) / 2
        found = best_at(few, replace(prices, money=middle))
        if settled + _paid(few.cost, found) > options.budget:
            low, at_low = middle, found
        else:
            high, at_high = middle, found
    return float(high)


def _bracket(options: Options, prices: Prices, at_zero: Bools) -> tuple[tuple[float, Bools], float, Bools]:
    """A price that is too low and one that is not, narrow around the price that is known so far."""
    low, at_low = 0.0, at_zero
    high = _ceiling(options, prices)
    at_high = best_at(options, replace(prices, money=high))
    for factor in (0.98, 1.02):
        middle = prices.money * factor
        if low < middle < high:
            found = best_at(options, replace(prices, money=middle))
            if _paid(options.cost, found) > options.budget:
                low, at_low = middle, found
            else:
                high, at_high = middle, found
    return (low, at_low), high, at_high


def _ceiling(options: Options, prices: Prices) -> float:
    """A price of money at which nobody takes what costs anything."""
    extra = prices.floor[options.segment].astype(options.worth.dtype)[:, None]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ratios = (options.worth + extra) / options.cost
    highest = float(np.max(ratios, where=options.cost > 0, initial=0.0))
    # Beyond that the products overflow, and nothing costs so little.
    return min(highest * 1.001, 1e30)


def _stock_prices(options: Options, prices: Prices) -> Floats:
    """Each offer's price in turn: what the first customer gains by it for whom there is no piece left."""
    stock = prices.stock.copy()
    scarce = np.flatnonzero(options.stock < len(options.worth))
    if not len(scarce):
        return stock
    extra = prices.floor[options.segment]
    left_over = surplus(options, prices).astype(np.float64)
    for offer in scarce:
        own = left_over[:, offer] + stock[offer]
        left_over[:, offer] = -np.inf
        gain = own + extra + _with_one_less(left_over, options.most) - _without(left_over, extra, options.most)
        pieces = int(options.stock[offer])
        wanted = gain > 0
        stock[offer] = float(-np.partition(-gain, pieces)[pieces]) if wanted.sum() > pieces else 0.0
        left_over[:, offer] = own - stock[offer]
    return stock


def _with_one_less(others: Floats, most: int) -> Floats | float:
    """What the others bring beside an offer that is given."""
    if most == 1:
        return 0.0
    return np.asarray(np.maximum(np.sort(others, axis=1)[:, 1 - most :], 0).sum(axis=1))


def _without(others: Floats, extra: Floats, most: int) -> Floats:
    """What the others bring alone, being treated included."""
    top = others.max(axis=1)
    found = np.maximum(top + extra, 0)
    if most > 1:
        found = found + np.maximum(np.sort(others, axis=1)[:, -most:-1], 0).sum(axis=1)
    return np.asarray(found)


def _floor_prices(options: Options, prices: Prices) -> Floats:
    """What treating must bring in each segment, so that as many as asked take something."""
    floor = np.zeros(len(options.least))
    if not options.least.any():
        return floor
    top = surplus(options, prices).max(axis=1).astype(np.float64)
    order = np.argsort(options.segment, kind="stable")
    ends = np.cumsum(np.bincount(options.segment, minlength=len(floor)))
    for number in np.flatnonzero(options.least):
        begin = ends[number - 1] if number else 0
        losses = -top[order[begin : ends[number]]]
        least = int(options.least[number])
        # Between the last who must be treated and the first who need not.
        last, following = np.partition(np.append(losses, np.inf), (least - 1, least))[[least - 1, least]]
        if last >= 0:
            floor[number] = (last + following) / 2 if np.isfinite(following) else last * (1 + 1e-6) + 1e-9
    return floor


def _paid(cost: Floats, taken: Bools) -> float:
    return float(cost[taken].sum(dtype=np.float64))


def _some(options: Options, rows: Any) -> Options:
    return replace(options, worth=options.worth[rows], cost=options.cost[rows], segment=options.segment[rows])


def _sampled(options: Options, step: int) -> Options:
    """Every `step`-th customer with as much of each limit."""
    few = _some(options, slice(None, None, step))
    share = len(few.worth) / len(options.worth)
    earns = np.bincount(few.segment[(few.worth > 0).any(axis=1)], minlength=len(options.least))
    least = np.minimum((options.least * share).astype(np.int64), earns)
    return replace(few, budget=options.budget * share, stock=np.floor(options.stock * share), least=least)
