"""The past of a shop, as lessons and as held-out rows: what was known at each moment, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from engine.storage.lake import Lake
from training.predictions.accuracy import Judged
from training.predictions.learners import Lesson
from training.predictions.moments import Moment, moment_at, waits
from training.predictions.recipe import PredictionRecipe

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Held:
    """A moment whose horizon is over: `columns` float32 [n, features], bool `ordered` within the horizon [n], `users`
    int64 [n] numbers and `subjects` int64 [n] places in the run's subjects."""

    columns: np.ndarray
    ordered: np.ndarray
    users: np.ndarray
    subjects: np.ndarray

    def judged(self, scores: np.ndarray) -> Judged:
        """With scores for ordering; users numbered without gaps."""
        return Judged(scores, self.ordered, np.unique(self.users, return_inverse=True)[1], self.subjects)


class Past:
    """A pinned lake seen from its moments, each read once; of more users than the recipe's most, a sample."""

    def __init__(self, lake: Lake, recipe: PredictionRecipe, first: datetime, subjects: Sequence[str]) -> None:
        self._lake, self._recipe, self._first, self._subjects = lake, recipe, first, tuple(subjects)
        self._moments: dict[datetime, Moment] = {}
        self._numbers: dict[str, int] = {}

    @property
    def people(self) -> int:
        """How many users have a number so far."""
        return len(self._numbers)

    def moment(self, at: datetime) -> Moment:
        """Everybody who was active then."""
        recipe = self._recipe
        return moment_at(
            self._lake, at, first=self._first, active_days=recipe.active, level=recipe.level, subjects=self._subjects
        )

    def lesson(self, moments: Sequence[datetime], known: datetime) -> Lesson:
        """What these moments teach somebody who stands at `known`, and so has seen nothing later."""
        recipe = self._recipe
        found = []
        for at in moments:
            moment = self._seen(at)
            found.append(
                Lesson.of(
                    moment.columns(),
                    self._waits(moment, known),
                    np.repeat(self._numbered(moment.users), moment.width),
                    seen_days=(known - at) / DAY,
                    step_days=recipe.horizon_days / recipe.steps,
                    steps=recipe.steps,
                    names=moment.names,
                    recency=moment.recency,
                )
            )
        return Lesson.joined(found)

    def held(self, at: datetime) -> Held:
        """The rows of a moment with what came of them within the horizon."""
        moment = self._seen(at)
        wait = self._waits(moment, at + self._recipe.horizon_days * DAY)
        return Held(
            moment.columns(),
            np.isfinite(wait),
            np.repeat(self._numbered(moment.users), moment.width),
            np.tile(np.arange(moment.width), len(moment.users)),
        )

    def _seen(self, at: datetime) -> Moment:
        """The users of a moment that are looked at."""
        if at not in self._moments:
            moment = self.moment(at)
            if len(moment.users) > self._recipe.most_users:
                # The same users at every moment as far as they can be: a draw by user, not by row.
                numbers = self._numbered(moment.users)
                order = np.random.default_rng(self._recipe.seed).random(int(numbers.max()) + 1)[numbers]
                moment = moment.where(np.sort(np.argsort(order, kind="stable")[: self._recipe.most_users]))
            self._moments[at] = moment
        return self._moments[at]

    def _waits(self, moment: Moment, until: datetime) -> np.ndarray:
        return waits(self._lake, moment, until, level=self._recipe.level)

    def _numbered(self, ids: np.ndarray) -> np.ndarray:
        return np.fromiter((self._numbers.setdefault(each, len(self._numbers)) for each in ids), np.int64, len(ids))
