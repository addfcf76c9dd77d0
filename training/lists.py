"""The lists that a storefront would have shown: what is evaluated is what is served."""

from __future__ import annotations

import numpy as np

from engine.bundle import Bundle
from engine.recommend.placements import Placement
from engine.recommend.query import Query
from engine.recommend.recommender import recommend


def served(bundle: Bundle, placement: Placement, users: np.ndarray, k: int) -> np.ndarray:
    """[len(users), k] item rows at the bundle's moment, best first, -1 where a list is shorter."""
    lists = np.full((len(users), k), -1, np.int32)
    for line, user in enumerate(users):
        query = Query(placement, bundle.history.profile(int(user)), bundle.manifest.as_of, limit=k)
        rows = [each.row for each in recommend(query, bundle)]
        lists[line, : len(rows)] = rows
    return lists
