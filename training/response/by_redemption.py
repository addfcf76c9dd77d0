"""A learner of uplift that counts redemptions, where the others subtract outcomes.

Nobody redeems without an offer, so redemptions hold less chance than the difference of two rates of orders. What is
taken for granted is that an offer moves only those who redeem it, and that a deeper one moves everybody by the same
factor. Then a customer's redemptions are a part of the orders that come anyway, the same part for all, and what the
offer brings; orders without a redemption say how large that part is. Whether it holds in a shop is for the validation
to say, which takes nothing of it for granted. The idea is that of an instrument's exclusion restriction (Angrist,
Imbens, Rubin, "Identification of causal effects using instrumental variables", 1996).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from training.boosting import Trees
from training.response.effects import Redeemed, mean_values
from training.response.growing import EFFECT, OUTCOME, Wish, grown
from training.response.trial import Trial

#: Each of the models is the mean of so many, which see other parts of the rows.
_SEVERAL = 4
_PARTS: Mapping[str, Any] = {"bagging_fraction": 0.7, "bagging_freq": 1}
#: Of orders that come anyway: their chance is small and moves by factors, so trees add up logarithms.
_ANYWAY: Mapping[str, Any] = {**OUTCOME, **_PARTS, "objective": "poisson", "num_leaves": 6}
_ANYWAY_ROUNDS = 80
_GAINED: Mapping[str, Any] = {**EFFECT, **_PARTS}
_GAINED_ROUNDS = 60
#: Where fewer of the orders come without a redemption, they say too little of what comes anyway.
_LEAST_LEFT = 0.1
#: Orders a customer, where nobody ordered without a redemption: a logarithm needs more than none.
_HARDLY_ANY = 1e-6


def learn_from_redemptions(trial: Trial, outcome: np.ndarray, wish: Wish) -> Redeemed:
    """What each arm brings, of `outcome` [n] (orders, at least 0)."""
    given, heavy = trial.arm > 0, 1 / trial.propensity
    uses = np.where(trial.redeemed & given, outcome, 0.0)
    left = _left(outcome, outcome - uses, given, heavy)
    alone = _anyway(trial, outcome - uses, left, wish)
    anyway = (1 - left) * np.exp(mean_values(alone, trial.columns))
    gained = uses - anyway
    shape = _shape(trial, gained, heavy, wish)
    factor = np.array(shape)[trial.arm[given] - 1]
    # Counts are as uncertain as they are large: rows of those who seldom redeem say more.
    usual = max(float(np.average(gained[given] / factor, weights=factor**2)), 0.0)
    certain = factor**2 / np.maximum(anyway[given] + factor * usual, 0.1 * max(float(uses[given].mean()), 1e-9))
    labels, columns = gained[given] / factor, trial.columns[given]
    weights = certain / certain.mean()
    trees = _several(columns, labels, _GAINED, _GAINED_ROUNDS, trial, wish, weights)
    return Redeemed(alone, trees, 1 - left, shape)


def _left(outcome: np.ndarray, unredeemed: np.ndarray, given: np.ndarray, heavy: np.ndarray) -> float:
    """Orders without a redemption as a part of those that come with nothing, 0 to 1."""
    anyway = float(np.average(outcome[~given], weights=heavy[~given]))
    if anyway <= 0:
        return 1.0
    return float(np.clip(np.average(unredeemed[given], weights=heavy[given]) / anyway, 0, 1))


def _anyway(trial: Trial, unredeemed: np.ndarray, left: float, wish: Wish) -> tuple[Trees, ...]:
    """Orders with nothing, from those who got nothing and from the unredeemed orders of the others."""
    given = trial.arm > 0
    seen = np.ones(len(trial), bool) if left >= _LEAST_LEFT else ~given
    part = np.where(given, left, 1.0)[seen]
    labels = unredeemed[seen] / part
    labels = labels if labels.any() else labels + _HARDLY_ANY
    return _several(trial.columns[seen], labels, _ANYWAY, _ANYWAY_ROUNDS, trial, wish, part)


def _shape(trial: Trial, gained: np.ndarray, heavy: np.ndarray, wish: Wish) -> tuple[float, ...]:
    """By which factor each arm moves people, 1 on average: a line over the levels, where these are three or more."""
    levels = np.array(trial.levels)
    rows = [trial.arm == arm for arm in range(1, trial.arms + 1)]
    means = np.array([np.average(gained[each], weights=heavy[each]) if each.any() else 0.0 for each in rows])
    if len(levels) > 2:
        means = np.polyval(np.polyfit(levels, means, 1), levels)
    falls = wish.monotone and (np.diff(means[np.argsort(levels)]) < 0).any()
    if falls or means.min() <= 0.02 * means.max():
        return (1.0,) * len(levels)
    return tuple(map(float, means / means.mean()))


def _several(
    columns: np.ndarray, labels: np.ndarray, params: Mapping[str, Any], rounds: int, trial: Trial, wish: Wish,
    weights: np.ndarray,
) -> tuple[Trees, ...]:  # fmt: skip
    seeds = [replace(wish, seed=wish.seed + number) for number in range(_SEVERAL)]
    return tuple(grown(columns, labels, params, rounds, trial, each, weights=weights) for each in seeds)
