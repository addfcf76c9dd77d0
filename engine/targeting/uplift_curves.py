"""Uplift curves: what is gained when the customers who are said to gain most are treated first.

Definitions that differ in the literature are pinned here. With scores best first, the first k rows weigh
T = sum of 1/p over those of them who got the chosen arm, C = sum of 1/p over those who got nothing; YT and YC are the
sums of y/p. p is the known chance of what a row got; rows that got another arm weigh nothing, so that several arms
are judged at once: each row's own chosen arm against nothing. Rows of equal score enter together.

    qini(k)   = (YT - YC x T / C) / T(all)                   what the treated among the first k gained, a customer
    uplift(k) = (YT / T - YC / C) x k / n                     the same if all of the first k were treated

Where nobody among the first k got nothing (C = 0), or the arm (T = 0), nothing is known of them yet: 0.
The x axis is k / n. An order by chance lies on the straight line to the last point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.targeting.uplift import ROUNDS, Arms, Estimate, Floats, Logged, drawn_weights, estimate


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Points of both curves, x from 0 to 1, and their areas in units of the outcome a customer.

    `qini` is the area between the Qini curve and the straight line to its end: 0 for an order by chance. `auuc` is the
    whole area under the uplift curve: half of the mean effect for an order by chance.
    """

    x: Floats
    qini_curve: Floats
    uplift_curve: Floats
    qini: Estimate
    auuc: Estimate

    def as_json(self, points: int = 11) -> dict[str, Any]:
        """The areas, and the curves at equal steps."""
        at = np.linspace(0, 1, points)
        curves = {"qini_curve": self.qini_curve, "uplift_curve": self.uplift_curve}
        told = {name: np.interp(at, self.x, each).round(6).tolist() for name, each in curves.items()}
        return {"qini": self.qini.as_json(), "auuc": self.auuc.as_json(), **told}


def curves(scores: ArrayLike, chosen: ArrayLike, outcome: ArrayLike, logged: Logged, *, seed: int,
           rounds: int = ROUNDS) -> Curves:  # fmt: skip
    """Both curves of an order by `scores` [n], best first, where each customer would get the arm `chosen` [n].

    `outcome` [n] is what is counted: orders, money, money less cost.
    Sources: Radcliffe, "Using control groups to target on predicted lift", 2007 (Qini); Gutierrez and Gerardy, PMLR 67,
    2017 (uplift curve); weights for unequal chances as in Belbahri et al., 2021.
    """
    first, areas = _drawn(scores, chosen, outcome, logged, seed, rounds)
    return Curves(*first, estimate(areas[0]), estimate(areas[1]))


def qini_difference(ours: tuple[ArrayLike, ArrayLike], theirs: tuple[ArrayLike, ArrayLike], outcome: ArrayLike,
                    logged: Logged, *, seed: int, rounds: int = ROUNDS) -> Estimate:  # fmt: skip
    """How much larger the Qini area of the first (scores, chosen) is; customers are drawn together."""
    first, second = (_drawn(*each, outcome, logged, seed, rounds)[1][0] for each in (ours, theirs))
    return estimate(first - second)


def _drawn(
    scores: ArrayLike, chosen: ArrayLike, outcome: ArrayLike, logged: Logged, seed: int, rounds: int
) -> tuple[tuple[Floats, Floats, Floats], Floats]:
    """The curves' points, and both areas [2, 1 + rounds]: of the customers as they are, then of each draw."""
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    ranked = np.asarray(scores, np.float64)[order]
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
    rows = _Rows.of(order, np.asarray(chosen), np.asarray(outcome, np.float64), logged)
    found: list[Floats] = []
    points: list[Floats] = []
    # Drawn in the order of the trial, so that two orders are judged by the same customers.
    for block in drawn_weights(logged.user, len(order), seed=seed, rounds=rounds):
        x, qini, uplift = rows.points(block[:, order], ends)
        points = points or [x[0], qini[0], uplift[0]]
        found.append(np.stack([_area(x, qini) - qini[:, -1] / 2, _area(x, uplift)]))
    return (points[0], points[1], points[2]), np.concatenate(found, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """What the rows, best first, weigh [n]: as treated, as untreated, and both times the outcome."""

    parts: NDArray[np.float64]

    @classmethod
    def of(cls, order: Arms, chosen: Arms, outcome: Floats, logged: Logged) -> _Rows:
        treated = ((logged.arm == chosen) & (chosen > 0)) / logged.propensity
        nothing = (logged.arm == 0) / logged.propensity
        return cls(np.stack([treated, nothing, treated * outcome, nothing * outcome])[:, order])

    def points(self, weights: Floats, ends: Arms) -> tuple[Floats, Floats, Floats]:
        """x, Qini and uplift [draws, 1 + steps] from how often each row counts [draws, n]."""
        treated, nothing, won, won_alone = (_summed(weights * part, ends) for part in self.parts)
        rows = _summed(weights.astype(np.float64), ends)
        x = rows / rows[:, -1:]
        both = (treated > 0) & (nothing > 0)
        alone = np.divide(won_alone, nothing, out=np.zeros_like(won_alone), where=both)
        mean = np.divide(won, treated, out=np.zeros_like(won), where=both)
        all_treated = np.where(treated[:, -1:] > 0, treated[:, -1:], np.nan)
        return x, np.where(both, won - alone * treated, 0.0) / all_treated, (mean - alone) * x


def _summed(weights: Floats, ends: Arms) -> Floats:
    """Running sums at the ends of steps, beginning with 0."""
    sums = np.cumsum(weights, axis=1, dtype=np.float64)[:, ends]
    return np.concatenate([np.zeros((len(weights), 1)), sums], axis=1)


def _area(x: Floats, y: Floats) -> Floats:
    return np.asarray((np.diff(x, axis=1) * (y[:, 1:] + y[:, :-1]) / 2).sum(axis=1))
