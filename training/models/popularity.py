"""What everybody buys now: fading popularity, and the rate at which items win new buyers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from engine.learned import Factors
from training.models.contract import Interactions, ModelFamily


def _popular(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Factors:
    """The sum over users of the fading interest in each item.

    One user counts at most `most_per_user`, so that one who buys for a canteen does not make a fashion.
    """
    fading = interactions.fading(params["half_life_days"]).copy()
    fading.data = np.minimum(fading.data, params["most_per_user"])
    return for_everybody(np.asarray(fading.sum(axis=0)).ravel(), interactions.n_users)


def _newly_bought(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Factors:
    """First purchases of each item, fading, over the users who had not bought it: for lists of new things.

    Popularity counts the faithful, who are no longer looking for the item, and forgets that those
    who still lack a popular item have passed it by. `prior_users` keeps rare items from chance heights.
    """
    rate = winning_rate(interactions, params["half_life_days"], params["prior_users"])
    return for_everybody(rate, interactions.n_users)


def winning_rate(interactions: Interactions, half_life_days: float, prior_users: float) -> np.ndarray:
    """Fading first purchases of each item per user who had not bought it: float64 [items]."""
    log = interactions.log.of_type("purchase")
    log = log.where(log.quantity > 0)
    order = np.lexsort((log.time, log.item, log.user))
    user, item = log.user[order], log.item[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
    age_days = np.maximum(interactions.now - log.time[order], 0)[begins] / 86_400
    fresh = np.bincount(item[begins], 0.5 ** (age_days / half_life_days), minlength=interactions.n_items)
    buyers = np.bincount(item[begins], minlength=interactions.n_items)
    lacking = interactions.n_users - buyers + prior_users
    return np.asarray(fresh / lacking)


def for_everybody(scores: np.ndarray, n_users: int) -> Factors:
    """One score an item, the same for all users, as factors of one dimension."""
    return Factors(users=np.ones((n_users, 1), np.float32), items=scores.astype(np.float32)[:, None])


def popular_share(matrix: sparse.csr_matrix) -> np.ndarray:
    """Each item's part of the most popular one's interest: float32 [items] in 0..1, one user one voice at most."""
    capped = matrix.copy()
    capped.data = np.minimum(capped.data, 1.0)
    total = np.asarray(capped.sum(axis=0), dtype=np.float32).ravel()
    return total / max(float(total.max(initial=0.0)), 1e-12)


POPULARITY = ModelFamily(
    name="popularity",
    meaning="What everybody buys now, fading fast.",
    learn=_popular,
    defaults={"half_life_days": 14.0, "most_per_user": 1.0},
    needs_time=True,
)
NEWLY_BOUGHT = ModelFamily(
    name="newly_bought",
    meaning="What wins buyers: first purchases among those who had never bought the item.",
    learn=_newly_bought,
    defaults={"half_life_days": 30.0, "prior_users": 100.0},
    needs_time=True,
)
