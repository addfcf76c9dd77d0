"""A finished training run with planted scores, without any training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from engine.bundle import Bundle
from engine.settings import Settings, read_settings
from engine.storage.home import Home
from tests.bundles import toy_bundle
from training.evaluate import Periods
from training.outcome import Outcome, Score
from training.recipe import Recipe

PERIODS = Periods(1_690_000_000, 1_695_000_000, 1_700_000_000)
GOOD = {
    "popularity/whole": 0.1,
    "frequency/whole": 0.2,
    "home/whole": 0.3,
    "popularity/new": 0.02,
    "discover/new": 0.05,
}


def outcome(
    means: Mapping[str, float] = GOOD,
    *,
    seed: int = 1,
    bundle: Bundle | None = None,
    coverage: float = 0.5,
    periods: Periods = PERIODS,
) -> Outcome:
    """Scores on the validation period with these mean NDCGs, over all users but the first."""
    bundle = bundle or toy_bundle()
    random = np.random.default_rng(seed)
    scores = tuple(_score(name, mean, len(bundle.users), coverage, random) for name, mean in means.items())
    recipe = Recipe(name="toy")
    manifest = dataclasses.replace(
        bundle.manifest,
        shop="",
        version=0,
        recipe=dataclasses.asdict(recipe),
        data_versions={"events": 7},
        metrics={"scores": [score.row(1) for score in scores]},
    )
    return Outcome(
        recipe=recipe,
        periods=periods,
        chosen={"weights": {"view": np.float32(0.25)}, "half_lives": {"purchase": None}},
        scores=scores,
        due={},
        curves={"weights: view @ 20": [0.1, 0.2, 0.15]},
        seconds={"fit als": 2.5},
        bundle=dataclasses.replace(bundle, manifest=manifest),
    )


def settings(home: Home, **more: str) -> Settings:
    return read_settings({"HAWKER_HOME": str(home.root), **more})


def _score(name: str, mean: float, n_users: int, coverage: float, random: np.random.Generator) -> Score:
    subject, kind = name.split("/")
    values = np.clip(mean + random.normal(0.0, 0.01, n_users - 1), 0.0, 1.0)
    return Score(
        subject,
        subject in ("home", "discover"),
        "validation",
        kind,
        np.arange(1, n_users),
        {"ndcg@20": values, "recall@20": values},
        {"coverage@20": coverage, "novelty@20": 9.0},
    )
