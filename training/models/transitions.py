"""What people go on to: item after item, within the same visit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from engine.visits import LAST_ITEMS, Followers
from training.models.contract import Interactions, ModelFamily
from training.models.item_neighbours import heaviest
from training.visits import VisitLog, visits_of


def _transitions(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Followers:
    """Pairs of a visit at most `window` steps apart, each 1 / steps, the way back `back` times that.

    Weights are sums over pairs / (row sum ** row_power x column sum ** column_power): a row power of 1 makes shares
    of what follows; a column power keeps what everybody looks at from following everything.
    """
    visits = visits_of(interactions.telling, gap_minutes=params["gap_minutes"])
    pairs = followed_pairs(visits, visits.fading(interactions.now, params["half_life_days"]), params)
    row_sum = np.maximum(np.asarray(pairs.sum(axis=1)).ravel(), 1e-12) ** params["row_power"]
    column_sum = np.maximum(np.asarray(pairs.sum(axis=0)).ravel(), 1e-12) ** params["column_power"]
    row = np.repeat(row_sum, np.diff(pairs.indptr))
    weights = (pairs.data / row / column_sum[pairs.indices]).astype(np.float32)
    counts, items, kept = heaviest(pairs.indptr, pairs.indices, weights, params["followers"])
    return Followers(
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        items=items,
        weights=kept,
        by_age=(params["fade"] ** np.arange(LAST_ITEMS + 1)).astype(np.float32),
    )


def followed_pairs(visits: VisitLog, counts: np.ndarray, params: Mapping[str, Any]) -> sparse.csr_matrix:
    """How often an item followed another, both ways: float64 CSR [items, items]; `counts` is what each visit counts."""
    owner, shape = visits.owner, (visits.n_items, visits.n_items)
    found = sparse.csr_matrix(shape)
    # One distance at a time: all pairs of a busy shop at once would not fit.
    for steps in range(1, params["window"] + 1):
        together = owner[steps:] == owner[:-steps]
        earlier, later = visits.items[:-steps][together], visits.items[steps:][together]
        other = earlier != later
        worth = counts[owner[steps:][together][other]] / steps
        ahead = sparse.csr_matrix((worth, (earlier[other], later[other])), shape=shape)
        found = found + ahead + params["back"] * ahead.T
    found = sparse.csr_matrix(found)
    found.sort_indices()
    return found


TRANSITIONS = ModelFamily(
    name="transitions",
    meaning="What people go on to after the items that they took last.",
    learn=_transitions,
    defaults={
        "gap_minutes": 30.0,
        "window": 5,
        "back": 0.5,
        "half_life_days": 60.0,
        "row_power": 0.5,
        "column_power": 0.3,
        "fade": 0.7,
        "followers": 150,
    },
    needs_time=True,
)
