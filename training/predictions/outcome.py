"""Trained: what a prediction's run chose, measured and says of each user, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from training.evaluate import Interval
from training.predictions.model import PredictionModel
from training.predictions.recipe import PredictionRecipe


@dataclass(frozen=True, slots=True)
class Comparison:
    """One period: the AUC of the chosen model and of recency alone, and how much higher the model's is."""

    model: Interval
    recency: Interval
    difference: Interval

    @property
    def is_better(self) -> bool:
        """Whether the model beats recency alone by more than chance would."""
        return self.difference.low > 0

    def as_json(self) -> dict[str, Any]:
        return {name: interval_json(getattr(self, name)) for name in ("model", "recency", "difference")}


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run.

    `chosen` is the candidate that was best on validation, `written` what made the rows: the same, or `recency` where
    the gate says that nothing better is known. `figures` are plain numbers for reports, `rows` has the columns of the
    lake's predictions but name, run_id and written_at.
    """

    recipe: PredictionRecipe
    as_of: datetime
    periods: Mapping[str, datetime]
    chosen: str
    validation: Comparison
    test: Comparison
    figures: Mapping[str, Any]
    rows: pa.Table
    model: PredictionModel
    data_versions: Mapping[str, int]
    seconds: Mapping[str, float]

    @property
    def is_better(self) -> bool:
        """The gate: better than recency alone on validation, where it was chosen, and again on the test period.

        The test period can only take the model away, it never chooses one.
        """
        return self.validation.is_better and self.test.is_better

    @property
    def written(self) -> str:
        return self.chosen if self.is_better else "recency"

    def sentence(self) -> str:
        """What to think of it, in one line."""
        test = self.test
        begin = (
            f"{self.recipe.name}: AUC {told(test.model)} on the test period, recency alone {told(test.recency)}; "
            f"difference {told(test.difference, sign='+')}"
        )
        if self.is_better:
            return f"{begin}: better than recency alone."
        where = " and ".join(
            name for name, each in (("validation", self.validation), ("test", test)) if not each.is_better
        )
        return (
            f"{begin}: NOT better than recency alone outside its 95 % interval ({where} period). "
            "What is written are the calibrated probabilities of recency alone."
        )


def told(interval: Interval, sign: str = "") -> str:
    return f"{interval.mean:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


def interval_json(interval: Interval) -> dict[str, float]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}
