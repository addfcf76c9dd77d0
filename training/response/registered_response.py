"""The registered response: what MLflow loads, in a process that knows nothing of Hawker.

It travels with the few files that it needs, see `TRAVELS`. MLflow calls `_load_pyfunc` by name; no pickle is involved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.response.model import ResponseModel, read_model

#: The files below `training` that travel with a registered response: this one, and all that it imports of ours.
TRAVELS = (
    "__init__.py",
    "boosting.py",
    "response/__init__.py",
    "response/effects.py",
    "response/model.py",
    "response/registered_response.py",
)


class RegisteredResponse:
    """Answers for a table with the model's columns."""

    def __init__(self, model: ResponseModel) -> None:
        self.model = model

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """The table's rows with the columns of `ResponseModel.outputs`."""
        redeem, extra = self.model.predict(model_input[list(self.model.names)].to_numpy().astype(np.float32))
        values = np.concatenate([redeem, extra], axis=1)
        return model_input[[]].assign(**dict(zip(self.model.outputs, values.T, strict=True)))


def _load_pyfunc(path: str) -> RegisteredResponse:
    """MLflow's entry: `path` is the model's file within the logged model."""
    return RegisteredResponse(read_model(Path(path).read_text()))
