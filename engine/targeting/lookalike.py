"""Lookalike: who resembles the members of a segment most, by a regularised logistic regression on their traits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import NotEnoughData

#: Fewer seeds do not tell what they have in common.
LEAST_SEEDS = 20
_PENALTY = 1.0
_ROUNDS = 25


@dataclass(frozen=True, slots=True)
class Likeness:
    """What seeds have in common: `beta` weighs a constant, the values in standard deviations from `means` [f] by
    `scales` [f], and a mark for each of those in `marked` [f] that is not known.
    """

    beta: NDArray[np.float64]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    marked: NDArray[np.bool_]

    def of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much each of n customers resembles the seeds, 0 to 1, from trait values [n, f], NaN where not known."""
        return _sigmoid(_points(values, self.means, self.scales, self.marked) @ self.beta)


def learn_likeness(values: NDArray[np.float64], seeds: NDArray[np.bool_]) -> Likeness:
    """Learn from trait values [n, f] of some customers what sets those in `seeds` [n] apart.

    Logistic regression with an L2 penalty, fitted by Newton's method (iteratively reweighted least squares); both sides
    weigh the same, so that 0.5 is where a customer is as much like the seeds as like the others. NotEnoughData for
    fewer than LEAST_SEEDS seeds, or when nobody is left to be compared with.
    """
    number = int(seeds.sum())
    if number < LEAST_SEEDS:
        raise NotEnoughData(f"a lookalike needs at least {LEAST_SEEDS} members to resemble; there are {number}")
    if number == len(seeds):
        raise NotEnoughData("everybody is in the segment already; nobody is left to resemble it")
    means, scales, marked = _standard(values)
    points = _points(values, means, scales, marked)
    target = seeds.astype(np.float64)
    weights = np.where(seeds, 0.5 / number, 0.5 / (len(seeds) - number)) * len(seeds)
    beta = np.zeros(points.shape[1])
    penalty = np.full(points.shape[1], _PENALTY)
    penalty[0] = 1e-9  # the constant is not held back
    for _ in range(_ROUNDS):
        chance = _sigmoid(points @ beta)
        slope = points.T @ (weights * (target - chance)) - penalty * beta
        curve = (points * (weights * chance * (1 - chance))[:, None]).T @ points + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        beta = beta + step
        if np.abs(step).max() < 1e-8:
            break
    return Likeness(beta, means, scales, marked)


def _sizes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Money and counts have long tails; their order of magnitude is what tells."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _standard(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Means and deviations of the sizes that are known, and which columns are known of some and not of others."""
    known = np.isfinite(values)
    sizes = np.where(known, _sizes(np.where(known, values, 0.0)), 0.0)
    count = np.maximum(known.sum(axis=0), 1)
    means = sizes.sum(axis=0) / count
    scales = np.sqrt((np.where(known, sizes - means, 0.0) ** 2).sum(axis=0) / count)
    return means, scales, np.asarray((~known).any(axis=0) & known.any(axis=0))


def _points(
    values: NDArray[np.float64], means: NDArray[np.float64], scales: NDArray[np.float64], marked: NDArray[np.bool_]
) -> NDArray[np.float64]:
    known = np.isfinite(values)
    sizes = _sizes(np.where(known, values, 0.0))
    told = np.where(known & (scales > 1e-9), (sizes - means) / np.maximum(scales, 1e-9), 0.0)
    return np.column_stack([np.ones(len(values)), np.clip(told, -5, 5), (~known[:, marked]).astype(np.float64)])


def _sigmoid(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(value, -30, 30))))
