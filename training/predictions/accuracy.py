"""Accuracy of probabilities: AUC with bootstrap intervals, calibration error, lift; each as one figure.

Users are drawn with replacement, each with all rows, so that a user with rows in ten categories counts as one. Where
rows have subjects, the AUC is taken within each of them and averaged: across them, being popular would be all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluate import Interval

_ROUNDS = 1000
_BINS = 10
LEAST_OF_EACH = 10  # users with and without the outcome, below which an AUC says nothing


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows to be judged: `scores` and bool `outcomes` [n]; `users` [n] counts users from 0, `subjects` [n] subjects."""

    scores: np.ndarray
    outcomes: np.ndarray
    users: np.ndarray
    subjects: np.ndarray


def auc(scores: np.ndarray, outcomes: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The chance that who did it scores above who did not; equal scores count half. NaN when one kind is missing."""
    if weights is None:
        weights = np.ones((1, len(scores)), np.float32)
    return float(_aucs(scores, outcomes, weights)[0])


def auc_interval(judged: Judged, *, seed: int) -> Interval:
    """AUC and its 95 % bootstrap interval."""
    return _interval(_resampled([judged], seed)[0])


def auc_difference(ours: Judged, theirs: Judged, *, seed: int) -> Interval:
    """How much higher the AUC of `ours` is on the same rows: both are drawn together."""
    first, second = _resampled([ours, theirs], seed)
    return _interval(first - second)


def calibration_error(chances: np.ndarray, outcomes: np.ndarray) -> float:
    """ECE: the mean distance between what was said and what came, in ten groups of equal size by what was said."""
    order = np.argsort(chances, kind="stable")
    groups = [each for each in np.array_split(order, _BINS) if len(each)]
    return float(sum(abs(float(chances[g].mean() - outcomes[g].mean())) * len(g) for g in groups) / len(order))


def error_by_chance(chances: np.ndarray, *, seed: int) -> float:
    """The ECE that perfect probabilities of these heights stay below in 95 of 100 cases: what few rows cost."""
    rng = np.random.default_rng(seed)
    drawn = [calibration_error(chances, rng.random(len(chances)) < chances) for _ in range(200)]
    return float(np.quantile(drawn, 0.95))


def brier(chances: np.ndarray, outcomes: np.ndarray) -> float:
    """The mean squared distance between what was said and what came."""
    return float(((chances - outcomes) ** 2).mean())


def lift(scores: np.ndarray, outcomes: np.ndarray, share: float = 0.1) -> float:
    """How many times more often it came true in the best `share` than in all."""
    best = np.argsort(-scores, kind="stable")[: max(1, round(share * len(scores)))]
    return float(outcomes[best].mean() / max(float(outcomes.mean()), 1e-9))


def tellable(outcomes: np.ndarray) -> bool:
    """Whether there are enough of both kinds for an AUC."""
    return bool(min(outcomes.sum(), (~outcomes).sum()) >= LEAST_OF_EACH)


def _resampled(several: Sequence[Judged], seed: int) -> np.ndarray:
    """AUCs [len(several), 1 + rounds], averaged over subjects; the first column is of the users as they are."""
    first = several[0]
    people = int(first.users.max()) + 1
    rng = np.random.default_rng(seed)
    parts = [np.flatnonzero(first.subjects == each) for each in np.unique(first.subjects)]
    parts = [part for part in parts if tellable(first.outcomes[part])]
    found = []
    at_once = max(1, 4_000_000 // max(people, 1))
    for begin in range(0, _ROUNDS + 1, at_once):
        rounds = min(at_once, _ROUNDS + 1 - begin)
        drawn = np.stack([np.bincount(rng.integers(0, people, people), minlength=people) for _ in range(rounds)])
        if begin == 0:
            drawn[0] = 1
        drawn = drawn.astype(np.float32)
        by_subject = [
            [_aucs(each.scores[part], each.outcomes[part], drawn[:, each.users[part]]) for part in parts]
            for each in several
        ]
        # In a draw that lacks one kind in a subject, that subject has no AUC.
        found.append(np.nanmean(np.array(by_subject), axis=1) if parts else np.full((len(several), rounds), np.nan))
    return np.concatenate(found, axis=1)


def _aucs(scores: np.ndarray, outcomes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One AUC for each line of `weights` [rounds, n]."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    weights = weights[:, order]
    hit = np.add.reduceat(weights * outcomes[order], starts, axis=1, dtype=np.float64)
    miss = np.add.reduceat(weights * ~outcomes[order], starts, axis=1, dtype=np.float64)
    below = np.cumsum(miss, axis=1) - miss / 2
    pairs = hit.sum(axis=1) * miss.sum(axis=1)
    return np.where(pairs > 0, (hit * below).sum(axis=1) / np.maximum(pairs, 1e-9), np.nan)


def _interval(values: np.ndarray) -> Interval:
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return Interval(mean=float(values[0]), low=float(low), high=float(high))
