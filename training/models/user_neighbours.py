"""What people like this user buy now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import sparse

from engine.learned import Scores
from training.models.affinity import ClassAffinity
from training.models.contract import Interactions, ModelFamily
from training.models.popularity import popular_share, winning_rate
from training.models.top_lists import top_of_each


def _similar_users(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Scores:
    """The fading frequencies of the `neighbours` most similar users, averaged by similarity.

    Similarity is the cosine of long-memory histories (log1p, rare items count more: inverse document
    frequency). Own items add `own` parts of the user's frequencies; items new to the user are
    weighed by what makes people begin with them (`_new_to`). Neighbours and own frequencies as in
    Hu et al.: Modeling personalized item frequency for next-basket recommendation (2020).
    """
    alike = _unit_rows(interactions.fading(params["half_life_days"]), params["idf_power"])
    everyone = alike.T.tocsr()
    wants = interactions.fading(params["wants_half_life_days"]).astype(np.float32, copy=True)
    wants.data = np.minimum(wants.data, params["most_per_user"])
    share = params["popularity"] * popular_share(wants)
    fresh = _new_to(interactions, wants, params)

    def score(users: slice) -> np.ndarray:
        near = _nearest((alike[users] @ everyone).toarray(), users.start, params["neighbours"])
        found = np.asarray((near @ wants).toarray(), dtype=np.float32)
        found += share
        dense: np.ndarray = found * fresh(users)
        known = interactions.bought[users]
        row = np.repeat(np.arange(known.shape[0]), np.diff(known.indptr))
        dense[row, known.indices] = (1.0 - params["own"]) * found[row, known.indices]
        own = wants[users]
        row = np.repeat(np.arange(own.shape[0]), np.diff(own.indptr))
        dense[row, own.indices] += params["own"] * own.data
        dense[dense <= 0] = -np.inf
        return dense

    indptr, items, scores = top_of_each(
        score, interactions.bought, top_new=params["top_new"], top_own=params["top_own"]
    )
    return Scores(indptr=indptr, items=items, scores=scores)


def _new_to(
    interactions: Interactions, wants: sparse.csr_matrix, params: Mapping[str, Any]
) -> Callable[[slice], np.ndarray]:
    """How much more an item that is new to the user counts: float32 [users or 1, items], at most of the order of 1.

    `newcomer_power`: neighbours mostly buy again; an item counts by the share of its buyers that are
    first ones. `affinity_power`: and by the user's liking for its classes.
    """
    rate = winning_rate(interactions, params["newcomer_half_life_days"], params["prior_users"])
    usual = np.asarray(wants.sum(axis=0)).ravel() / max(1, interactions.n_users)
    # The constants keep items that hardly sold from ratios of chance.
    winning = ((rate + 1e-6) / (usual + 1e-4)) ** params["newcomer_power"]
    winning = ((1.0 - params["own"]) * winning / max(float(winning.max(initial=0.0)), 1e-12)).astype(np.float32)
    if interactions.item_features is None or not params["affinity_power"]:
        return lambda users: winning[None, :]
    liking = ClassAffinity(
        interactions.bought,
        interactions.item_features,
        power=params["affinity_power"],
        prior=params["affinity_prior"],
        attributes=tuple(params["affinity_attributes"]),
    )
    return lambda users: winning[None, :] * liking.of(users)


def _unit_rows(matrix: sparse.csr_matrix, idf_power: float) -> sparse.csr_matrix:
    n_users = matrix.shape[0]
    users = np.maximum(np.bincount(matrix.indices, minlength=matrix.shape[1]), 1)
    # The one added keeps an item that everybody has from vanishing: two users may share nothing else.
    idf = np.log((n_users + 1) / users) ** idf_power
    rows = matrix.astype(np.float32, copy=True)
    rows.data = (np.log1p(rows.data) * idf[rows.indices]).astype(np.float32)
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    rows.data /= np.repeat(np.maximum(length, 1e-12), np.diff(rows.indptr)).astype(np.float32)
    return rows


def _nearest(similar: np.ndarray, first_user: int, k: int) -> sparse.csr_matrix:
    """Similarities [users, n_users] cut to each row's `k` best others, adding up to 1."""
    here = np.arange(len(similar))
    similar[here, first_user + here] = 0.0
    if k < similar.shape[1]:
        least = np.partition(similar, similar.shape[1] - k, axis=1)[:, similar.shape[1] - k]
        similar[similar < least[:, None]] = 0.0
    near = sparse.csr_matrix(similar)
    total = np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1e-12)
    near.data /= np.repeat(total, np.diff(near.indptr)).astype(np.float32)
    return near


USER_NEIGHBOURS = ModelFamily(
    name="user_neighbours",
    meaning="What the most similar users buy now, mixed with the user's own frequencies.",
    learn=_similar_users,
    defaults={
        "neighbours": 300,
        "half_life_days": float("inf"),
        "wants_half_life_days": 21.0,
        "most_per_user": 1.0,
        "idf_power": 1.0,
        "own": 0.3,
        "popularity": 1e-3,
        "newcomer_power": 0.6,
        "newcomer_half_life_days": 30.0,
        "prior_users": 100.0,
        "affinity_power": 0.2,
        "affinity_prior": 1.0,
        "affinity_attributes": (),
        "top_new": 200,
        "top_own": 100,
    },
    needs_time=True,
    uses_features=True,
)
