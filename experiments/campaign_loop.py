"""Three campaigns, each planned from the outcomes of those before it; and what the fourth plan would earn in truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.targeting.plans import Model, PlanLimits, Planned, Predictions, make_plan
from experiments.planted_suggestions import suggestion_beside_random
from experiments.planted_uplift import HOLDOUT, MARGIN, NAMES, OFFERS, WORTH, Planted, plant
from training.response.choose import choose
from training.response.growing import Wish
from training.response.learners import LEARNERS, learn_effects
from training.response.model import uses_with
from training.response.redemption import learn_redemption
from training.response.trial import Trial

_CAMPAIGNS = 3
_BUDGET = 0.5  # of what the best plan without a budget would cost
_EXPLORED = 0.3  # of those who are not held out, still by chance


def campaign_loop(
    customers: int, *, seed: int, candidates: tuple[str, ...] = tuple(LEARNERS), threads: int = 2, **planted: float
) -> dict[str, Any]:
    """Random first, then learned with a part still by chance; each plan beside the planted optimum."""
    shop, draw = plant(customers, seed=seed, **planted), np.random.default_rng([seed, 1])
    wish = Wish(seed, threads)
    budget = _BUDGET * shop.spent(_arms(_planned(shop.redeem, shop.extra, 10**12)))
    best = _arms(_planned(shop.redeem, shop.extra, int(budget)))
    optimum = shop.earned(best)
    trials: list[Trial] = []
    told = []
    arms: np.ndarray | None = None
    for number in range(_CAMPAIGNS):
        trials.append(_campaign(shop, arms, number, draw))
        found, redeem, extra = _learned(Trial.joined(trials), shop, wish, candidates)
        arms = _arms(_planned(redeem, extra, int(budget)))
        told.append({
            **found, "share_of_optimum": shop.earned(arms) / optimum, "spent_of_budget": shop.spent(arms) / budget,
            "treated": int((arms > 0).sum()),
            "correlation": float(np.corrcoef(extra.ravel(), shop.extra.ravel())[0, 1]),
        })  # fmt: skip
    chance = np.where(draw.random(customers) < (best > 0).mean(), draw.integers(1, len(OFFERS) + 1, customers), 0)
    return {
        "customers": customers, "budget": int(budget), "optimum": optimum, "optimum_treats": int((best > 0).sum()),
        "by_chance": shop.earned(chance) / optimum, "after_campaign": told,
        "suggestion": suggestion_beside_random(shop, trials[0], budget=int(budget), seed=seed),
    }  # fmt: skip


def _campaign(shop: Planted, planned: np.ndarray | None, number: int, draw: np.random.Generator) -> Trial:
    """HOLDOUT get nothing; of the rest a part by chance, all of them where there is no plan yet; the others as planned.

    The chance of what each got is known, whichever way it came.
    """
    customers, offers = len(shop), len(OFFERS)
    explored = 1.0 if planned is None else _EXPLORED
    plan = np.zeros(customers, np.int64) if planned is None else planned
    held, by_chance = draw.random(customers) < HOLDOUT, draw.random(customers) < explored
    arm = np.where(held, 0, np.where(by_chance, draw.integers(1, offers + 1, customers), plan))
    treated = 1 - HOLDOUT
    propensity = np.where(arm == 0, HOLDOUT, treated * explored / offers) + (arm == plan) * treated * (1 - explored)
    return shop.outcome(arm, propensity, number, draw)


def _learned(
    trial: Trial, shop: Planted, wish: Wish, candidates: tuple[str, ...]
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Choose by what was held out, learn anew from all, predict everybody."""
    choice = choose(trial, WORTH, wish, candidates=candidates, parts=2, rounds=100)
    effects = learn_effects(choice.name, trial, trial.orders, wish)
    redeem = uses_with(effects, learn_redemption(trial, wish), shop.columns, trial.levels)
    return {"learner": choice.name}, redeem, effects.at(shop.columns)


def _planned(redeem: np.ndarray, extra: np.ndarray, budget: int) -> Planned:
    margin = np.full(len(redeem), MARGIN)
    predictions = Predictions(redeem, np.clip(extra, -1, 1), margin, (Model("loop", "1", NAMES),), "uplift")
    return make_plan(predictions, OFFERS, PlanLimits(budget))


def _arms(planned: Planned) -> np.ndarray:
    return planned.choice[:, 0].astype(np.int64) + 1
