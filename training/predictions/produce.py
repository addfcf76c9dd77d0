"""Produce a prediction: one run from the lake to rows in the lake, recorded in MLflow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from rich.table import Table

from engine.settings import Settings
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_predictions import replace_predictions
from training.predictions.outcome import Trained, told
from training.predictions.recipe import PredictionRecipe
from training.predictions.record import record
from training.predictions.run import train_prediction
from training.tracking import Tracker


@dataclass(frozen=True, slots=True)
class Predicted:
    """A prediction that stands in the lake, and the run that made it."""

    trained: Trained
    run_id: str
    seconds: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        found = self.trained
        return {
            "prediction": found.recipe.name,
            "as_of": found.as_of.isoformat(),
            "rows": found.rows.num_rows,
            "chosen": found.chosen,
            "written": found.written,
            "better_than_recency": found.is_better,
            "sentence": found.sentence(),
            "periods": {name: each.isoformat() for name, each in found.periods.items()},
            **found.figures,
            "run_id": self.run_id,
            "seconds": self.seconds,
        }

    def table(self) -> Table:
        """The comparison with recency alone, for a person; the caption says what was written."""
        found, test = self.trained, self.trained.figures["test"]
        ece = "ece" if found.is_better else "ece_of_recency"  # of what is written
        table = Table(title=f"Prediction {found.recipe.name}: {_meaning(found.recipe)}")
        for name in ("AUC with its 95 % interval", found.chosen, "recency alone", "difference"):
            table.add_column(name, justify="left" if name.startswith("AUC") else "right")
        for name, each in (("validation", found.validation), ("test", found.test)):
            table.add_row(name, told(each.model), told(each.recency), told(each.difference, "+"))
        table.caption = (
            f"{found.sentence()}\n"
            f"Calibration error on the test period {test[ece]:.3f} (below {test[f'{ece}_by_chance']:.3f} is chance); "
            f"{test['base_rate']:.1%} of {test['users']:,} users did it.\n"
            f"{found.rows.num_rows:,} rows as of {found.as_of:%Y-%m-%d %H:%M} are in the lake, run {self.run_id}."
        )
        return table


def produce_prediction(
    home: Home,
    settings: Settings,
    recipe: PredictionRecipe,
    *,
    until: datetime | None,
    say: Callable[[str], None] = lambda _: None,
) -> Predicted:
    """Train, record, and let the new rows take the place of the prediction's former ones.

    A model that does not beat recency alone is not written: what is written then, and said, is recency alone.
    Raises what `train_prediction` does, and StoreUnavailable without MLflow; the former rows stay in any case.
    """
    trained = train_prediction(Lake(home), recipe, until=until, say=say)
    say("record in MLflow, write into the lake")
    start = time.perf_counter()
    run_id = record(
        Tracker(home, settings), trained, lambda run: replace_predictions(home, recipe.name, _rows(trained.rows, run))
    )
    seconds = {**trained.seconds, "record": time.perf_counter() - start}
    return Predicted(trained, run_id, {stage: round(value, 2) for stage, value in seconds.items()})


def _rows(rows: pa.Table, run_id: str) -> pa.Table:
    none = np.zeros(rows.num_rows, np.int64)
    rows = rows.append_column("run_id", pa.array([run_id]).take(pa.array(none)))
    written_at = pa.array([int(time.time() * 1_000_000)], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    return rows.append_column("written_at", written_at.take(pa.array(none)))


def _meaning(recipe: PredictionRecipe) -> str:
    did = {
        "purchase": "orders within",
        "churn": "orders nothing within",
        "category": "orders in the category within",
    }[recipe.predicts]
    return f"who ordered in the last {recipe.active} days {did} {recipe.horizon_days} days"
