"""Peers: what sells best, bent to those who declare the same; for customers who did nothing yet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.profile import Profile
from engine.summed import best_first


def peers(
    profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """What sells best where they live, or with those who came the same way, or told the same of themselves."""
    known = bundle.peers.words.rows(profile.declared)
    known = known[known >= 0]
    if not len(known):
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    items = bundle.peers.items
    bend = np.exp(bundle.peers.bend[known].sum(axis=0, dtype=np.float64))
    scores = (bundle.statistics.recent[items] * bend).astype(np.float32)
    return best_first(items, scores)
