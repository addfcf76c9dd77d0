"""Choose: which learner of uplift, by what its choices would have earned with customers that it did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.targeting.uplift import Estimate, Logged, PolicyValue, best_arms, folds, policy_value, value_difference
from training.response.effects import Effects
from training.response.growing import Wish
from training.response.learners import LEARNERS, expected_outcomes, learn_effects
from training.response.model import uses_with
from training.response.redemption import learn_redemption
from training.response.trial import Trial


@dataclass(frozen=True, slots=True)
class Worth:
    """What an order earns before the discount, and what a use of each arm takes off; minor units."""

    margin: float
    discounts: tuple[float, ...]

    def gains(self, extra: np.ndarray, redeem: np.ndarray | float) -> np.ndarray:
        """Expected profit of each arm over nothing, [n, arms]."""
        return np.asarray(extra * self.margin - redeem * np.array(self.discounts))

    def logged(self, trial: Trial) -> Logged:
        """What came of the trial's rows in money."""
        cost = trial.redeemed * np.r_[0.0, self.discounts][trial.arm]
        return Logged(trial.arm, trial.propensity, trial.orders * self.margin, cost, trial.user)


@dataclass(frozen=True, slots=True)
class Choice:
    """The learner that earned most on validation, and what all of them earned there, by name."""

    name: str
    values: dict[str, PolicyValue]

    def as_json(self) -> dict[str, Any]:
        return {"chosen": self.name, "validation": {name: each.as_json() for name, each in self.values.items()}}


@dataclass(frozen=True, slots=True)
class Judged:
    """On customers that chose nothing: what the chosen learner's choices earn a customer, and how much more than one
    effect for all would; both with 95 % intervals."""

    value: PolicyValue
    over_same: Estimate

    def as_json(self) -> dict[str, Any]:
        return {"value": self.value.as_json(), "over_same": self.over_same.as_json()}


def choose(
    trial: Trial, worth: Worth, wish: Wish, *, candidates: Sequence[str] = tuple(LEARNERS), parts: int = 3,
    redeem: float | None = None, rounds: int = 200,
) -> Choice:  # fmt: skip
    """The learner whose choices earn most with customers that it did not learn from; of equals the plainest.

    Each of `parts` of the customers is held out once, so that all of them validate: with effects as small as these a
    part alone would choose by chance. Choices are judged doubly robustly, with means learned without each row's own.
    `redeem` is the chance to redeem where it is the same for all, such as a cost that comes with every mail.
    """
    if len(candidates) == 1:
        return Choice(candidates[0], {})
    part = folds(trial.user, parts, seed=wish.seed + 1)
    arms = {name: np.zeros(len(trial), np.int64) for name in candidates}
    for number in range(parts):
        lesson, held = trial.where(part != number), part == number
        columns, trees = trial.columns[held], learn_redemption(lesson, wish)
        for name in candidates:
            effects = learn_effects(name, lesson, lesson.orders, wish)
            uses = redeem or uses_with(effects, trees, columns, trial.levels)
            arms[name][held] = best_arms(worth.gains(effects.at(columns), uses))
    logged, means = worth.logged(trial), net_means(trial, worth, wish)
    values = {
        name: policy_value(each, logged, means=means, seed=wish.seed, rounds=rounds) for name, each in arms.items()
    }
    return Choice(max(candidates, key=lambda name: values[name].value.mean), values)


def judge(effects: Effects, same: Effects, lesson: Trial, held: Trial, worth: Worth, wish: Wish) -> Judged:
    """The chosen effects beside one effect for all, both learned from `lesson`, on `held`."""
    logged, means = worth.logged(held), net_means(held, worth, wish)
    trees, columns = learn_redemption(lesson, wish), held.columns
    ours, theirs = (
        best_arms(worth.gains(each.at(columns), uses_with(each, trees, columns, held.levels)))
        for each in (effects, same)
    )
    return Judged(
        policy_value(ours, logged, means=means, seed=wish.seed),
        value_difference(ours, theirs, logged, means=means, seed=wish.seed),
    )


def net_means(trial: Trial, worth: Worth, wish: Wish) -> np.ndarray:
    """The expected reward less cost of each arm, [n, 1 + arms], cross-fitted within the trial."""
    logged = worth.logged(trial)
    return expected_outcomes(trial, logged.reward - logged.cost, Wish(wish.seed, wish.threads))
