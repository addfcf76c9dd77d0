"""Plans: predictions turned into who gets which offer under a budget, and a record of all that it rests on.

A dry run: nothing is sent, issued or stored by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import BadInput
from engine.targeting.allocation import Allocation, Limits, allocate
from engine.targeting.allocation_segments import allocate_per_segment
from engine.targeting.fairness import check_inputs, check_reason_class

Floats = NDArray[np.floating[Any]]
Mode = Literal["plan", "per-segment"]

#: What the predictions may rest on, the best first, and what is said of it.
EVIDENCE: Mapping[str, str] = {
    "uplift": "Learned from past campaigns whose customers were drawn by chance: what an offer changes was measured.",
    "propensity": "No past campaign was drawn by chance: who redeems is predicted, what that changes is an assumption.",
    "prior": "No past campaign is known: all figures are stated assumptions.",
}


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a plan uses: its registered name and version, and every input that it reads."""

    name: str
    version: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlannedOffer:
    """`discount` is what a redemption is expected to take off, minor units; `pieces` how many customers may get it."""

    offer_id: str
    discount: float
    reason_class: str
    pieces: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """`redeem` (n, m) is the chance that customer n redeems offer m when given it, `extra` (n, m) the orders more that
    giving it brings, `margin` (n,) what an order earns before the discount, minor units. `evidence` is one of EVIDENCE.
    """

    redeem: Floats
    extra: Floats
    margin: Floats
    models: tuple[Model, ...]
    evidence: str


@dataclass(frozen=True, slots=True, eq=False)
class PlanLimits:
    """As `allocation.Limits`; `segment` (n,) names each customer's segment, empty for none."""

    budget: int
    per_customer: int = 1
    segment: Sequence[str] = ()
    least_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Share:
    """What one segment or offer has of a plan; cost and profit are expected, minor units."""

    name: str
    customers: int
    treated: int
    redemptions: float
    cost: float
    profit: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a plan rests on and promises. `one_more_unit` is what another unit of budget would earn;
    `price_of_simplicity` the profit that one offer a segment gives away, None where each customer has an own one.
    """

    mode: Mode
    evidence: str
    inputs: tuple[str, ...]
    models: tuple[Model, ...]
    offers: tuple[PlannedOffer, ...]
    budget: int
    monotone: bool
    customers: int
    treated: int
    cost: float
    profit: float
    bound: float
    gap: float
    one_more_unit: float
    price_of_simplicity: float | None
    by_segment: tuple[Share, ...]
    by_offer: tuple[Share, ...]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "evidence_says": EVIDENCE[self.evidence]}


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """The record, and each customer's `choice` (n, k) of offers, -1 for none, expected cost and profit (n,)."""

    plan: Plan
    choice: NDArray[np.int32]
    cost: Floats
    profit: Floats


def make_plan(
    predictions: Predictions,
    offers: Sequence[PlannedOffer],
    limits: PlanLimits,
    *,
    mode: Mode = "plan",
    monotone: bool = False,
) -> Planned:
    """Who gets which of `offers`, and what it is expected to cost and to earn.

    `monotone`: a larger discount is held to bring no fewer redemptions and orders than a smaller one. NotAllowed for
    inputs that may not set the depth of a discount, BadInput for what cannot be planned.
    """
    inputs = tuple(sorted({name for model in predictions.models for name in model.inputs}))
    check_inputs(inputs)
    _check(predictions, offers, mode)
    discounts = np.array([each.discount for each in offers], np.float64)
    redeem, extra = predictions.redeem, predictions.extra
    if monotone:
        redeem, extra = rising(redeem, discounts), rising(extra, discounts)
    value, cost = matrices(redeem, extra, predictions.margin, discounts)
    names, segment = np.unique(np.asarray(limits.segment or [""] * len(value), np.str_), return_inverse=True)
    if len(segment) != len(value):
        raise BadInput(f"segment: name the segment of each of {len(value)} customers", field="segment")
    stock = [np.inf if each.pieces is None else float(each.pieces) for each in offers]
    wanted = Limits(limits.budget, stock, limits.per_customer, segment, limits.least_share)
    found = allocate(value, cost, wanted)
    simplicity = None
    if mode == "per-segment":
        simple = allocate_per_segment(value, cost, wanted, free=found)
        found, simplicity = simple.allocation, simple.price
    cells = _Cells(found, value, cost, redeem)
    plan = Plan(
        mode, predictions.evidence, inputs, predictions.models, tuple(offers), limits.budget, monotone, len(value),
        int(found.treated.sum()), found.cost, found.value, found.bound, found.gap, found.budget_price, simplicity,
        cells.shares(segment[cells.rows], names if limits.segment else [], np.bincount(segment, minlength=len(names))),
        cells.shares(cells.columns, [each.offer_id for each in offers], [len(value)] * len(offers)),
    )  # fmt: skip
    return Planned(plan, found.choice, cells.each(cost), cells.each(value))


