"""Buy again: a user's own items, by how often and how lately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.learned import Scores
from training.models.contract import Interactions, ModelFamily
from training.models.popularity import popular_share
from training.models.top_lists import top_of_each


def _own_frequency(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Scores:
    """The user's own fading frequencies plus a trace of popularity, which fills short histories."""
    fading = interactions.fading(params["half_life_days"])
    share = params["popularity"] * popular_share(interactions.fading(params["popularity_half_life_days"]))
    known = np.where(share > 0, share, -np.inf).astype(np.float32)

    def score(users: slice) -> np.ndarray:
        dense = np.repeat(known[None, :], users.stop - users.start, axis=0)
        own = fading[users]
        row = np.repeat(np.arange(own.shape[0]), np.diff(own.indptr))
        dense[row, own.indices] = own.data + np.maximum(share[own.indices], 0.0)
        return dense

    indptr, items, scores = top_of_each(
        score, interactions.bought, top_new=params["top_new"], top_own=params["top_own"]
    )
    return Scores(indptr=indptr, items=items, scores=scores)


FREQUENCY = ModelFamily(
    name="frequency",
    meaning="The user's own items, by how often and how lately they were bought; then what is popular.",
    learn=_own_frequency,
    defaults={
        "half_life_days": 60.0,
        "popularity": 1e-3,
        "popularity_half_life_days": 14.0,
        "top_new": 100,
        "top_own": 200,
    },
    needs_time=True,
)
