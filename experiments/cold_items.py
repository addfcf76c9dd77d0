"""Items never sold before a cut but present in the catalogue: can their attributes find their buyers?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from training.evaluate import Truth, bootstrap_interval, paired_difference, truth_from
from training.interactions import purchase_counts
from training.models.contract import Interactions
from training.models.top_lists import best_of
from training.recipe import Recipe
from training.shop_data import ShopData
from training.snapshot import fit, interactions_at

LENGTH = 100


@dataclass(frozen=True, slots=True)
class ColdItems:
    """`rows` were never sold before the cut, `sold` [n_items] is how often each was; the truth's items are places in
    `rows`, and `users` those who bought one of them after it and did something before."""

    rows: np.ndarray
    sold: np.ndarray
    truth: Truth
    users: np.ndarray


def cold_items_of(shop: ShopData, seen: Interactions, cut: int, end: int) -> ColdItems:
    """The items never sold before `cut`, and who bought them from then until `end`."""
    sold = np.bincount(seen.log.of_type("purchase").item, minlength=shop.log.n_items)
    cold = np.flatnonzero(sold == 0)
    after = shop.log.where((shop.log.time >= cut) & (shop.log.time < end))
    known = np.isin(np.arange(shop.log.n_users), seen.log.user)
    bought = purchase_counts(after.where(known[after.user]))[:, cold].tocsr()
    truth = truth_from(bought)
    return ColdItems(cold, sold, truth, np.flatnonzero(truth.sizes > 0))


def cold_items(shop: ShopData, recipe: Recipe, cut: int, end: int, *, seed: int) -> dict[str, Any]:
    """Recall@100 among the items never sold before `cut`, over the users who bought one of them until `end`.

    `hybrid` ranks them by LightFM's factors of their attributes; `category` by the sales before the cut
    of their most specific category, the same list for everybody; `random` is what chance expects.
    """
    seen = interactions_at(shop, recipe, cut)
    found = cold_items_of(shop, seen, cut, end)
    cold, users = found.rows, found.users
    if not len(users):
        return {"users": 0, "items": len(cold)}
    factors: Any = fit("hybrid", seen, recipe)
    hybrid, _ = best_of((factors.users[users] @ factors.items[cold].T).astype(np.float32), LENGTH)
    ours = recall(hybrid, found.truth, users)
    theirs = recall(np.repeat(by_category(shop, found, seed), len(users), axis=0), found.truth, users)
    return {
        "users": len(users),
        "items": len(cold),
        "hybrid recall@100": plain_interval(bootstrap_interval(ours, seed)),
        "category recall@100": plain_interval(bootstrap_interval(theirs, seed)),
        "random recall@100": min(1.0, LENGTH / len(cold)),
        "over category": plain_interval(paired_difference(ours, theirs, seed)),
    }


def by_category(shop: ShopData, cold: ColdItems, seed: int) -> np.ndarray:
    """[1, LENGTH] places of cold items by the sales of their most specific category: one list for everybody."""
    codes = shop.catalog.category
    sales = np.bincount(codes[codes >= 0], cold.sold[codes >= 0], minlength=len(shop.catalog.category_names))
    scores = np.where(codes[cold.rows] >= 0, sales[codes[cold.rows]], 0).astype(np.float32)
    # Items of one category tie: a random order among them, so that no accident of ids decides.
    shuffled = scores + np.random.default_rng(seed).random(len(cold.rows), np.float32) * np.float32(0.5)
    return best_of(shuffled[None, :], LENGTH)[0]


def recall(lists: np.ndarray, truth: Truth, users: np.ndarray) -> np.ndarray:
    """Hits over the number of cold items bought, or over 100 where there were more."""
    found = [
        np.isin(truth.items[truth.indptr[user] : truth.indptr[user + 1]], line).sum()
        for user, line in zip(users, lists, strict=True)
    ]
    return np.asarray(np.asarray(found) / np.minimum(truth.sizes[users], LENGTH))


def plain_interval(interval: Any) -> dict[str, float]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}
