"""Learners of uplift: what getting an arm changes with each customer, from a trial, on boosted trees.

All of them give effects [n, arms] on an outcome. With many customers and small effects most of what trees could find
is chance: they are small, slow and held together, and the effect that is the same for everybody stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from engine.targeting.uplift import cross_fitted, folds
from training.boosting import Trees
from training.response.by_redemption import learn_from_redemptions
from training.response.effects import Apart, Effects, Pooled, Same, with_level
from training.response.growing import EFFECT, EFFECT_ROUNDS, OUTCOME, OUTCOME_ROUNDS, Wish, grown
from training.response.trial import Trial

_FOLDS = 3


def learn_effects(name: str, trial: Trial, outcome: np.ndarray, wish: Wish) -> Effects:
    """The effects that the learner of this name finds on `outcome` [n]."""
    return LEARNERS[name](trial, outcome.astype(np.float64), wish)


def _same(trial: Trial, outcome: np.ndarray, wish: Wish) -> Same:
    """The difference of the means, each row by the inverse of its chance; nothing that trees say is used."""
    found = []
    for arm in range(1, trial.arms + 1):
        facing, heavy = trial.facing(arm), 1 / trial.propensity
        means = [np.average(outcome[rows], weights=heavy[rows]) for rows in
                 (trial.arm == arm, facing & (trial.arm == 0))]  # fmt: skip
        found.append(float(means[0] - means[1]))
    return Same(tuple(found))


def _single(trial: Trial, outcome: np.ndarray, wish: Wish) -> Pooled:
    """S: one model of the outcome, which the arm's level enters like any column. Source: Künzel et al., PNAS 2019."""
    nothing = _nothing(trial)
    levels = np.r_[nothing, trial.levels][trial.arm]
    trees = grown(with_level(trial.columns, levels), outcome, OUTCOME, 2 * OUTCOME_ROUNDS, trial, wish, level=True)
    return Pooled(trees, trial.levels, nothing)


def _two(trial: Trial, outcome: np.ndarray, wish: Wish) -> Apart:
    """T: a model of the outcome for each arm and for nothing, subtracted. Source: Künzel et al., PNAS 2019."""
    models = [_of_arm(trial, outcome, arm, wish) for arm in range(trial.arms + 1)]
    return Apart(tuple(((1.0, each), (-1.0, models[0])) for each in models[1:]))


def _crossed(trial: Trial, outcome: np.ndarray, wish: Wish) -> Apart:
    """X: T's models impute what would have come otherwise; the effects on both sides are learned, and weighed by how
    many were on the other side. Source: Künzel et al., PNAS 2019.
    """
    alone = _of_arm(trial, outcome, 0, wish)
    parts = []
    for arm in range(1, trial.arms + 1):
        treated, nothing = trial.where(trial.arm == arm), trial.where((trial.arm == 0) & trial.facing(arm))
        with_it = _of_arm(trial, outcome, arm, wish)
        gained = outcome[trial.arm == arm] - alone.values(treated.columns)
        missed = with_it.values(nothing.columns) - outcome[(trial.arm == 0) & trial.facing(arm)]
        share = len(treated) / (len(treated) + len(nothing))
        sides = [grown(side.columns, told, EFFECT, EFFECT_ROUNDS, trial, wish) for side, told in
                 ((nothing, missed), (treated, gained))]  # fmt: skip
        parts.append(((share, sides[0]), (1 - share, sides[1])))
    return Apart(tuple(parts))


def _robust(trial: Trial, outcome: np.ndarray, wish: Wish) -> Pooled:
    """DR: each row's effect is estimated doubly robustly with known chances and cross-fitted means, then learned.

    One model for all arms, that what moves a customer with one offer teaches of the others.
    Source: Kennedy, "Towards optimal doubly robust estimation of heterogeneous causal effects", 2023.
    """
    means = expected_outcomes(trial, outcome, wish)
    rows, told, levels = [], [], []
    for arm in range(1, trial.arms + 1):
        facing = np.flatnonzero(trial.facing(arm))
        rows.append(facing)
        told.append(robust_effects(trial, outcome, means, arm)[facing])
        levels.append(np.full(len(facing), trial.levels[arm - 1]))
    chosen = np.concatenate(rows)
    columns = with_level(trial.columns[chosen], np.concatenate(levels))
    trees = grown(columns, np.concatenate(told), EFFECT, EFFECT_ROUNDS, trial, wish, level=True)
    return Pooled(trees, trial.levels)


def expected_outcomes(trial: Trial, outcome: np.ndarray, wish: Wish) -> np.ndarray:
    """What is expected of each row with nothing and with each arm, [n, 1 + arms], by models that did not see it."""
    nothing = _nothing(trial)
    levels = np.r_[nothing, trial.levels]

    def fit(rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        known = trial.where(rows)
        columns = with_level(known.columns, levels[known.arm])
        trees = grown(columns, outcome[rows], OUTCOME, OUTCOME_ROUNDS, trial, wish, level=True)
        return lambda held: np.stack([trees.values(with_level(trial.columns[held], level)) for level in levels], axis=1)

    return cross_fitted(folds(trial.user, _FOLDS, seed=wish.seed), fit)


def robust_effects(trial: Trial, outcome: np.ndarray, means: np.ndarray, arm: int) -> np.ndarray:
    """The doubly robust estimate of the arm's effect on each row [n]; right on average, and very loud."""
    rows = np.arange(len(trial))
    left = (outcome - means[rows, trial.arm]) / trial.propensity
    return np.asarray(means[:, arm] - means[:, 0] + np.where(trial.arm == arm, left, 0) - (trial.arm == 0) * left)


def _nothing(trial: Trial) -> float:
    """Where getting nothing stands on the axis of levels: below all that was given."""
    return min(trial.levels) - 1.0


def _of_arm(trial: Trial, outcome: np.ndarray, arm: int, wish: Wish) -> Trees:
    rows = trial.arm == arm
    return grown(trial.columns[rows], outcome[rows], OUTCOME, OUTCOME_ROUNDS, trial, wish)


#: By name, the plainest first.
LEARNERS: Mapping[str, Callable[[Trial, np.ndarray, Wish], Effects]] = {
    "same": _same, "redeemed": learn_from_redemptions, "dr": _robust, "x": _crossed, "s": _single, "t": _two,
}  # fmt: skip
