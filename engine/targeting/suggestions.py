"""Suggestions: whom to talk to, with which offer, what it would cost and earn, and what we do not know of that.

An estimate in plain arithmetic over what is known of each audience. It ranks ideas; it does not promise. Every figure
that was assumed is named among the missing evidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.errors import BadInput
from engine.targeting.money import percent_of
from engine.targeting.offers import Offer, worth_of
from engine.targeting.suggestion_goals import PRIORS, Goal, depth_effect, goal_of

CHANNELS = ("storefront", "email", "webhook", "file")
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Wish:
    """What a marketer asks for. `budget` in minor units; `margin` is the part of a price left after costs, if known."""

    goal: str
    budget: int
    channel: str = "email"
    item_id: str | None = None
    category: str | None = None
    margin: float | None = None
    most: int = 10


@dataclass(frozen=True, slots=True)
class Audience:
    """A group of customers and what is known of it. `audience` is that of a campaign document.

    `basket` is the mean value of an order of the reachable, `base` the part of them that would order in the window
    anyway; None where nobody of them ever ordered.
    """

    name: str
    kind: str
    meaning: str
    audience: Mapping[str, Any]
    size: int
    reachable: int
    basket: float | None
    base: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a past campaign with a holdout measured: orders more a reached customer, and its standard error.

    `depth` is what its offer took off, as part of a basket; 0 for a message alone.
    """

    goal: str
    uplift: float
    error: float
    depth: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """`sent` and `redeemed` count customers of past campaigns and those of them who redeemed; `outcomes` were measured.

    `basket` is the mean order of the whole shop, None before the first.
    """

    basket: float | None
    sent: int = 0
    redeemed: int = 0
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """`low` and `high` bound the profit with 95 %, money in minor units; `campaign` is a document for a draft."""

    name: str
    kind: str
    offer_id: str | None
    size: int
    reachable: int
    contacted: int
    cost: int
    profit: int
    low: int
    high: int
    reason: str
    missing: tuple[str, ...]
    campaign: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "missing": list(self.missing), "campaign": dict(self.campaign)}


def suggest(
    wish: Wish, audiences: Sequence[Audience], offers: Sequence[Offer], evidence: Evidence
) -> tuple[Proposal, ...]:
    """The proposals that are expected to earn most within the budget, the best first, each audience once.

    A message without any discount competes with every offer. Proposals that are not expected to earn anything are left
    out. BadInput for a wish that cannot be.
    """
    goal = goal_of(wish.goal, item=wish.item_id, category=wish.category)
    if wish.budget < 0 or wish.most < 1:
        raise BadInput("budget: give an amount of 0 or more, and ask for at least one proposal", field="budget")
    if wish.channel not in CHANNELS:
        raise BadInput(f"channel: one of {', '.join(CHANNELS)}, not {wish.channel!a}", field="channel")
    if wish.margin is not None and not 0 < wish.margin <= 1:
        raise BadInput(f"margin: is {wish.margin}; give the part of a price that is left, up to 1", field="margin")
    found = []
    for audience in audiences:
        basket = audience.basket or evidence.basket
        if not audience.reachable or not basket:
            continue
        ways = [_proposal(wish, goal, audience, offer, basket, evidence) for offer in (None, *offers)]
        best = max((each for each in ways if each is not None), key=lambda each: each.profit)
        if best.profit > 0:
            found.append(best)
    found.sort(key=lambda each: (-each.profit, each.name))
    return tuple(found[: wish.most])


def discount_of(offer: Offer, basket: float) -> float | None:
    """What a use takes off a usual basket, minor units; None where its terms do not tell."""
    percent = getattr(offer.benefit.terms, "percent", None) if offer.benefit.kind == "percent" else None
    worth = worth_of(offer)
    known = [] if worth is None else [float(worth)]
    if percent is not None:
        known.append(float(percent_of(int(basket), percent)))
    return min(known, default=None)


def uplift_of(goal_name: str, goal: Goal, outcomes: Sequence[Outcome]) -> tuple[float, float, float]:
    """The effect of the deepest discount on orders with its 95 % range: measured if it was, else assumed.

    Source: the mean of past campaigns, each brought to the same depth, by the inverse of their variances.
    """
    mine = [each for each in outcomes if each.goal == goal_name and each.error > 0]
    if not mine:
        return goal.uplift
    parts = [float(depth_effect(each.depth)) for each in mine]
    full = [(each.uplift / part, each.error / part) for each, part in zip(mine, parts, strict=True)]
    weights = [error**-2 for _, error in full]
    mean = sum(weight * uplift for weight, (uplift, _) in zip(weights, full, strict=True)) / sum(weights)
    wide = _Z * sum(weights) ** -0.5
    return mean, mean - wide, mean + wide


