"""What an offer is expected to bring with each customer: learned where it was, by stated assumptions where not.

Offers differ by their depth: what a use takes off, as part of a usual basket. What was learned at some depths is read
off between them; a depth that was never tried gets no more than the deepest that was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import BadInput
from engine.targeting.money import percent_of
from engine.targeting.offers import Offer
from engine.targeting.plans import Floats, Model, Predictions
from engine.targeting.suggestion_goals import GOALS, PRIORS, WINDOW_DAYS, depth_effect
from engine.targeting.suggestions import discount_of

#: Part of the reached who order because of it, at the deepest discount: the least of what the goals assume.
ASSUMED_UPLIFT = min(goal.uplift[0] for goal in GOALS.values())
_STEP = 0.05


def level_of(depths: ArrayLike) -> NDArray[np.float64]:
    """Depths rounded to the steps at which responses are learned: every 5 % of a basket, from 0 to 1."""
    steps = np.round(np.asarray(depths, np.float64) / _STEP) * _STEP
    return np.asarray(np.round(np.clip(steps, 0.0, 1.0), 2), np.float64)


def depths_of(offers: Sequence[Offer], baskets: Floats) -> NDArray[np.float64]:
    """What each offer takes off each usual basket [n], as part of it, (n, offers).

    BadInput for an offer whose terms do not tell: it cannot be planned.
    """
    if not offers:
        raise BadInput("offers: name at least one", field="offers")
    return np.stack([_depths(each, baskets) for each in offers], axis=1)


def measured(
    levels: Sequence[float], redeem: Floats, extra: Floats, depths: Floats, *, margin: Floats, models: tuple[Model, ...]
) -> Predictions:
    """From rates learned at `levels` (rising depths), `redeem` and `extra` (n, levels), to those of offers (n, m).

    Nothing is redeemed of no discount; a message alone may bring orders, but less deep than any that was tried an offer
    brings what the least deep brought, by its part of that depth.
    """
    told = [_between(np.asarray(levels, np.float64), each, depths) for each in (redeem, extra)]
    return Predictions(np.clip(told[0], 0, 1), np.clip(told[1], -1, 1), margin, models, "uplift")


def assumed(
    redeem: Floats | None, orders: Floats, depths: Floats, *, margin: Floats, models: tuple[Model, ...]
) -> Predictions:
    """What is assumed without a randomised campaign.

    `redeem` [n] is the predicted chance to redeem where past campaigns taught it: orders more are shared out in
    proportion to it, so that every redemption is as likely to be one more as any other. Without it, who orders anyway
    (`orders` [n], of a year) redeems with PRIORS["use"], and the same effect is assumed of everybody.
    """
    effect = ASSUMED_UPLIFT * depth_effect(depths)
    if redeem is None:
        anyway = 1 - np.exp(-np.nan_to_num(orders) * WINDOW_DAYS / 365)
        uses = np.maximum((anyway * PRIORS["use"][0])[:, None], effect)
        return Predictions(np.clip(uses, 0, 1), np.clip(effect, 0, 1), margin, models, "prior")
    mean = max(float(redeem.mean()), 1e-9) if len(redeem) else 1.0
    extra = np.minimum(effect * (redeem / mean)[:, None], redeem[:, None])
    uses = np.broadcast_to(redeem[:, None], depths.shape)
    return Predictions(np.clip(uses, 0, 1), np.clip(extra, 0, 1), margin, models, "propensity")


def _depths(offer: Offer, baskets: Floats) -> NDArray[np.float64]:
    """The same as `discount_of` for each basket, without a call for each where the terms say a plain amount."""
    whole = np.maximum(np.nan_to_num(baskets), 1.0)
    usual = float(np.median(whole)) if len(whole) else 1.0
    if discount_of(offer, usual) is None:
        raise BadInput(
            f"offers: what {offer.offer_id!a} takes off a basket is not told by its terms; give it a largest_discount",
            field="offers",
        )
    if offer.benefit.kind == "percent" and offer.largest_discount is None and offer.minimum.amount is None:
        rate: Any = getattr(offer.benefit.terms, "percent", None)
        return np.full(len(whole), percent_of(1_000_000, rate) / 1_000_000)
    values, place = np.unique(np.floor(whole), return_inverse=True)
    told = np.array([discount_of(offer, value) or 0.0 for value in values])
    return np.asarray(np.minimum(told / values, 1.0)[place])


def _between(levels: NDArray[np.float64], rates: Floats, depths: Floats) -> NDArray[np.float64]:
    """`rates` (n, levels) at `depths` (n, m), by straight lines; (0, 0) is a point where 0 was not tried."""
    if levels[0] > 0:
        levels, rates = np.r_[0.0, levels], np.concatenate([np.zeros((len(rates), 1)), rates], axis=1)
    if len(levels) == 1:
        return np.repeat(rates, depths.shape[1], axis=1)
    deep = np.clip(depths, levels[0], levels[-1])
    right = np.clip(np.searchsorted(levels, deep), 1, len(levels) - 1)
    rows = np.arange(len(rates))[:, None]
    part = (deep - levels[right - 1]) / (levels[right] - levels[right - 1])
    return np.asarray(rates[rows, right - 1] * (1 - part) + rates[rows, right] * part)
