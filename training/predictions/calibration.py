"""Calibration: raw scores become probabilities that come true as often as they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

_LEAST_OF_EACH = 300  # outcomes of both kinds below which steps would follow chance: then Platt's line alone
_LINE = 0.001  # share of Platt's line in the steps, so that the order within a step is kept


@dataclass(frozen=True, slots=True)
class Calibration:
    """Log odds -> probability: Platt's line through the log odds, then, where there is data for it, isotonic steps.

    `at` and `value` [m] are the steps' middles and heights, joined by straight lines; empty: the line alone.
    """

    slope: float
    intercept: float
    at: np.ndarray
    value: np.ndarray

    def __call__(self, odds: np.ndarray) -> np.ndarray:
        """Probabilities [n] of raw log odds [n]; a higher raw score never gets a lower one."""
        line = logistic(self.slope * odds + self.intercept)
        if not len(self.at):
            return line
        return (1 - _LINE) * np.interp(line, self.at, self.value) + _LINE * line


def calibrate(odds: np.ndarray, outcomes: np.ndarray, weights: np.ndarray | None = None) -> Calibration:
    """The calibration of raw log odds [n] by what came of them, bool [n]; `weights` [n] count rows more or less."""
    weights = np.ones(len(odds)) if weights is None else weights.astype(np.float64)
    odds, outcomes, weights = odds[weights > 0], outcomes[weights > 0], weights[weights > 0]
    slope, intercept = _line(odds, outcomes, weights)
    none = np.zeros(0)
    hits = float(weights[outcomes].sum())
    if min(hits, float(weights.sum()) - hits) < _LEAST_OF_EACH:
        return Calibration(slope, intercept, none, none)
    line = logistic(slope * odds + intercept)
    order = np.argsort(line, kind="stable")
    # Equal scores are one point: their order says nothing.
    points, place = np.unique(line[order], return_inverse=True)
    heavy = np.bincount(place, weights[order])
    found = isotonic_regression(np.bincount(place, (weights * outcomes)[order]) / heavy, weights=heavy)
    step = np.repeat(np.arange(len(found.blocks) - 1), np.diff(found.blocks))
    mass = np.bincount(step, heavy)
    heights = np.bincount(step, heavy * found.x) / mass
    # A step in which nobody, or everybody, did it is no proof that nobody ever will: half a case is added.
    heights = np.clip(heights, 0.5 / (mass[0] + 1), 1 - 0.5 / (mass[-1] + 1))
    return Calibration(slope, intercept, np.bincount(step, heavy * points) / mass, heights)


def logistic(odds: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))


def log_odds(chance: np.ndarray) -> np.ndarray:
    inside = np.clip(chance, 1e-9, 1 - 1e-9)
    return np.log(inside / (1 - inside))


def _line(odds: np.ndarray, outcomes: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Slope (above 0) and intercept by Newton's method, towards 1 and 0 where there is little data (Platt 1999)."""
    hits = float(weights[outcomes].sum())
    misses = float(weights.sum()) - hits
    targets = np.where(outcomes, (hits + 1) / (hits + 2), 1 / (misses + 2))
    found = np.array([1.0, 0.0])
    rows = np.stack([odds, np.ones(len(odds))])
    for _ in range(50):
        chance = logistic(found @ rows)
        slope_of_loss = rows @ (weights * (chance - targets)) + np.array([1.0, 0.0]) * (found - [1.0, 0.0])
        curvature = (rows * (weights * np.maximum(chance * (1 - chance), 1e-6))) @ rows.T + np.diag([1.0, 1e-9])
        change = np.clip(np.linalg.solve(curvature, slope_of_loss), -2.0, 2.0)
        found = found - change
        if np.abs(change).max() < 1e-9:
            break
    return max(float(found[0]), 1e-3), float(found[1])
