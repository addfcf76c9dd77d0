"""The repair of an allocation: what customers take at the best prices, made to keep every limit, and the rest spent.

First pieces that are not there are taken back, then floors are filled, then money is saved where it costs least profit;
what is left of the budget goes where it earns most a unit. Each step is a few passes over all customers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadInput
from engine.targeting.allocation_prices import Bools, Floats, Options, Prices, best_at, surplus

Rows = NDArray[np.int64]

_NEAR = 1e-7  # of the bound: nothing is worth looking for below it
_AT_ONCE = 50_000  # customers whose changes are weighed together
_PASSES, _ROUNDS = 60, 400


def spent(options: Options, taken: Bools) -> float:
    """Exact but for the last bit, whatever the order of the customers."""
    return math.fsum(options.cost[taken].tolist())


def value_of(options: Options, taken: Bools) -> float:
    return math.fsum(options.worth[taken].tolist())


def cheapest_floors(options: Options) -> Bools:
    """The floors at the least cost, nothing else; BadInput when the budget or the stocks are not enough for them.

    Exact where no stock is limited; with stocks it is greedy, and may miss a way where hardly any is left.
    """
    nothing = np.zeros(options.worth.shape, np.bool_)
    if not options.least.any():
        return nothing
    free = replace(options, worth=np.where(options.worth > 0, 0.0, -np.inf).astype(options.worth.dtype))
    prices = Prices(1.0, np.zeros(len(options.stock)), np.zeros(len(options.least)))
    taken = _floors_filled(free, prices, nothing)
    if (short := _missing(options, taken)).any():
        raise BadInput(
            f"least_share: the stocks are not enough for the floor of segment {int(short.argmax())}; lower the share",
            field="least_share",
        )
    if (cost := spent(options, taken)) > options.budget:
        raise BadInput(
            f"least_share: the floors alone cost {math.ceil(cost)}, the budget is {options.budget:g};"
            " raise the budget or lower the share",
            field="least_share",
        )
    return taken


def repaired(options: Options, prices: Prices, base: Bools) -> Bools:
    """What customers take at `prices`, within every limit; `base`, the floors alone, where no way leads from there."""
    taken = _stocks_kept(options, prices, best_at(options, prices))
    taken = _floors_filled(options, prices, taken)
    taken = _budget_kept(options, taken)
    kept = spent(options, taken) <= options.budget and not _missing(options, taken).any()
    return taken if kept else base.copy()


def fill(options: Options, prices: Prices, taken: Bools, bound: float) -> Bools:
    """Spend what is left where it earns most a unit, until nothing fits or the bound is as good as reached."""
    for _ in range(_PASSES):
        if bound - value_of(options, taken) <= _NEAR * bound:
            break
        rows = _promising(options, prices, taken)
        if not len(rows) or not _filled(options, prices, taken, rows):
            break
    return _budget_kept(options, taken)


def _filled(options: Options, prices: Prices, taken: Bools, rows: Rows) -> bool:
    """Change `taken` in place for some customers; whether anything was changed."""
    changed = False
    room = options.budget - spent(options, taken)
    for _ in range(_ROUNDS):
        left = options.stock - taken.sum(axis=0)
        moves = _better(options, prices, taken, rows, room, left)
        at = _fitting(moves, room, left)
        if not len(at):
            break
        who, gets, gives, extra = moves[0][at], moves[1][at], moves[2][at], moves[3][at]
        swapped = gives >= 0
        taken[who[swapped], gives[swapped]] = False
        taken[who, gets] = True
        room -= float(extra.sum())
        changed = True
        rows = moves[0]
    return changed


Moves = tuple[Rows, Rows, Rows, Floats]


def _better(options: Options, prices: Prices, taken: Bools, rows: Rows, room: float, left: Floats) -> Moves:
    """Each customer's change that earns most a unit, the best first: who, gets, gives (-1: nothing), extra cost."""
    has = taken[rows]
    lines = np.arange(len(rows))
    full = has.sum(axis=1) >= options.most
    least = np.where(has, surplus(options, prices, rows), np.inf).argmin(axis=1)
    worth, cost = options.worth[rows].astype(np.float64), options.cost[rows].astype(np.float64)
    gain = worth - np.where(full, worth[lines, least], 0.0)[:, None]
    extra = cost - np.where(full, cost[lines, least], 0.0)[:, None]
    may = ~has & (gain > 0) & (extra <= room) & (left > 0)
    with np.errstate(over="ignore"):
        ratio = np.where(may, gain, -np.inf) / np.maximum(extra, 1e-30)
    gets = ratio.argmax(axis=1)
    best = ratio[lines, gets]
    order = np.argsort(-best, kind="stable")
    order = order[best[order] > 0]
    return rows[order], gets[order], np.where(full, least, -1)[order], extra[order, gets[order]]


def _fitting(moves: Moves, room: float, left: Floats) -> Rows:
    """Places of those that fit together, in their order; one that does not fit is passed over."""
    _, gets, _, extra = moves
    rest = np.flatnonzero(_places(gets) < left[gets])
    costs = np.maximum(extra, 0.0)
    found = []
    while len(rest):
        sums = np.cumsum(costs[rest])
        fits = int(np.searchsorted(sums, room, side="right"))
        found.append(rest[:fits])
        room -= float(sums[fits - 1]) if fits else 0.0
        rest = rest[fits:]
        rest = rest[costs[rest] <= room] if fits else rest[:0]
    return np.concatenate(found) if found else rest


