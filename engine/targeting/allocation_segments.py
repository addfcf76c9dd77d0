"""One offer a segment: simpler to tell and to check than an offer a customer, and what this simplicity costs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import BadInput
from engine.targeting.allocation import Allocation, Limits, allocate, read_options
from engine.targeting.allocation_prices import Options

_SAMPLE = 20_000  # customers on whom the offers are chosen
_HALVINGS = 30
_CANDIDATES = 8


@dataclass(frozen=True, slots=True, eq=False)
class PerSegment:
    """`offers` (segments,) is the column each segment gets, -1 for none; `price` the profit that one's own offers add.

    The customers of a segment get its offer or nothing: who earns least for the money is left out when it is short.
    """

    allocation: Allocation
    offers: NDArray[np.int64]
    price: float


def allocate_per_segment(value: ArrayLike, cost: ArrayLike, limits: Limits, *, free: Allocation) -> PerSegment:
    """The best single offer of each segment under the same limits; `free` is what `allocate` found for them.

    At a price of money each segment takes the offer whose customers earn most in sum; the price is bisected on a
    sample, the choices met on the way are tried out on it, and the best one is allocated to everybody. A heuristic: the
    bound is that of these offers, not of all ways to give offers to segments. BadInput as `allocate`.
    """
    single = replace(limits, per_customer=1)
    options = read_options(value, cost, single)
    few, small = _sample(options, single)
    best, most = None, -np.inf
    failed: BadInput | None = None
    for offers in _candidates(few):
        try:
            earned = allocate(_only(few, offers), few.cost, small).value
        except BadInput as problem:
            failed = problem
            continue
        if earned > most:
            best, most = offers, earned
    if best is None:
        raise failed or BadInput("offers: none earns anything", field="offers")
    found = allocate(_only(options, best), options.cost, single)
    used = np.zeros(len(best), np.bool_)
    used[options.segment[found.treated]] = True
    return PerSegment(found, np.where(used, best, -1), max(free.value - found.value, 0.0))


def _candidates(options: Options) -> list[NDArray[np.int64]]:
    """What segments would take at the prices that a bisection asks on its way, the last ones first."""
    low, high = 0.0, float(np.max(options.worth / np.maximum(options.cost, 1e-9), initial=0.0))
    found: dict[bytes, NDArray[np.int64]] = {}
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        gains = np.maximum(options.worth - middle * options.cost, 0.0).astype(np.float64)
        sums = np.stack([np.bincount(options.segment, gain, len(options.least)) for gain in gains.T], axis=1)
        offers = sums.argmax(axis=1)
        found.pop(offers.tobytes(), None)
        found[offers.tobytes()] = offers
        mine = offers[options.segment]
        lines = np.arange(len(mine))
        paid = float(options.cost[lines, mine][gains[lines, mine] > 0].sum(dtype=np.float64))
        low, high = (middle, high) if paid > options.budget else (low, middle)
    return list(found.values())[::-1][:_CANDIDATES]


def _only(options: Options, offers: NDArray[np.int64]) -> NDArray[np.floating]:
    """The worth of each customer's segment's offer; all others earn nothing."""
    allowed = np.arange(options.worth.shape[1]) == offers[options.segment][:, None]
    return np.where(allowed & (options.worth > 0), options.worth, 0).astype(options.worth.dtype)


def _sample(options: Options, limits: Limits) -> tuple[Options, Limits]:
    step = max(1, len(options.worth) // _SAMPLE)
    if step == 1:
        return options, replace(limits, segment=options.segment)
    rows = slice(None, None, step)
    share = len(options.worth[rows]) / len(options.worth)
    few = replace(
        options, worth=options.worth[rows], cost=options.cost[rows], segment=options.segment[rows],
        budget=options.budget * share,
    )  # fmt: skip
    small = replace(limits, budget=few.budget, stock=np.floor(options.stock * share), segment=few.segment)
    return few, small
