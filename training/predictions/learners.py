"""Learners: how hazards are learned from past moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.boosting import boost
from training.predictions.calibration import fit_logistic
from training.predictions.model import Boosted, Learned, Logistic, Recency, logged, with_step

_ROUNDS = 150
_TREES = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
}
_RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """Steps that users stood before, and whether they ordered in them.

    `columns` float32 [n, features], `step` int64 [n] counts from 0, bool `ordered` [n]; `users` int64 [n] number the
    users, so that all steps of one are drawn together.
    """

    columns: np.ndarray
    step: np.ndarray
    ordered: np.ndarray
    users: np.ndarray
    steps: int
    names: tuple[str, ...]
    recency: int

    @classmethod
    def of(
        cls,
        columns: np.ndarray,
        waits: np.ndarray,
        users: np.ndarray,
        *,
        seen_days: float,
        step_days: float,
        steps: int,
        names: tuple[str, ...],
        recency: int,
    ) -> Lesson:
        """Every step that had ended `seen_days` after the moment, of users who had not ordered before it.

        `waits` [n] are the days to the next order; of a user who is watched for 40 of 90 days, the first steps teach.
        """
        rows, numbers, ordered = [], [], []
        for step in range(steps):
            begin, end = step * step_days, (step + 1) * step_days
            if end > seen_days + 1e-9:
                break
            before = np.flatnonzero(waits >= begin)
            rows.append(before)
            numbers.append(np.full(len(before), step))
            ordered.append(waits[before] < end)
        chosen = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        number = np.concatenate(numbers) if rows else chosen
        outcome = np.concatenate(ordered) if rows else np.zeros(0, bool)
        return cls(columns[chosen], number, outcome, users[chosen], steps, names, recency)

    @classmethod
    def joined(cls, lessons: Sequence[Lesson]) -> Lesson:
        first = lessons[0]
        parts: dict[str, Any] = {name: np.concatenate([getattr(each, name) for each in lessons]) for name in _ARRAYS}
        return replace(first, **parts)

    def where(self, rows: np.ndarray) -> Lesson:
        parts: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return replace(self, **parts)


_ARRAYS = ("columns", "step", "ordered", "users")


def learn(name: str, lesson: Lesson, weights: np.ndarray | None = None, *, seed: int, threads: int) -> Learned:
    """One of LEARNERS, or `recency`, which learns nothing; `weights` [n] count rows more or less, or not at all."""
    weights = np.ones(len(lesson.ordered)) if weights is None else weights
    if name == "recency":
        return Recency(lesson.recency)
    return LEARNERS[name](lesson.where(weights > 0), weights[weights > 0], seed, threads)


def _logistic(lesson: Lesson, weights: np.ndarray, seed: int, threads: int) -> Logistic:
    """Ridge logistic regression; what a step adds is free, a feature's weight is held small."""
    rows = logged(lesson.columns)
    centre, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale < 1e-6] = 1.0
    steps = (lesson.step[:, None] == np.arange(lesson.steps)).astype(np.float64)
    rows = np.concatenate([(rows - centre) / scale, steps], axis=1)
    ridge = np.r_[np.full(len(centre), _RIDGE), np.full(lesson.steps, 1e-3)]
    found = fit_logistic(rows, lesson.ordered, weights, towards=np.zeros(len(ridge)), ridge=ridge)
    return Logistic(centre, scale, found, lesson.steps)


def _trees(lesson: Lesson, weights: np.ndarray, seed: int, threads: int) -> Boosted:
    several = lesson.steps > 1
    columns = with_step(lesson.columns, lesson.step) if several else lesson.columns
    names = (*lesson.names, "step") if several else lesson.names
    params = {**_TREES, "seed": seed, "num_threads": threads}
    trees = boost(columns, lesson.ordered, params, _ROUNDS, names=names, weights=weights)
    return Boosted(trees, lesson.steps, threads)


#: By the name that a recipe's `candidates` says.
LEARNERS: Mapping[str, Callable[[Lesson, np.ndarray, int, int], Learned]] = {"logistic": _logistic, "trees": _trees}