def _promising(options: Options, prices: Prices, taken: Bools) -> Rows:
    """The customers who lose least by another choice at these prices, as many as are weighed at once."""
    if len(taken) <= _AT_ONCE:
        return np.arange(len(taken))
    room = options.budget - spent(options, taken)
    found = surplus(options, prices)
    full = taken.sum(axis=1) >= options.most
    least = np.where(taken, found, np.inf).argmin(axis=1)
    lines = np.arange(len(taken))
    base = np.where(full, found[lines, least], -prices.floor[options.segment] * ~taken.any(axis=1))
    extra = options.cost - np.where(full, options.cost[lines, least], 0)[:, None]
    gain = options.worth - np.where(full, options.worth[lines, least], 0)[:, None]
    may = ~taken & (gain > 0) & (extra <= room) & (options.stock - taken.sum(axis=0) > 0)
    loss = base - np.where(may, found, -np.inf).max(axis=1)
    near = np.argpartition(loss, _AT_ONCE)[:_AT_ONCE]
    return np.asarray(near[np.isfinite(loss[near])])


def _stocks_kept(options: Options, prices: Prices, taken: Bools) -> Bools:
    """Pieces that are not there are taken back from those who lose least by it."""
    over = np.flatnonzero(taken.sum(axis=0) > options.stock)
    if not len(over):
        return taken
    found = surplus(options, prices)
    for offer in over:
        holders = np.flatnonzero(taken[:, offer])
        others = found[holders]
        others[:, offer] = 0
        gain = found[holders, offer] - np.maximum(others.max(axis=1), 0)
        taken[holders[np.argsort(-gain, kind="stable")[int(options.stock[offer]) :]], offer] = False
    return taken


def _floors_filled(options: Options, prices: Prices, taken: Bools) -> Bools:
    """More customers of the segments that miss some, as long as there are pieces; who loses least at these prices."""
    taken = taken.copy()
    while (short := _missing(options, taken)).any():
        left = options.stock - taken.sum(axis=0)
        rows = np.flatnonzero(~taken.any(axis=1) & (short[options.segment] > 0))
        found = surplus(options, prices, rows)
        found[:, left <= 0] = -np.inf
        gets = found.argmax(axis=1)
        top = found[np.arange(len(rows)), gets]
        order = np.argsort(-top, kind="stable")
        order = order[top[order] > -np.inf]
        segments = options.segment[rows[order]]
        order = order[_places(segments) < short[segments]]
        order = order[_places(gets[order]) < left[gets[order]]]
        if not len(order):
            break
        taken[rows[order], gets[order]] = True
    return taken


def _budget_kept(options: Options, taken: Bools) -> Bools:
    """Money saved where it costs least profit: an offer taken back or changed for a cheaper one, floors being kept."""
    for _ in range(_ROUNDS):
        over = spent(options, taken) - options.budget
        if over <= 0:
            break
        who, gets, gives, saved = _cheaper(options, taken)
        spare = -_missing(options, taken, signed=True)
        drops = (gets < 0) & (taken[who].sum(axis=1) == 1)
        may = np.ones(len(who), np.bool_)
        segments = options.segment[who[drops]]
        may[drops] = _places(segments) < spare[segments]
        changed = gets >= 0
        left = options.stock - taken.sum(axis=0)
        may[changed] &= _places(gets[changed]) < left[gets[changed]]
        at = np.flatnonzero(may)
        at = at[: int(np.searchsorted(np.cumsum(saved[at]), over)) + 1]
        if not len(at):
            break
        taken[who[at], gives[at]] = False
        swaps = at[gets[at] >= 0]
        taken[who[swaps], gets[swaps]] = True
    return taken


def _cheaper(options: Options, taken: Bools) -> Moves:
    """Each customer's change that loses least a unit saved, the best first: who, gets (-1: nothing), gives, saved."""
    who = np.flatnonzero(taken.any(axis=1))
    lines = np.arange(len(who))
    has, worth, cost = taken[who], options.worth[who].astype(np.float64), options.cost[who].astype(np.float64)
    ratio = np.where(has, worth, np.inf) / np.maximum(cost, 1e-30)
    gives = ratio.argmin(axis=1)
    spare = -_missing(options, taken, signed=True)
    may_drop = (spare[options.segment[who]] > 0) | (has.sum(axis=1) > 1)
    there = options.stock > taken.sum(axis=0)
    saved = cost[lines, gives][:, None] - np.where(~has & there & (worth > 0), cost, np.inf)
    lost = worth[lines, gives][:, None] - np.where(worth > 0, worth, 0.0)
    saved = np.column_stack((saved, np.where(may_drop, cost[lines, gives], -np.inf)))
    lost = np.column_stack((lost, worth[lines, gives]))
    with np.errstate(over="ignore"):
        each = np.where(saved > 0, lost, np.inf) / np.where(saved > 0, saved, 1.0)
    gets = each.argmin(axis=1)
    best = each[lines, gets]
    order = np.argsort(best, kind="stable")
    order = order[np.isfinite(best[order])]
    to = np.where(gets == taken.shape[1], -1, gets)
    return who[order], to[order], gives[order], saved[order, gets[order]]


def _missing(options: Options, taken: Bools, *, signed: bool = False) -> Rows:
    """(segments,) how many more must be treated; below 0 there are more than asked, if `signed`."""
    treated = np.bincount(options.segment[taken.any(axis=1)], minlength=len(options.least))
    short = options.least - treated
    return short if signed else np.maximum(short, 0)


def _places(groups: NDArray[Any]) -> Rows:
    """The place of each entry among those of its group, from 0, in the order given."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    found = np.empty(len(groups), np.int64)
    found[order] = np.arange(len(groups)) - np.searchsorted(ordered, ordered, side="left")
    return found
