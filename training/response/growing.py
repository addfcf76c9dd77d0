"""How learners of response grow their trees: what a caller wishes, and settings for outcomes and for effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.boosting import Trees, boost
from training.response.trial import Trial

#: Of what is expected with an arm.
OUTCOME: Mapping[str, Any] = {
    "objective": "regression", "learning_rate": 0.1, "num_leaves": 8, "min_data_in_leaf": 200, "lambda_l2": 5.0,
    "max_bin": 31, "feature_fraction": 0.8,
}  # fmt: skip
OUTCOME_ROUNDS = 40
#: Of what an arm changes: a tenth as loud as the outcome, so leaves are few and large.
EFFECT: Mapping[str, Any] = {**OUTCOME, "num_leaves": 4, "min_data_in_leaf": 500}
EFFECT_ROUNDS = 80


@dataclass(frozen=True, slots=True)
class Wish:
    """How learners learn. `monotone`: more of the arms' level never means less; pooled learners keep it."""

    seed: int = 1
    threads: int = 1
    monotone: bool = False


def grown(
    columns: np.ndarray, labels: np.ndarray, params: Mapping[str, Any], rounds: int, trial: Trial, wish: Wish, *,
    level: bool = False, weights: np.ndarray | None = None,
) -> Trees:  # fmt: skip
    """Trees for rows of the trial; with `level` their last column is the arm's."""
    names = (*trial.names, "level") if level else trial.names
    told = {**params, "seed": wish.seed, "num_threads": wish.threads}
    if level and wish.monotone:
        told["monotone_constraints"] = [*[0] * len(trial.names), 1]
    return boost(columns, labels.astype(np.float64), told, rounds, names=names, weights=weights)
