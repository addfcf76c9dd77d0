"""Quotients: a difference as a part of the control's mean, with bounds that hold also where that mean is poorly known.

The usual interval by the delta method takes the mean below the line for known. Early in a trial it is not, and then it
misses the truth at some look more often than it says (the benchmark measured one test in six, of revenue). So the
bounds are those parts that the difference itself, taken at them, does not refute. Source: Fieller (1954).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.trials.effects import Arm, adjusting_weights, unit_weights


@dataclass(frozen=True, slots=True)
class Quotient:
    """Two estimates, one divided by the other, with the variances and the covariance of both."""

    above: float
    below: float
    above_variance: float
    below_variance: float
    covariance: float

    @property
    def change(self) -> float:
        """How much more than 1 the quotient is; NaN where nothing can be divided by."""
        return self.above / self.below - 1 if self.below else math.nan

    def bounds(self, reach: float) -> tuple[float, float] | None:
        """Of the change, with so many standard errors of the difference to each side.

        None where the number below the line lies so near to 0 that no part can be refuted.
        """
        square = reach**2
        a = self.below**2 - square * self.below_variance
        b = self.above * self.below - square * self.covariance
        c = self.above**2 - square * self.above_variance
        if not a > 0:
            return None
        root = math.sqrt(max(b * b - a * c, 0.0))
        return (b - root) / a - 1, (b + root) / a - 1


def part_told(part: Quotient | None, reach: float) -> dict[str, float | None]:
    """The change as figures keep it: `value`, `low` and `high`; null where there is no number, and bounds also while
    the number below the line may as well be 0."""
    if part is None or not math.isfinite(part.change):
        return dict.fromkeys(("value", "low", "high"))
    low, high = part.bounds(reach) or (None, None)
    return {"value": part.change, "low": low, "high": high}


def mean_quotient(treated: Arm, control: Arm, column: int, *, given: Sequence[int] = ()) -> Quotient:
    """Of a column's means, what is above adjusted for the columns `given` as `effects.difference` is."""
    weights = adjusting_weights(treated, control, column, given)
    rest = weights - unit_weights(len(weights), column)
    base = float(control.means[column])
    # The adjusted difference and the control's mean: so both questions, of more and of how much, get the same answer.
    above = float(weights @ (treated.means - control.means)) + base
    spread = treated.covariances / treated.n
    below = control.covariances / control.n
    return Quotient(
        above,
        base,
        float(weights @ spread @ weights + rest @ below @ rest),
        float(below[column, column]),
        float(-rest @ below[:, column]),
    )


def ratio_quotient(treated: Arm, control: Arm, above: int, below: int) -> Quotient | None:
    """Of a ratio of means, such as clicks of what was shown; None where an arm has nothing below the line."""
    found = []
    for arm in (treated, control):
        bottom = float(arm.means[below])
        if bottom == 0:
            return None
        value = float(arm.means[above]) / bottom
        weights = (unit_weights(len(arm.means), above) - value * unit_weights(len(arm.means), below)) / bottom
        found.append((value, float(weights @ arm.covariances @ weights) / arm.n))
    (top, top_variance), (base, base_variance) = found
    return Quotient(top, base, top_variance, base_variance, 0.0)
