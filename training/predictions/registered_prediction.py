"""The registered prediction: what MLflow loads, in a process that knows nothing of Hawker.

It travels with the few files that it needs, see `TRAVELS`. MLflow calls `_load_pyfunc` by name; no pickle is involved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.predictions.model import PredictionModel, read_model

#: The files below `training` that travel with a registered prediction: this one, and all that it imports of ours.
TRAVELS = (
    "__init__.py",
    "boosting.py",
    "predictions/__init__.py",
    "predictions/calibration.py",
    "predictions/model.py",
    "predictions/registered_prediction.py",
)


class RegisteredPrediction:
    """Answers for a table with the model's columns."""

    def __init__(self, model: PredictionModel) -> None:
        self.model = model

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """The table's rows with three columns: `score` and the bounds of its 90 % interval, `low` and `high`."""
        columns = model_input[list(self.model.names)].to_numpy().astype(np.float32)
        score, low, high = self.model.predict(columns)
        return model_input[[]].assign(score=score, low=low, high=high)


def _load_pyfunc(path: str) -> RegisteredPrediction:
    """MLflow's entry: `path` is the model's file within the logged model."""
    return RegisteredPrediction(read_model(Path(path).read_text()))
