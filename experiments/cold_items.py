"""Items never sold before a cut but present in the catalogue: can their attributes find their buyers?"""

from __future__ import annotations

from typing import Any

import numpy as np

from training.evaluate import Truth, bootstrap_interval, paired_difference, truth_from
from training.interactions import purchase_counts
from training.models.top_lists import best_of
from training.recipe import Recipe
from training.shop_data import ShopData
from training.snapshot import fit, interactions_at

_LENGTH = 100


def cold_items(shop: ShopData, recipe: Recipe, cut: int, end: int, *, seed: int) -> dict[str, Any]:
    """Recall@100 among the items never sold before `cut`, over the users who bought one of them until `end`.

    `hybrid` ranks them by LightFM's factors of their attributes; `category` by the sales before the cut
    of their most specific category, the same list for everybody; `random` is what chance expects.
    """
    seen = interactions_at(shop, recipe, cut)
    sold = np.bincount(seen.log.of_type("purchase").item, minlength=shop.log.n_items)
    cold = np.flatnonzero(sold == 0)
    after = shop.log.where((shop.log.time >= cut) & (shop.log.time < end))
    known = np.isin(np.arange(shop.log.n_users), seen.log.user)
    bought = purchase_counts(after.where(known[after.user]))[:, cold].tocsr()
    truth = truth_from(bought)
    users = np.flatnonzero(truth.sizes > 0)
    if not len(users):
        return {"users": 0, "items": len(cold)}
    factors: Any = fit("hybrid", seen, recipe)
    hybrid, _ = best_of((factors.users[users] @ factors.items[cold].T).astype(np.float32), _LENGTH)
    ours = _recall(hybrid, truth, users)
    codes = shop.catalog.category
    sales = np.bincount(codes[codes >= 0], sold[codes >= 0], minlength=len(shop.catalog.category_names))
    by_category = np.where(codes[cold] >= 0, sales[codes[cold]], 0).astype(np.float32)
    # Items of one category tie: a random order among them, so that no accident of ids decides.
    shuffled = by_category + np.random.default_rng(seed).random(len(cold), np.float32) * np.float32(0.5)
    category, _ = best_of(shuffled[None, :], _LENGTH)
    theirs = _recall(np.repeat(category, len(users), axis=0), truth, users)
    return {
        "users": len(users),
        "items": len(cold),
        "hybrid recall@100": _plain(bootstrap_interval(ours, seed)),
        "category recall@100": _plain(bootstrap_interval(theirs, seed)),
        "random recall@100": min(1.0, _LENGTH / len(cold)),
        "over category": _plain(paired_difference(ours, theirs, seed)),
    }


def _recall(lists: np.ndarray, truth: Truth, users: np.ndarray) -> np.ndarray:
    """Hits over the number of cold items bought, or over 100 where there were more."""
    found = [
        np.isin(truth.items[truth.indptr[user] : truth.indptr[user + 1]], line).sum()
        for user, line in zip(users, lists, strict=True)
    ]
    return np.asarray(np.asarray(found) / np.minimum(truth.sizes[users], _LENGTH))


def _plain(interval: Any) -> dict[str, float]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}
