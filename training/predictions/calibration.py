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
        return np.asarray((1 - _LINE) * np.interp(line, self.at, self.value) + _LINE * line)


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
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0))))


def log_odds(chance: np.ndarray) -> np.ndarray:
    inside = np.clip(chance, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(inside / (1 - inside)))


def fit_logistic(
    rows: np.ndarray, targets: np.ndarray, weights: np.ndarray, *, towards: np.ndarray, ridge: np.ndarray
) -> np.ndarray:
    """Weights [k] of rows float [n, k], so that logistic(rows @ weights) fits `targets` [n], from 0 to 1.

    Newton's method, each step halved until it helps. `ridge` [k] is how strongly a weight is held at `towards` [k].
    """

    def loss(found: np.ndarray) -> float:
        odds = rows @ found
        away = found - towards
        return float(weights @ (np.logaddexp(0.0, odds) - targets * odds) + away @ (ridge * away) / 2)

    found, now = towards, loss(towards)
    for _ in range(100):
        chance = logistic(rows @ found)
        slope = rows.T @ (weights * (chance - targets)) + ridge * (found - towards)
        bend = (rows * (weights * np.maximum(chance * (1 - chance), 1e-9))[:, None]).T @ rows + np.diag(ridge + 1e-9)
        change = np.linalg.solve(bend, slope)
        while (after := loss(found - change)) > now and np.abs(change).max() > 1e-9:
            change = change / 2
        if after > now:
            break
        found, gained, now = found - change, now - after, after
        if gained < 1e-9 * (1 + abs(now)):
            break
    return found


def _line(odds: np.ndarray, outcomes: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Slope (above 0) and intercept; outcomes are taken as a little less than certain (Platt 1999)."""
    hits = float(weights[outcomes].sum())
    misses = float(weights.sum()) - hits
    targets = np.where(outcomes, (hits + 1) / (hits + 2), 1 / (misses + 2))
    rows = np.stack([odds, np.ones(len(odds))], axis=1)
    slope, intercept = fit_logistic(rows, targets, weights, towards=np.array([1.0, 0.0]), ridge=np.array([1.0, 0.0]))
    return max(float(slope), 1e-3), float(intercept)
