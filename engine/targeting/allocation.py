"""Who gets which offer, so that the expected incremental profit is largest within a budget.

The multiple-choice knapsack of budgeted marketing, solved by Lagrangian relaxation as in "Solving Billion-Scale
Knapsack Problems" (Zhang et al., WWW 2020, arXiv 2002.00352): money, stocks and floors get prices, every customer then
takes what is best at these prices, and a repair makes the answer keep every limit. The prices also bound what any
answer could earn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import BadInput
from engine.targeting.allocation_prices import Floats, Options, Prices, bound_at, find_prices
from engine.targeting.allocation_repair import cheapest_floors, fill, repaired, spent, value_of


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """What an allocation keeps.

    `budget` is expected cost in minor units. `stock` says per offer how many customers may get it; infinity: any.
    `segment` (n,) numbers each customer's segment from 0, and of each segment at least `least_share` of the customers
    are treated. Only those count of whom something is earned: nobody is treated at a loss for the sake of a floor.
    """

    budget: float
    stock: ArrayLike | None = None
    per_customer: int = 1
    segment: ArrayLike | None = None
    least_share: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """`choice` (n, per_customer) int32 holds offers as columns, -1 for none; `value` and `cost` are its sums.

    No allocation within the limits earns more than `bound`; `gap` is (bound - value) / bound. `budget_price` is what
    one more unit of budget would earn, `stock_prices` (m,) what one more piece would, `floor_prices` (segments,) what
    treating one customer less of a segment would.
    """

    choice: NDArray[np.int32]
    value: float
    cost: float
    bound: float
    gap: float
    budget_price: float
    stock_prices: Floats
    floor_prices: Floats

    @property
    def treated(self) -> NDArray[np.bool_]:
        """(n,) who gets anything."""
        return np.asarray(self.choice[:, 0] >= 0)


def allocate(value: ArrayLike, cost: ArrayLike, limits: Limits) -> Allocation:
    """The offers that earn most: within the budget always, and within .01 % of the bound where customers are many.

    `value` (n, m) is the expected incremental profit of giving customer n offer m, `cost` (n, m) the expected cost, in
    minor units, float32 or float64. Several offers of one customer add up. An offer that earns nothing is not given.
    Source: Zhang et al., WWW 2020, arXiv 2002.00352: coordinate descent on the prices, each step exact. BadInput for
    shapes and numbers that cannot be used, and for floors that the budget or the stocks cannot pay.
    """
    options = read_options(value, cost, limits)
    base = cheapest_floors(options)
    prices = find_prices(options)
    bound = bound_at(options, prices)
    taken = fill(options, prices, repaired(options, prices, base), bound)
    return _told(options, prices, taken, bound)


def read_options(value: ArrayLike, cost: ArrayLike, limits: Limits) -> Options:
    """The arrays as the solver wants them; BadInput says which one cannot be used and why."""
    worth, price = _matrix(value, "value"), _matrix(cost, "cost")
    if worth.shape != price.shape:
        raise BadInput(f"cost: has shape {price.shape}, value {worth.shape}; give both the same", field="cost")
    if price.size and price.min() < 0:
        raise BadInput("cost: an expected cost is below 0; give costs of 0 or more", field="cost")
    offers = worth.shape[1]
    if not 0 <= limits.budget < np.inf:
        raise BadInput(f"budget: is {limits.budget}; give an amount of 0 or more", field="budget")
    if not 1 <= limits.per_customer <= offers:
        raise BadInput(f"per_customer: is {limits.per_customer}; give 1 to {offers}, the offers", field="per_customer")
    if not 0 <= limits.least_share <= 1:
        raise BadInput(f"least_share: is {limits.least_share}; give 0 to 1", field="least_share")
    dtype = np.result_type(worth.dtype, price.dtype)
    usable = (worth > 0) & (price <= limits.budget)
    worth = np.where(usable, worth, -np.inf).astype(dtype, copy=False)
    segment, least = _floors(limits, np.asarray(usable.any(axis=1)))
    stock = _stock(limits.stock, offers)
    return Options(worth, price.astype(dtype, copy=False), float(limits.budget), stock, limits.per_customer,
                   segment, least)  # fmt: skip


def _matrix(given: ArrayLike, field: str) -> Floats:
    found = np.asarray(given)
    if found.dtype != np.float32:
        found = found.astype(np.float64, copy=False)
    if found.ndim != 2 or found.shape[1] == 0:
        raise BadInput(f"{field}: has shape {found.shape}; give customers x offers", field=field)
    if not np.isfinite(found).all():
        row, column = np.argwhere(~np.isfinite(found))[0]
        raise BadInput(
            f"{field}: is {found[row, column]} for customer {row} and offer {column}; give finite numbers",
            field=field, position=int(row),
        )  # fmt: skip
    return found


def _stock(given: ArrayLike | None, offers: int) -> Floats:
    if given is None:
        return np.full(offers, np.inf)
    found = np.asarray(given, np.float64)
    if found.shape != (offers,) or not (found >= 0).all():
        raise BadInput(f"stock: give {offers} numbers of 0 or more, one an offer", field="stock")
    return np.floor(found)


def _floors(limits: Limits, earns: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each customer's segment, and how many of each segment are to be treated."""
    if limits.segment is None:
        segment = np.zeros(len(earns), np.int64)
    else:
        segment = np.asarray(limits.segment)
        if segment.shape != earns.shape or segment.dtype.kind not in "iu" or (segment.size and segment.min() < 0):
            raise BadInput(f"segment: give {len(earns)} whole numbers of 0 or more, one a customer", field="segment")
        segment = segment.astype(np.int64, copy=False)
    sizes = np.bincount(segment, minlength=1)
    able = np.bincount(segment[earns], minlength=len(sizes))
    # A share like .07 of 100 is 7, whatever binary fractions say.
    wanted = np.ceil(np.round(sizes * limits.least_share, 9)).astype(np.int64)
    return segment, np.minimum(wanted, able)


def _told(options: Options, prices: Prices, taken: NDArray[np.bool_], bound: float) -> Allocation:
    value, cost = value_of(options, taken), spent(options, taken)
    bound = max(bound, value)  # equal but for the last bits of a sum
    choice = np.full((len(taken), options.most), -1, np.int32)
    rows, columns = np.nonzero(taken)
    place = np.arange(len(rows)) - np.searchsorted(rows, rows, side="left")
    choice[rows, place] = columns
    return Allocation(
        choice, value, cost, bound, (bound - value) / bound if bound else 0.0, prices.money, prices.stock, prices.floor
    )
