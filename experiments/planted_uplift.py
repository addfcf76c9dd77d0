"""Customers whose response to offers is planted: what each offer changes with each of them is known.

100,000 customers with the traits that models read, four offers of growing depth, a base conversion of 2 %, and effects
on it that differ by one point (standard deviation, at the deepest offer). The effect depends on three traits, bent and
together; most customers gain, some buy less when written to. Whoever would buy anyway redeems, too, with PRIORS["use"].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.targeting.plans import PlannedOffer
from engine.targeting.suggestion_goals import PRIORS, depth_effect
from training.response.choose import Worth
from training.response.trial import Trial

DEPTHS = (0.05, 0.10, 0.15, 0.20)
BASKET = 5_000.0  # minor units
MARGIN = BASKET * PRIORS["margin"][0]
DISCOUNTS = tuple(BASKET * depth for depth in DEPTHS)
WORTH = Worth(MARGIN, DISCOUNTS)
OFFERS = tuple(
    PlannedOffer(f"off {100 * depth:g}", discount, "activity")
    for depth, discount in zip(DEPTHS, DISCOUNTS, strict=True)
)
NAMES = (
    "days_since_order", "orders_365d", "visits_30d", "coupons_used_365d", "favourite_category_share", "basket_pieces",
    "cart_adds_90d", "days_since_seen",
)  # fmt: skip
BASE, SPREAD = 0.02, 0.01
HOLDOUT = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """`columns` float32 [n, NAMES]; `base` [n] the chance to order without an offer, `extra` (n, 4) what each offer
    adds to it, `redeem` (n, 4) the chance to redeem it."""

    columns: np.ndarray
    base: np.ndarray
    extra: np.ndarray
    redeem: np.ndarray

    def __len__(self) -> int:
        return len(self.base)

    @property
    def profit(self) -> np.ndarray:
        """What each offer truly earns with each customer, (n, 4)."""
        return WORTH.gains(self.extra, self.redeem)

    def earned(self, arm: np.ndarray) -> float:
        """What giving these arms (0 is nothing) truly earns."""
        given = arm > 0
        return float(self.profit[given, arm[given] - 1].sum())

    def spent(self, arm: np.ndarray) -> float:
        """What their discounts truly cost."""
        given = arm > 0
        return float((self.redeem * np.array(DISCOUNTS))[given, arm[given] - 1].sum())

    def outcome(self, arm: np.ndarray, propensity: np.ndarray, campaign: int, draw: np.random.Generator) -> Trial:
        """One campaign: who ordered and who redeemed when given these arms."""
        rows, given = np.arange(len(self)), arm > 0
        place = np.maximum(arm - 1, 0)
        extra = np.where(given, self.extra[rows, place], 0.0)
        redeem = np.where(given, self.redeem[rows, place], 0.0)
        chance = self.base + extra
        luck = draw.random(len(self))
        orders, redeemed = luck < chance, luck < np.minimum(redeem, chance)
        return Trial(
            self.columns, NAMES, arm, DEPTHS, propensity, orders.astype(np.float64), redeemed, rows,
            np.full(len(self), campaign),
        )  # fmt: skip


def plant(customers: int, *, seed: int, base: float = BASE, spread: float = SPREAD) -> Planted:
    """The same customers for the same seed."""
    draw = np.random.default_rng(seed)
    since = draw.exponential(60, customers)
    orders = draw.poisson(draw.gamma(1.5, 4, customers))
    visits = draw.poisson(draw.gamma(1.2, 3, customers))
    coupons = draw.poisson(draw.gamma(0.8, 1.5, customers))
    share, pieces = draw.beta(2, 3, customers), 1 + draw.gamma(2, 1.5, customers)
    carts, seen = draw.poisson(draw.gamma(0.7, 2, customers)), since * draw.random(customers)
    columns = np.stack([since, orders, visits, coupons, share, pieces, carts, seen], axis=1).astype(np.float32)
    habit = np.exp(0.5 * np.log1p(orders) - since / 90 + 0.1 * np.log1p(visits))
    habit = np.minimum(habit / habit.mean() * base, 0.5)
    # Those who take coupons, who were away for a while but not for good, and whose cart is not empty, are moved.
    away = np.exp(-(((since - 50) / 35) ** 2))
    moved = np.minimum(coupons, 4) / 4 + 1.2 * away + 0.8 * (carts > 0) * away - 0.5 * (visits > 6)
    full = 1.2 * spread + spread * (moved - moved.mean()) / moved.std()
    extra = np.maximum(full[:, None] * depth_effect(DEPTHS) / depth_effect(DEPTHS[-1]), -habit[:, None])
    uses = np.clip(habit[:, None] * PRIORS["use"][0] + np.maximum(extra, 0), 0, 1)
    return Planted(columns, habit, extra, np.minimum(uses, habit[:, None] + extra))
