"""The graph filter and least squares in one list: they are wrong about different items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from engine.learned import Factors, Scores
from training.models import graph_filter, implicit_factors
from training.models.contract import Interactions, ModelFamily
from training.models.top_lists import keep, top_of_each


def _graph_and_factors(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Scores:
    """What both families say of an item, added: scores = graph / its best + factors_part x als / its best.

    A family's best is its highest score among what the user never bought, so that both have one scale for each user
    whatever their units; `factors_part` is what ALS weighs beside the graph, 0 is the graph filter alone. Items that
    the graph does not reach from a user are not listed. All other parameters are those of `graph_filter` and `als`,
    and `half_life_days` counts for both. Fox, Shaw: Combination of multiple searches (1994), their CombSUM. As
    repeatable as the graph filter.
    """
    als = implicit_factors.ALS
    found = als.fit(interactions, {name: params[name] for name in als.defaults}, seed=seed, threads=threads)
    assert isinstance(found, Factors)
    with threadpool_limits(limits=threads, user_api="blas"):
        graph = graph_filter.graph_scores(interactions, params, seed)

        def score(users: slice) -> np.ndarray:
            bought = interactions.bought[users]
            both = _by_best_new(graph(users), bought)
            factors = np.asarray(found.users[users] @ found.items.T, dtype=np.float32)
            both += np.float32(params["factors_part"]) * _by_best_new(factors, bought)
            return both

        indptr, items, scores = top_of_each(
            score, interactions.bought, top_new=params["top_new"], top_own=params["top_own"]
        )
    return Scores(indptr=indptr, items=items, scores=scores)


def _by_best_new(dense: np.ndarray, bought: sparse.csr_matrix) -> np.ndarray:
    """Each row, in place, divided by its highest score of an item not `bought`.

    Who has no such score above 0 is measured by the own items, and left alone where these have none either.
    """
    fresh = dense.copy()
    keep(fresh, bought, "new")
    best = fresh.max(axis=1, keepdims=True)
    best = np.where(best > 0, best, dense.max(axis=1, keepdims=True))
    dense /= np.where(best > 0, best, np.float32(1.0))
    return dense


GRAPH_AND_FACTORS = ModelFamily(
    name="graph_and_factors",
    meaning="The graph filter and least squares in one list, each measured by its best new item.",
    learn=_graph_and_factors,
    defaults={**implicit_factors.ALS.defaults, **graph_filter.GRAPH_FILTER.defaults, "factors_part": 0.7},
    slow=True,
)
