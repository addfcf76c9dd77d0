"""Assignment: who of an audience gets what, drawn by chance or planned, and who is held out.

A plan is made for everybody, as if nobody were held out, with the budget and pieces that this would take; then the arms
are drawn. So those held out are such as would have got the same, and what the campaign changes can be told. Where the
draw would spend more than the budget, customers are left out by a number drawn for each, whatever their arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadInput
from engine.targeting.campaign import Campaign
from engine.targeting.campaign_draws import ARMS, Draw, Holdouts, draw
from engine.targeting.plans import Plan, PlanLimits, PlannedOffer, Predictions, make_plan, matrices
from engine.trials.draws import places

_NONE = -1
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """The members (m,): `rows` are their places among the people, `arm` numbers ARMS, `offer` the campaign's offers.

    `variant` numbers `variants`, whose names are those of the draw, or of a plan's offers; it is told of those held out
    as well, who would have got it. `propensity` is the chance of the arm and variant. `cost` and `profit` are expected,
    minor units, NaN where nothing tells. `choice` (n, k) is what a plan chose for everybody.
    """

    rows: NDArray[np.int64]
    arm: NDArray[np.int8]
    variants: tuple[str, ...]
    variant: NDArray[np.int64]
    offer: NDArray[np.int64]
    propensity: Floats
    cost: Floats
    profit: Floats
    choice: NDArray[np.int32]
    plan: Plan | None = None

    @property
    def treated(self) -> NDArray[np.bool_]:
        return np.asarray(self.arm == ARMS.index("treatment"))

    def spent(self) -> float:
        """What the treated are expected to cost, minor units."""
        return float(np.nansum(self.cost[self.treated]))


def assign(
    campaign: Campaign,
    user_ids: Sequence[str],
    segment: NDArray[np.str_],
    offers: Sequence[PlannedOffer],
    predictions: Predictions | None,
    holdouts: Holdouts,
) -> Assigned:
    """Members, arms, variants and offers of the people `user_ids` (n,), each in a `segment` (n,).

    Without `predictions` costs are not known, and a plan cannot be made. Raises BadInput for a budget that no offer
    fits, and what `make_plan` raises.
    """
    check_budget(campaign, offers)
    drawn = draw(user_ids, holdouts)
    if campaign.assignment == "random":
        return _drawn(campaign, drawn, offers, predictions, holdouts)
    if predictions is None:
        raise BadInput("assignment: a plan needs predictions; take random", field="assignment")
    return _planned(campaign, drawn, segment, offers, predictions, holdouts)


def check_budget(campaign: Campaign, offers: Sequence[PlannedOffer]) -> None:
    """BadInput where one use of the cheapest offer is more than all there is."""
    cheapest = min((each.discount for each in offers), default=0.0)
    if campaign.budget is not None and cheapest > campaign.budget:
        raise BadInput(
            f"budget: {campaign.budget:,} fits no offer: one use of the cheapest takes about {cheapest:,.0f} off; raise"
            " it, or take a smaller offer",
            code="budget_fits_nothing", field="budget",
        )  # fmt: skip


def _drawn(
    campaign: Campaign, drawn: Draw, offers: Sequence[PlannedOffer], predictions: Predictions | None, holdouts: Holdouts
) -> Assigned:
    variants = campaign.drawn_variants()
    shares = [each.share for each in variants]
    names = [each.offer_id for each in offers]
    variant = places(drawn.variant, shares).astype(np.int64)
    offer = np.array([_NONE if each.offer_id is None else names.index(each.offer_id) for each in variants])[variant]
    cost, profit = _expected(offer, offers, predictions)
    chances = np.array([holdouts.chance(arm) for arm in range(len(ARMS))])[drawn.arm]
    treated = drawn.arm == 0
    found = Assigned(
        np.arange(len(drawn.arm)), drawn.arm, tuple(each.variant for each in variants), variant, offer,
        chances * np.where(treated, np.array(shares)[variant], 1.0), cost, profit, offer[:, None].astype(np.int32),
    )  # fmt: skip
    return _fitting(found, drawn.order, campaign, offers)


def _planned(
    campaign: Campaign,
    drawn: Draw,
    segment: NDArray[np.str_],
    offers: Sequence[PlannedOffer],
    predictions: Predictions,
    holdouts: Holdouts,
) -> Assigned:
    chances = np.array([holdouts.chance(arm) for arm in range(len(ARMS))])
    # As if nobody were held out: of so much money and so many pieces the treated take what there is.
    whole = [each if each.pieces is None else replace(each, pieces=int(each.pieces / chances[0])) for each in offers]
    budget = int((campaign.budget or 0) / chances[0])
    limits = PlanLimits(budget, campaign.per_customer, segment.tolist(), campaign.least_share)
    mode: Literal["plan", "per-segment"] = "plan" if campaign.assignment == "plan" else "per-segment"
    planned = make_plan(predictions, whole, limits, mode=mode)
    rows = np.flatnonzero(planned.choice[:, 0] >= 0)
    if not len(rows):
        raise BadInput(
            "offers: none is expected to earn anything with anybody within the budget; take others, or raise it",
            code="budget_fits_nothing", field="offers",
        )  # fmt: skip
    offer, arm = planned.choice[rows, 0].astype(np.int64), drawn.arm[rows]
    found = Assigned(
        rows, arm, tuple(each.offer_id for each in offers), offer, offer, chances[arm], planned.cost[rows],
        planned.profit[rows], planned.choice, planned.plan,
    )  # fmt: skip
    return _fitting(found, drawn.order[rows], campaign, offers)


def _expected(
    offer: NDArray[np.int64], offers: Sequence[PlannedOffer], predictions: Predictions | None
) -> tuple[Floats, Floats]:
    """Of a message alone the cost is nothing, and what it earns is not known."""
    rows, nothing = np.arange(len(offer)), np.where(offer == _NONE, 0.0, np.nan)
    if predictions is None or not offers:
        return nothing, np.full(len(offer), np.nan)
    discounts = [each.discount for each in offers]
    value, cost = matrices(predictions.redeem, predictions.extra, predictions.margin, discounts)
    has = offer != _NONE
    return np.where(has, cost[rows, offer], 0.0), np.where(has, value[rows, offer], np.nan)


def _fitting(found: Assigned, order: Floats, campaign: Campaign, offers: Sequence[PlannedOffer]) -> Assigned:
    """Those who come before the budget, or the pieces of what they would get, are used up by the treated."""
    first = np.argsort(order, kind="stable")
    treated = found.treated[first]
    last = np.ones(len(order))
    if campaign.budget is not None:
        costs = np.where(treated, np.nan_to_num(found.cost[first]), 0.0)
        last[:] = _threshold(order[first], np.cumsum(costs), campaign.budget)
    for place, each in enumerate(offers):
        mine = found.offer == place
        if each.pieces is not None and mine.any():
            given = np.cumsum(treated & mine[first])
            last[mine] = np.minimum(last[mine], _threshold(order[first], given, each.pieces))
    kept = order < last
    told: dict[str, Any] = {
        name: getattr(found, name)[kept] for name in ("rows", "arm", "variant", "offer", "propensity", "cost", "profit")
    }
    return replace(found, **told)


def _threshold(order: Floats, used: NDArray[Any], most: float) -> float:
    """The first number of the order at which more than `most` is used; 1 where it never is."""
    # The sum of a plan that keeps its budget may lie above it by the last bits.
    over = int(np.searchsorted(used, most * (1 + 1e-9), side="right"))
    return 1.0 if over == len(order) else float(order[over])
