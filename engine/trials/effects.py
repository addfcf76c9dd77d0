"""Effects: what a trial changed, as differences in means between those who were assigned to it and those who were not.

Everything is made of the means and covariances of each arm, so that a million customers are summed once and each
question costs nothing. Customers count in the arm that they were assigned to, whatever reached them. Nothing is cut or
winsorised: money that one customer in a thousand spends is money, and an interval that leaves it out is about another
sum. Intervals are the normal theory's for means; with thousands of customers an arm they hold for revenue that is
mostly zero and has a heavy tail (the tests measure it), with a few dozen they do not, and the report says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.trials.quantiles import t_beyond, t_quantile

Floats = NDArray[np.float64]

ALPHA = 0.05
#: The number of customers at which a confidence sequence is narrowest, where nobody says how many are expected.
TUNED_FOR = 5_000


@dataclass(frozen=True, slots=True)
class Arm:
    """So many customers, and of their columns [k] the means and the covariances [k, k] (divided by n - 1)."""

    n: int
    means: Floats
    covariances: Floats


@dataclass(frozen=True, slots=True)
class Estimate:
    """An effect, its standard error, and the degrees of freedom that the error was estimated with."""

    value: float
    error: float
    freedom: float

    def times(self, factor: float) -> Estimate:
        return replace(self, value=self.value * factor, error=self.error * abs(factor))

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """For whoever looks once, when the outcome is complete. Source: Welch (1947)."""
        wide = self.reach(alpha) * self.error
        return self.value - wide, self.value + wide

    def reach(self, alpha: float = ALPHA) -> float:
        """How many standard errors `interval` goes to each side."""
        return t_quantile(1 - alpha / 2, self.freedom)

    def chance(self) -> float:
        """Of a difference at least as large where there is no effect: the two-sided p-value of one look."""
        if self.error == 0:
            return 1.0 if self.value == 0 else 0.0
        return t_beyond(self.value / self.error, self.freedom)

    def sequence(self, n: int, *, tuned_for: float = TUNED_FOR, alpha: float = ALPHA) -> tuple[float, float]:
        """An interval that holds at all looks together, however often and at whatever moment somebody looks.

        `n` counts the customers of both arms. Source: the asymptotic confidence sequence of Waudby-Smith, Arbour,
        Sinha, Kennedy and Ramdas (2021), theorem 2.2, with their choice of rho for the width at `tuned_for` customers.
        """
        wide = self.error * reach_at_all_looks(n, tuned_for=tuned_for, alpha=alpha)
        return self.value - wide, self.value + wide

    def chance_at_all_looks(self, n: int, *, tuned_for: float = TUNED_FOR, alpha: float = ALPHA) -> float:
        """The least alpha whose sequence, with the same rho, leaves 0 out."""
        if self.error == 0:
            return 1.0 if self.value == 0 else 0.0
        mixed = n * _mixture(tuned_for, alpha)
        return min(1.0, math.sqrt(mixed + 1) * math.exp(-((self.value / self.error) ** 2) * mixed / (2 * (mixed + 1))))


def reach_at_all_looks(n: int, *, tuned_for: float = TUNED_FOR, alpha: float = ALPHA) -> float:
    """How many standard errors a sequence goes to each side where `n` customers came so far; see `sequence`."""
    mixed = n * _mixture(tuned_for, alpha)
    return math.sqrt(2 * (mixed + 1) / mixed * math.log(math.sqrt(mixed + 1) / alpha))


def arm_of(columns: ArrayLike) -> Arm:
    """The sums of one arm; `columns` [n, k]."""
    rows = np.asarray(columns, np.float64)
    n, k = rows.shape
    if n < 2:
        return Arm(n, rows.mean(axis=0) if n else np.zeros(k), np.zeros((k, k)))
    means = rows.mean(axis=0)
    centred = rows - means
    return Arm(n, means, centred.T @ centred / (n - 1))


def is_comparable(treated: Arm, control: Arm) -> bool:
    """Whether both have enough customers for an error to be estimated at all."""
    return min(treated.n, control.n) >= 2


def difference(treated: Arm, control: Arm, column: int, *, given: Sequence[int] = ()) -> Estimate:
    """The difference in means of a column, adjusted for the columns `given`, which were known before the assignment.

    Source of the adjustment: CUPED, Deng, Xu, Kohavi and Walker (2013), with the coefficients that make the variance
    of the difference least; they are the pooled regression's where the arms vary alike.
    """
    weights = adjusting_weights(treated, control, column, given)
    return _of_weights(treated, control, weights, float(weights @ (treated.means - control.means)))


def ratio(treated: Arm, control: Arm, above: int, below: int, *, given: Sequence[int] = ()) -> Estimate:
    """The difference of one column for each unit of the difference of another, such as profit for each unit of cost.

    By the delta method, which needs a denominator well away from 0: see `is_ratio_sound`.
    """
    upper, lower = (adjusting_weights(treated, control, each, given) for each in (above, below))
    moved = treated.means - control.means
    bottom = float(lower @ moved)
    found = float(upper @ moved) / bottom
    return _of_weights(treated, control, (upper - found * lower) / bottom, found)


def is_ratio_sound(below: Estimate) -> bool:
    """Whether the difference that is divided by is five standard errors from 0, as the delta method wants it."""
    return abs(below.value) > 5 * below.error


def ratio_of_means(treated: Arm, control: Arm, above: int, below: int) -> Estimate:
    """The difference between the arms in a ratio of means, such as revenue an order; by the delta method."""
    weights, values = [], []
    for arm in (treated, control):
        bottom = float(arm.means[below])
        if bottom == 0:
            return Estimate(math.nan, math.nan, 1.0)
        value = float(arm.means[above]) / bottom
        weights.append((unit_weights(len(arm.means), above) - value * unit_weights(len(arm.means), below)) / bottom)
        values.append(value)
    return _summed(treated, weights[0], control, weights[1], values[0] - values[1])


def told(estimate: Estimate, n: int, *, tuned_for: float = TUNED_FOR) -> Mapping[str, Any]:
    """As figures keep it: the value, and both kinds of intervals; null where there is no number."""
    if not (math.isfinite(estimate.value) and math.isfinite(estimate.error)):
        return {"value": None, "fixed": None, "sequential": None}
    fixed, always = estimate.interval(), estimate.sequence(n, tuned_for=tuned_for)
    return {
        "value": estimate.value,
        "error": estimate.error,
        "fixed": [*fixed, estimate.chance()],
        "sequential": [*always, estimate.chance_at_all_looks(n, tuned_for=tuned_for)],
    }


def _mixture(tuned_for: float, alpha: float) -> float:
    """The square of rho."""
    told = -2 * math.log(alpha)
    return (told + math.log(told + 1)) / tuned_for


def unit_weights(k: int, place: int) -> Floats:
    """Of one column alone, among so many."""
    made = np.zeros(k)
    made[place] = 1.0
    return made


def adjusting_weights(treated: Arm, control: Arm, column: int, given: Sequence[int]) -> Floats:
    """Of the columns' differences in the adjusted one. Columns that do not vary, or repeat others, weigh nothing."""
    weights = unit_weights(len(treated.means), column)
    places = [each for each in given if each != column]
    if places:
        both = treated.covariances / treated.n + control.covariances / control.n
        scale = np.sqrt(np.diag(both)[places])
        scale[scale == 0] = 1.0
        inside = both[np.ix_(places, places)] / np.outer(scale, scale)
        weights[places] = -np.linalg.lstsq(inside, both[places, column] / scale, rcond=1e-9)[0] / scale
    return weights


def _of_weights(treated: Arm, control: Arm, weights: Floats, value: float) -> Estimate:
    return _summed(treated, weights, control, weights, value)


def _summed(treated: Arm, up: Floats, control: Arm, down: Floats, value: float) -> Estimate:
    """With the degrees of freedom of Welch and Satterthwaite."""
    parts = [float(each @ arm.covariances @ each) / arm.n for arm, each in ((treated, up), (control, down))]
    variance = max(sum(parts), 0.0)
    if variance == 0:
        return Estimate(value, 0.0, float(treated.n + control.n - 2))
    freedom = variance**2 / sum(
        part**2 / (arm.n - 1) for part, arm in zip(parts, (treated, control), strict=True) if part
    )
    return Estimate(value, math.sqrt(variance), freedom)