def redemption_range(sent: int, redeemed: int) -> tuple[float, float, float]:
    """The part that redeems with its 95 % range. Source: Wilson's interval (1927)."""
    rate, square = redeemed / sent, _Z**2 / sent
    middle = (rate + square / 2) / (1 + square)
    wide = _Z * math.sqrt(rate * (1 - rate) / sent + square / sent / 4) / (1 + square)
    return rate, max(middle - wide, 0.0), min(middle + wide, 1.0)


def _proposal(
    wish: Wish, goal: Goal, audience: Audience, offer: Offer | None, basket: float, evidence: Evidence
) -> Proposal | None:
    discount = 0.0 if offer is None else discount_of(offer, basket)
    if discount is None or (offer is not None and discount <= 0):
        return None
    margin = basket * (PRIORS["margin"][0] if wish.margin is None else wish.margin)
    full = uplift_of(wish.goal, goal, evidence.outcomes)
    measured = full is not goal.uplift
    middle, low, high = (each * float(depth_effect(discount / basket)) for each in full)
    uses = _uses(audience, evidence)
    held = PRIORS["holdout"][0]
    dear = max(uses[0], middle) * discount
    asked = int(audience.reachable * (1 - held))
    contacted = min(asked, int(wish.budget / dear)) if dear else asked

    def earned(uplift: float, use: float) -> int:
        return round(contacted * (uplift * margin - max(use, uplift) * discount))

    profit, cost = earned(middle, uses[0]), round(contacted * dear)
    return Proposal(
        audience.name, audience.kind, offer.offer_id if offer else None, audience.size, audience.reachable, contacted,
        cost, profit, min(earned(low, uses[2]), profit), max(earned(high, uses[1]), profit),
        _reason(audience, offer, discount, contacted * middle),
        _missing(wish, audience, evidence, measured, contacted < asked, offer),
        _document(wish, audience, offer),
    )  # fmt: skip


def _uses(audience: Audience, evidence: Evidence) -> tuple[float, float, float]:
    """The part of the contacted who redeem whether or not the campaign moved them."""
    if evidence.sent:
        return redemption_range(evidence.sent, evidence.redeemed)
    use = audience.base * PRIORS["use"][0]
    return use, use / 2, min(use * 2, 1.0)


def _reason(audience: Audience, offer: Offer | None, discount: float, orders: float) -> str:
    gift = f"offer {offer.offer_id} takes {discount:,.0f} off" if offer else "a message without any discount is enough"
    return f"{audience.meaning} {audience.reachable:,} can be reached, {gift}: about {orders:,.1f} orders more."


def _missing(
    wish: Wish, audience: Audience, evidence: Evidence, measured: bool, short: bool, offer: Offer | None
) -> tuple[str, ...]:
    told = []
    if not measured:
        told.append(f"No campaign for {wish.goal} with a holdout is known: the effect is assumed, perhaps it is none.")
    if offer is not None and not evidence.sent:
        told.append("No past campaign is known: how many redeem is an assumption.")
    if wish.margin is None:
        told.append(f"The margin is not known: {PRIORS['margin'][0]:.0%} of the price is assumed.")
    if audience.basket is None:
        told.append("Nobody of them ever ordered: the basket is that of the whole shop.")
    if short:
        told.append("The budget does not reach all of them: a plan would choose who.")
    return tuple(told)


def _document(wish: Wish, audience: Audience, offer: Offer | None) -> dict[str, Any]:
    offer_id = offer.offer_id if offer else None
    about = wish.item_id or wish.category
    return {
        "name": f"{wish.goal}{f' {about}' if about else ''}: {audience.name}",
        "goal": wish.goal,
        "audience": dict(audience.audience),
        "channel": wish.channel,
        "offers": [offer_id] if offer_id else [],
        # By chance, so that what it changes is learned; the next one can be planned.
        "assignment": "random",
        "variants": [{"variant": "suggested", "share": 1.0, "offer_id": offer_id, "template": None}],
        "holdout": PRIORS["holdout"][0],
        "budget": wish.budget,
    }
