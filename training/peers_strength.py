"""Peers' strength: how far what new customers declare may bend the best sellers for them.

It is chosen on the validation period, over customers who are treated as if they were new; 0 leaves the best sellers as
they are.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from training.evaluate import Periods, Truth, measure, truth_of
from training.models.contract import Interactions
from training.outcome import K
from training.peers import LEAST_PEOPLE, learn_peers, lists_of
from training.recipe import Recipe
from training.shop_data import ShopData
from training.snapshot import interactions_at
from training.statistics import recent_sales

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_FOLDS, _MOST_USERS = 2, 4_000


def with_peers(shop: ShopData, recipe: Recipe, cuts: Periods, curves: dict[str, list[float]]) -> Recipe:
    """The recipe with that strength, chosen where it does not say one; what was tried goes into `curves`."""
    if recipe.peers >= 0:
        return recipe
    seen = interactions_at(shop, recipe, cuts.validation)
    recent = recent_sales(seen.log.of_type("purchase"), cuts.validation)
    strength, tried = choose_strength(shop, seen, recent, cuts, seed=recipe.seed)
    if tried:
        curves["peers of new customers"] = tried
    return dataclasses.replace(recipe, peers=strength)


def choose_strength(
    shop: ShopData, seen: Interactions, recent: np.ndarray, cuts: Periods, *, seed: int
) -> tuple[float, list[float]]:
    """How far declared words may bend the best sellers: the strength that serves customers best who are treated as new
    in the validation period, and the NDCG of each of STRENGTHS.

    Half of them are judged by what the other half declares and buys, and the other way round, so that nobody speaks for
    their own list. 0 where nobody declares anything. `seen` and `recent` are of the beginning of that period.
    """
    after = shop.log.where((shop.log.time >= cuts.validation) & (shop.log.time < cuts.test))
    truth = truth_of(after, seen)
    users = np.flatnonzero((truth.sizes > 0) & np.array([bool(words) for words in shop.declared], bool))
    users = np.sort(np.random.default_rng(seed).permutation(users)[:_MOST_USERS])
    if len(users) < LEAST_PEOPLE:
        return 0.0, []
    fold = np.random.default_rng(seed).permutation(shop.log.n_users) % _FOLDS
    found = np.zeros((len(STRENGTHS), len(users)))
    for number in range(_FOLDS):
        judged = fold[users] == number
        if not judged.any():
            continue
        others = seen.bought.multiply((fold != number)[:, None]).tocsr()
        others.eliminate_zeros()
        for at, strength in enumerate(STRENGTHS):
            peers = learn_peers(others, shop.declared, recent, strength)
            lists = lists_of(peers, recent, [shop.declared[user] for user in users[judged]])
            found[at, judged] = _ndcg(lists, truth, users[judged], shop.log.n_items)
    curve = found.mean(axis=1)
    return STRENGTHS[int(np.argmax(curve))], [float(value) for value in curve]


def _ndcg(lists: np.ndarray, truth: Truth, users: np.ndarray, n_items: int) -> np.ndarray:
    return measure(lists, truth, users=users, popularity=np.ones(n_items), k=K).per_user[f"ndcg@{K}"]
