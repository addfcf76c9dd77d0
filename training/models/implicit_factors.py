"""Matrix factorisation of implicit interest: ALS and BPR (the only file that imports implicit)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from scipy import sparse
from threadpoolctl import threadpool_limits

from engine.learned import Factors
from training.models.contract import Interactions, ModelFamily


def _als(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Factors:
    """Weighted least squares over all pairs, absent ones included.

    Hu, Koren, Volinsky: Collaborative filtering for implicit feedback datasets (2008); solved by
    conjugate gradients. The same numbers on any number of threads: every row is solved alone.
    """
    matrix = _confidence(interactions.fading(params["half_life_days"]), params)
    # implicit splits its own rows over threads: BLAS threads inside them would only fight.
    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=_rank(params["factors"], interactions),
            regularization=params["regularization"],
            alpha=params["alpha"],
            iterations=params["iterations"],
            num_threads=threads,
            random_state=seed,
        )
        model.fit(matrix, show_progress=False)
    return _known_only(model.user_factors, model.item_factors, matrix)


def _bpr(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Factors:
    """Pairs of a chosen and a random item, put in order by stochastic gradients.

    Rendle et al.: BPR, Bayesian personalized ranking from implicit feedback (2009). Weights are not
    used, only who met what. Repeatable with one thread; several write over each other without locks.
    """
    matrix = interactions.fading(params["half_life_days"])
    with threadpool_limits(limits=1, user_api="blas"):
        model = BayesianPersonalizedRanking(
            factors=_rank(params["factors"], interactions),
            learning_rate=params["learning_rate"],
            regularization=params["regularization"],
            iterations=params["iterations"],
            num_threads=threads,
            random_state=seed,
        )
        model.fit(matrix, show_progress=False)
    return _known_only(model.user_factors, model.item_factors, matrix, bias=True)


def _confidence(fading: sparse.csr_matrix, params: Mapping[str, Any]) -> sparse.csr_matrix:
    """log1p of the weights, and frequent items held down by their number of users to a power."""
    matrix = fading.astype(np.float32, copy=True)
    matrix.data = np.log1p(matrix.data)
    if params["popularity_power"]:
        users = np.maximum(np.bincount(matrix.indices, minlength=matrix.shape[1]), 1)
        discount = (users / users.mean()) ** -params["popularity_power"]
        matrix.data *= discount[matrix.indices].astype(np.float32)
    return matrix


def _rank(factors: int, interactions: Interactions) -> int:
    # More factors than rows or columns are noise, and the library does not mind them.
    return max(1, min(int(factors), interactions.n_users, interactions.n_items))


def _known_only(users: np.ndarray, items: np.ndarray, matrix: sparse.csr_matrix, *, bias: bool = False) -> Factors:
    """Who and what has no interaction keeps no random start values: such a user gets no taste, only biases.

    With a bias the last dimension is 1 for users and the item's bias; an item never met gets the least.
    """
    users, items = np.array(users, dtype=np.float32), np.array(items, dtype=np.float32)
    nobody = np.diff(matrix.indptr) == 0
    never = np.bincount(matrix.indices, minlength=matrix.shape[1]) == 0
    tastes = slice(None, -1) if bias else slice(None)
    users[nobody, tastes] = 0.0
    items[never, tastes] = 0.0
    if bias:
        items[never, -1] = items[~never, -1].min()
    return Factors(users=users, items=items)


ALS = ModelFamily(
    name="als",
    meaning="Implicit alternating least squares: tastes as factors, absent pairs count as weak dislikes.",
    learn=_als,
    defaults={
        "factors": 64,
        "regularization": 5.0,
        "alpha": 1.0,
        "iterations": 12,
        "half_life_days": 60.0,
        "popularity_power": 0.0,
    },
    slow=True,
)
BPR = ModelFamily(
    name="bpr",
    meaning="Bayesian personalised ranking: what a user met shall score above what the user did not.",
    learn=_bpr,
    defaults={
        "factors": 16,
        "learning_rate": 0.01,
        "regularization": 0.1,
        "iterations": 40,
        "half_life_days": None,
    },
    slow=True,
)
