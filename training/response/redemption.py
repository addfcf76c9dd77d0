"""Who redeems an offer when given it: a chance for each customer and arm."""

from __future__ import annotations

import numpy as np

from training.boosting import Trees, boost
from training.response.effects import with_level
from training.response.growing import Wish
from training.response.trial import Trial

_ROUNDS = 80
_TREES = {
    "objective": "binary", "learning_rate": 0.1, "num_leaves": 8, "min_data_in_leaf": 200, "lambda_l2": 5.0,
    "max_bin": 31, "feature_fraction": 0.8,
}  # fmt: skip


def learn_redemption(trial: Trial, wish: Wish) -> Trees:
    """One model on all who got an arm; its last column is the arm's level."""
    given = trial.where(trial.arm > 0)
    levels = np.array(trial.levels, np.float32)[given.arm - 1]
    params = {**_TREES, "seed": wish.seed, "num_threads": wish.threads}
    if wish.monotone:
        params["monotone_constraints"] = [*[0] * len(trial.names), 1]
    return boost(with_level(given.columns, levels), given.redeemed, params, _ROUNDS, names=(*trial.names, "level"))
