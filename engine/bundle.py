"""Bundle: all that a storefront process needs, as of one moment, in one directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.catalog import Catalog
from engine.ids import IdMap
from engine.index import ItemIndex
from engine.learned import Factors, ItemStatistics, Leaders, Neighbours, Scores
from engine.profile import History, Profile


@dataclass(frozen=True)
class Bundle:
    as_of: int
    users: IdMap
    items: IdMap
    catalog: Catalog
    history: History
    statistics: ItemStatistics
    popular: Leaders
    trending: Leaders
    best_of_category: Neighbours
    neighbours: Neighbours
    similar_users: Scores
    graph: Scores
    factors: Factors
    index: ItemIndex
    type_weights: NDArray[np.float32]
    half_lives: NDArray[np.float32]
    rankings: dict = field(default_factory=dict)

    @cached_property
    def category_recent(self) -> NDArray[np.float32]:
        codes = self.catalog.category
        known = codes >= 0
        return np.bincount(codes[known], self.statistics.recent[known], minlength=1).astype(np.float32)

    def interests(self, profile: Profile, now: float) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        if not len(profile):
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        w = self.type_weights[profile.types] * np.exp2((profile.times - now) / 86400.0 / self.half_lives[profile.types])
        keys, at = np.unique(profile.items, return_inverse=True)
        s = np.bincount(at, w).astype(np.float32)
        good = s > 0
        keys, s = keys[good], s[good]
        o = np.argsort(-s, kind="stable")
        return keys[o], s[o]

    def user_vector(self, profile: Profile):
        if profile.is_stored and len(profile):
            return self.factors.users[profile.row]
        return None
