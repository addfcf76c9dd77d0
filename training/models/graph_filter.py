"""A low-pass filter over the user-item graph: normalised co-occurrence plus its low-rank part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from engine.learned import Scores
from training.models.contract import Interactions, ModelFamily
from training.models.top_lists import top_of_each

_OVERSAMPLING = 24
_POWER_ITERATIONS = 3
#: Float32 rounding, as a part of a user's highest score.
_NOISE = 1e-6
#: From this density on, products with a sparse matrix are quicker dense.
_DENSE_FROM = 0.15


def _graph_filter(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Scores:
    """The best of `graph_scores` for every user."""
    with threadpool_limits(limits=threads, user_api="blas"):
        score = graph_scores(interactions, params, seed)
        indptr, items, scores = top_of_each(
            score, interactions.bought, top_new=params["top_new"], top_own=params["top_own"]
        )
    return Scores(indptr=indptr, items=items, scores=scores)


def graph_scores(interactions: Interactions, params: Mapping[str, Any], seed: int) -> Callable[[slice], np.ndarray]:
    """What each item is worth to users, by what is bought together: R (N' N + low_rank x S V V' S^-1).

    Called with a slice of users it gives float32 [len, n_items]; what the graph does not reach is -inf. N is R
    normalised, S the item scale, V the top singular vectors of N.
    Shen et al.: How powerful is graph convolution for recommendation? (2021), where both powers are
    one half; a lower `item_power` favours popular items. R is log1p of the weights, or 1 for each pair
    with `binary`. Repeatable up to the rounding of threaded linear algebra.
    """
    history = interactions.fading(params["half_life_days"]).astype(np.float32, copy=True)
    history.data = np.ones_like(history.data) if params["binary"] else np.log1p(history.data)
    smooth, item_scale = _normalised(history, params["user_power"], params["item_power"])
    by_item = smooth.T.tocsr()
    rank = min(int(params["rank"]), *smooth.shape)
    ideal = right_singular_vectors(smooth, by_item, rank, seed)
    # Items without interaction have scale 0: they have no place in the graph, and no score.
    back = params["low_rank"] * ideal.T * np.where(item_scale > 0, 1.0 / np.maximum(item_scale, 1e-12), 0.0)
    tastes = (history @ sparse.diags_array(item_scale)) @ ideal

    def score(users: slice) -> np.ndarray:
        dense = _through_users(history[users], by_item, smooth)
        dense += np.asarray(tastes[users] @ back, dtype=np.float32)
        # What is left of cancelled terms proposes nothing, and neither does a score below nothing.
        dense[dense <= _NOISE * dense.max(axis=1, keepdims=True)] = -np.inf
        return dense

    return score


def _through_users(mine: sparse.csr_matrix, by_item: sparse.csr_matrix, smooth: sparse.csr_matrix) -> np.ndarray:
    """mine @ by_item @ smooth, dense float32: by way of the users, since all pairs of items would not fit."""
    alike = mine @ by_item
    if alike.nnz > _DENSE_FROM * alike.shape[0] * alike.shape[1]:
        return np.ascontiguousarray((by_item @ alike.toarray().T).T, dtype=np.float32)
    return np.asarray((alike @ smooth).toarray(), dtype=np.float32)


def right_singular_vectors(
    matrix: sparse.csr_matrix, transposed: sparse.csr_matrix, rank: int, seed: int
) -> np.ndarray:
    """The `rank` leading right singular vectors, float32 [columns, rank], by subspace iteration from random rows.

    Halko, Martinsson, Tropp: Finding structure with randomness (2011).
    """
    if rank == 0:
        return np.zeros((matrix.shape[1], 0), dtype=np.float32)
    width = min(rank + _OVERSAMPLING, *matrix.shape)
    start = np.random.default_rng(seed).standard_normal((matrix.shape[0], width), dtype=np.float32)
    basis = _orthonormal(transposed @ start)
    for _ in range(_POWER_ITERATIONS):
        basis = _orthonormal(transposed @ _orthonormal(matrix @ basis))
    # The small problem in the basis: its right singular vectors turn the basis into the matrix's.
    image = (matrix @ basis).astype(np.float64)
    _, turn = np.linalg.eigh(image.T @ image)
    return np.ascontiguousarray((basis @ turn[:, ::-1])[:, :rank], dtype=np.float32)


def _orthonormal(block: np.ndarray) -> np.ndarray:
    """The column space of a tall block by the eigenvectors of its small Gram matrix: ten times quicker than QR.

    Directions without any weight become zero columns.
    """
    block = block.astype(np.float64)
    values, vectors = np.linalg.eigh(block.T @ block)
    solid = values > 1e-12 * max(float(values.max(initial=0.0)), 1e-300)
    scale = np.where(solid, 1.0 / np.sqrt(np.where(solid, values, 1.0)), 0.0)
    return np.asarray(block @ (vectors * scale), dtype=np.float32)


def _normalised(
    history: sparse.csr_matrix, user_power: float, item_power: float
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Rows divided by their sum to `user_power`, columns by theirs to `item_power`; and the column scale float32."""
    user_sum = np.asarray(history.sum(axis=1), dtype=np.float64).ravel()
    item_sum = np.asarray(history.sum(axis=0), dtype=np.float64).ravel()
    user_scale = np.where(user_sum > 0, np.maximum(user_sum, 1e-12) ** -user_power, 0.0)
    item_scale = np.where(item_sum > 0, np.maximum(item_sum, 1e-12) ** -item_power, 0.0).astype(np.float32)
    smooth = history.copy()
    smooth.data = (smooth.data * np.repeat(user_scale, np.diff(smooth.indptr)) * item_scale[smooth.indices]).astype(
        np.float32
    )
    return smooth, item_scale


GRAPH_FILTER = ModelFamily(
    name="graph_filter",
    meaning="Normalised co-occurrence, smoothed over the whole graph: finds new items.",
    learn=_graph_filter,
    defaults={
        "rank": 64,
        "low_rank": 0.3,
        "half_life_days": 60.0,
        "user_power": 0.5,
        "item_power": 0.3,
        "binary": False,
        "top_new": 200,
        "top_own": 100,
    },
)
