"""PredictionModel: learned hazards, calibrated, with the refits that say how sure they are.

The horizon is cut into steps. A learner gives each step a hazard: the chance to order within it for whoever has not
ordered before it; the chance to order within the horizon follows by multiplying. With one step that is plain
classification. The file travels with registered models and imports nothing of ours but its neighbours that do too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from training.boosting import Trees
from training.predictions.calibration import Calibration, log_odds, logistic

_AT_ONCE = 200_000  # rows


class Learned(Protocol):
    """What a learner leaves: it gives rows float32 [n, features] their raw log odds to order within the horizon."""

    def odds(self, columns: np.ndarray) -> np.ndarray: ...

    def as_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Recency:
    """The baseline: the later the last order, the likelier the next. `column` holds the days since."""

    column: int

    def odds(self, columns: np.ndarray) -> np.ndarray:
        return -np.log1p(columns[:, self.column].astype(np.float64))

    def as_json(self) -> dict[str, Any]:
        return {"kind": "recency", "column": self.column}


@dataclass(frozen=True, slots=True)
class Logistic:
    """Hazards whose log odds are a sum: `weights` [features + steps] of log1p(features), standardised, and the step."""

    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    steps: int

    def odds(self, columns: np.ndarray) -> np.ndarray:
        features = len(self.centre)
        common = ((logged(columns) - self.centre) / self.scale) @ self.weights[:features]
        return _survived([common + self.weights[features + step] for step in range(self.steps)])

    def as_json(self) -> dict[str, Any]:
        told = {name: getattr(self, name).tolist() for name in ("centre", "scale", "weights")}
        return {"kind": "logistic", "steps": self.steps, **told}


@dataclass(frozen=True, slots=True)
class Boosted:
    """Hazards by boosted trees; with several steps the last column of a row is the step's number."""

    trees: Trees
    steps: int
    threads: int = 1

    def odds(self, columns: np.ndarray) -> np.ndarray:
        if self.steps == 1:
            return _survived([self.trees.values(columns, threads=self.threads)])
        return _survived(
            [self.trees.values(with_step(columns, step), threads=self.threads) for step in range(self.steps)]
        )

    def as_json(self) -> dict[str, Any]:
        return {"kind": "trees", "steps": self.steps, "trees": self.trees.text}


@dataclass(frozen=True, slots=True)
class PredictionModel:
    """`fits` are the learned model and its calibration, then those of the refits on users drawn with replacement.

    `is_absence` predicts that nothing is ordered. `names` are the columns that it asks for.
    """

    names: tuple[str, ...]
    is_absence: bool
    fits: tuple[tuple[Learned, Calibration], ...]

    def predict(self, columns: np.ndarray) -> np.ndarray:
        """Probability with the bounds of its 90 % interval, float64 [3, n]: score, low, high.

        The bounds are the 5th and 95th percentile of what the refits say: how far the probability would move had other
        users been seen. They do not say how the one user will decide. A bound never crosses the score.
        """
        parts = [columns[begin : begin + _AT_ONCE] for begin in range(0, len(columns), _AT_ONCE)]
        found = [self._predict(part) for part in parts]
        return np.concatenate(found, axis=1) if found else np.zeros((3, 0))

    def _predict(self, columns: np.ndarray) -> np.ndarray:
        chances = np.stack([calibration(learned.odds(columns)) for learned, calibration in self.fits])
        if self.is_absence:
            chances = 1 - chances
        score = chances[0]
        low, high = np.quantile(chances[1:], [0.05, 0.95], axis=0) if len(chances) > 1 else (score, score)
        return np.asarray(np.clip(np.stack([score, np.minimum(low, score), np.maximum(high, score)]), 0.0, 1.0))

    def to_text(self) -> str:
        """All of it as JSON."""
        fits = [
            {
                "learned": learned.as_json(),
                "line": [calibration.slope, calibration.intercept],
                "at": calibration.at.tolist(),
                "value": calibration.value.tolist(),
            }
            for learned, calibration in self.fits
        ]
        return json.dumps({"names": self.names, "is_absence": self.is_absence, "fits": fits})


def read_model(text: str) -> PredictionModel:
    """The model that `to_text` wrote."""
    told = json.loads(text)
    fits = tuple((_learned(each["learned"]), _calibration(each)) for each in told["fits"])
    return PredictionModel(tuple(told["names"]), bool(told["is_absence"]), fits)


def logged(columns: np.ndarray) -> np.ndarray:
    """Counts and days have long tails: their logarithms do not."""
    return np.asarray(np.sign(columns) * np.log1p(np.abs(columns.astype(np.float64))))


def with_step(columns: np.ndarray, step: int | np.ndarray) -> np.ndarray:
    """The rows with the step's number as one column more."""
    numbers = np.broadcast_to(np.asarray(step, np.float32), len(columns))
    return np.concatenate([columns, numbers[:, None]], axis=1)


def _survived(hazards: Sequence[np.ndarray]) -> np.ndarray:
    """Log odds to order within all steps, from the log odds of each."""
    if len(hazards) == 1:
        return hazards[0]
    return -log_odds(np.prod([1 - logistic(each) for each in hazards], axis=0))


def _calibration(told: Mapping[str, Any]) -> Calibration:
    slope, intercept = told["line"]
    return Calibration(slope, intercept, np.array(told["at"]), np.array(told["value"]))


def _learned(told: Mapping[str, Any]) -> Learned:
    if told["kind"] == "recency":
        return Recency(told["column"])
    if told["kind"] == "trees":
        return Boosted(Trees(told["trees"]), told["steps"])
    return Logistic(np.array(told["centre"]), np.array(told["scale"]), np.array(told["weights"]), told["steps"])
