"""Outcome: what a training run measured, before anybody publishes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.bundle import Bundle
from training.evaluate import Evaluation, Interval, Periods, bootstrap_interval
from training.recipe import Recipe

K = 20  # the length of the lists that are judged


@dataclass(frozen=True, slots=True)
class Score:
    """How good one model's or placement's lists were in one period.

    `kind` says which purchases counted: `whole` all, `new` never bought before, `repeat` bought before.
    `users` are the rows that the per-user arrays belong to, so that two scores can be paired.
    """

    subject: str
    is_placement: bool
    period: str
    kind: str
    users: np.ndarray
    per_user: Mapping[str, np.ndarray]
    catalogue: Mapping[str, float]

    @classmethod
    def of(cls, subject: str, period: str, kind: str, found: Evaluation, *, is_placement: bool = False) -> Score:
        return cls(subject, is_placement, period, kind, found.users, found.per_user, found.catalogue)

    def interval(self, metric: str, seed: int) -> Interval:
        return bootstrap_interval(self.per_user[metric], seed)

    def row(self, seed: int) -> dict[str, Any]:
        """Means and the bounds of their 95 % bootstrap intervals, as plain numbers."""
        measured: dict[str, Any] = {}
        for name in (f"recall@{K}", f"ndcg@{K}"):
            interval = self.interval(name, seed)
            measured[name] = {"mean": interval.mean, "low": interval.low, "high": interval.high}
        return {
            "subject": self.subject,
            "is_placement": self.is_placement,
            "period": self.period,
            "kind": self.kind,
            "users": len(self.users),
            **measured,
            **self.catalogue,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run: the bundle that would be served, and the evidence for it.

    `chosen` is what the validation period decided, `due` how often what was called due again was bought, by period,
    `curves` what was measured on the way to it (name -> values by step), `seconds` by stage. The bundle's manifest
    carries the scores' rows.
    """

    recipe: Recipe
    periods: Periods
    chosen: Mapping[str, Any]
    scores: tuple[Score, ...]
    due: Mapping[str, Any]
    curves: Mapping[str, list[float]]
    seconds: Mapping[str, float]
    bundle: Bundle

    def find(self, subject: str, period: str, kind: str) -> Score:
        return next(s for s in self.scores if (s.subject, s.period, s.kind) == (subject, period, kind))