def matrices(redeem: Floats, extra: Floats, margin: ArrayLike, discounts: ArrayLike) -> tuple[Floats, Floats]:
    """Expected incremental profit and expected cost (n, m) of giving each customer each offer, minor units.

    A discount costs when it is redeemed, by whomever: somebody who would have bought anyway redeems it too, so that a
    sure buyer costs much and earns nothing more. cost = redeem x discount; profit = extra x margin - cost.
    """
    cost = redeem * np.asarray(discounts, np.float64)
    return extra * np.asarray(margin, np.float64)[:, None] - cost, cost


def rising(rates: Floats, depths: ArrayLike) -> Floats:
    """The nearest rates (n, m) that do not fall as the offers' depths (m,) grow.

    Source: isotonic regression with equal weights, by its min-max formula (Robertson, Wright and Dykstra 1988).
    BadInput when two offers are equally deep: nothing is known of their order.
    """
    deep = np.asarray(depths, np.float64)
    order = np.argsort(deep)
    if (np.diff(deep[order]) == 0).any():
        raise BadInput("monotone: two offers have the same discount; plan them without it", field="monotone")
    sums = np.concatenate([np.zeros((len(rates), 1)), np.cumsum(rates[:, order], axis=1, dtype=np.float64)], axis=1)
    offers = len(deep)
    found = np.full((len(rates), offers), -np.inf)
    for begin in range(offers):
        lowest = np.full(len(rates), np.inf)
        for end in range(offers, begin, -1):
            lowest = np.minimum(lowest, (sums[:, end] - sums[:, begin]) / (end - begin))
            found[:, end - 1] = np.maximum(found[:, end - 1], lowest)
    told = np.empty_like(found)
    told[:, order] = found
    return told


def _check(predictions: Predictions, offers: Sequence[PlannedOffer], mode: str) -> None:
    if mode not in ("plan", "per-segment"):
        raise BadInput(f"mode: plan or per-segment, not {mode!a}", field="mode")
    if predictions.evidence not in EVIDENCE:
        raise BadInput(f"evidence: one of {', '.join(EVIDENCE)}, not {predictions.evidence!a}", field="evidence")
    if not offers:
        raise BadInput("offers: name at least one", field="offers")
    for each in offers:
        check_reason_class(each.reason_class, offer_id=each.offer_id)
    shape = len(predictions.margin), len(offers)
    for name, rates, low in (("redeem", predictions.redeem, 0.0), ("extra", predictions.extra, -1.0)):
        if rates.shape != shape:
            raise BadInput(f"{name}: has shape {rates.shape}; give customers x offers, {shape}", field=name)
        # NaN compares false, and is refused with the rest.
        if rates.size and not (rates.min() >= low and rates.max() <= 1):
            raise BadInput(f"{name}: give numbers from {low:g} to 1", field=name)


class _Cells:
    """The pairs of customers and offers that were chosen."""

    def __init__(self, found: Allocation, value: Floats, cost: Floats, redeem: Floats) -> None:
        rows, places = np.nonzero(found.choice >= 0)
        self.rows, self.columns = rows, found.choice[rows, places]
        self.customers = len(value)
        self._told = [matrix[self.rows, self.columns] for matrix in (redeem, cost, value)]

    def each(self, matrix: Floats) -> Floats:
        return np.bincount(self.rows, matrix[self.rows, self.columns], self.customers).astype(np.float64)

    def shares(self, part: NDArray[Any], names: Sequence[str] | NDArray[Any], sizes: Any) -> tuple[Share, ...]:
        sums = [np.bincount(part, told, len(sizes)) for told in self._told]
        treated = np.bincount(np.unique(np.stack([part, self.rows]), axis=1)[0], minlength=len(sizes))
        return tuple(
            Share(str(name), int(sizes[at]), int(treated[at]), *(float(each[at]) for each in sums))
            for at, name in enumerate(names)
        )
