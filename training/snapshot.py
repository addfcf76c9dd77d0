"""Snapshot: a bundle as it would have been at a moment, built from nothing later."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from engine.bundle import Bundle, Manifest
from engine.index import ItemIndex
from engine.learned import Chance, Factors, Ranking
from engine.profile import History
from engine.recommend.features import FEATURES
from training.features import one_hot
from training.interactions import Log, interactions, purchase_counts, type_tables
from training.models import MODELS
from training.models.contract import Interactions, Result
from training.onward import onward_of
from training.peers import learn_peers
from training.recipe import Recipe
from training.repurchase import repurchase
from training.shop_data import ShopData
from training.statistics import best_of_category, growth, item_statistics, leaders

Progress = Callable[[str], None]

#: The families whose results a bundle carries, by the bundle's field. Which factor model it is, the recipe says.
CARRIED = {
    "neighbours": "item_neighbours",
    "baskets": "basket",
    "similar_users": "user_neighbours",
}


def interactions_at(shop: ShopData, recipe: Recipe, now: int) -> Interactions:
    """What models may learn from at `now`."""
    log = shop.log.before(now)
    return Interactions(
        matrix=interactions(log, recipe.weights, recipe.half_lives, now),
        bought=purchase_counts(log),
        log=log,
        now=now,
        weights=recipe.weights,
        half_lives=recipe.half_lives,
        item_features=one_hot(shop.item_words),
        user_features=one_hot(shop.user_words),
        strangers=None if shop.strangers is None else shop.strangers.before(now),
    )


def fit(name: str, seen: Interactions, recipe: Recipe) -> Result:
    """One family, with the recipe's parameters."""
    return MODELS[name].fit(seen, recipe.models.get(name), seed=recipe.seed, threads=recipe.threads)


def snapshot(
    shop: ShopData,
    recipe: Recipe,
    now: int,
    *,
    rankings: Mapping[str, Ranking] | None = None,
    chances: Mapping[str, Chance] | None = None,
    seen: Interactions | None = None,
    fitted: Mapping[str, Any] = MappingProxyType({}),
    say: Progress = lambda _: None,
) -> Bundle:
    """Everything a storefront would have known at `now` (epoch seconds); `rankings`, `chances` are learned before.

    `fitted` are families that were fitted on the same already, by name, and what visits taught, as `onward`.
    """
    seen = seen or interactions_at(shop, recipe, now)
    learned = _learned(seen, recipe, fitted, say)
    purchases = seen.log.of_type("purchase")
    before = shop.log.time < now
    amounts = shop.list_amounts[before][seen.log.type == purchases.type[0]] if len(purchases) else np.zeros(0)
    statistics = item_statistics(purchases, amounts, now)
    weights, half_lives = type_tables(recipe.weights, recipe.half_lives)
    factors: Factors = learned["factors"]
    params = MODELS[recipe.factors].complete(recipe.models.get(recipe.factors))
    return Bundle(
        manifest=Manifest(shop="", as_of=now, created_at=int(time.time()), features=FEATURES),
        users=shop.users,
        items=shop.items,
        catalog=shop.catalog,
        history=_history(seen.log, weights),
        statistics=statistics,
        repurchase=repurchase(purchases, shop.catalog.category, now),
        popular=leaders(statistics.recent, 300),
        trending=leaders(growth(statistics), 300),
        best_of_category=best_of_category(shop.catalog, statistics, 50),
        index=ItemIndex.build(factors.items, factors.users, n_threads=recipe.threads),
        type_weights=weights.astype(np.float32),
        half_lives=half_lives.astype(np.float32),
        fold_in=np.array([params.get("alpha", 10.0), params.get("regularization", 0.05)], np.float32),
        rankings=dict(rankings or {}),
        chances=dict(chances or {}),
        content=shop.content,
        facts=shop.facts,
        peers=learn_peers(seen.bought, shop.declared, statistics.recent, max(recipe.peers, 0.0)),
        **learned,
    )


def _learned(seen: Interactions, recipe: Recipe, fitted: Mapping[str, Any], say: Progress) -> dict[str, Any]:
    """What the families learned, by the bundle's field."""
    found: dict[str, Any] = {}
    for field, name in {**CARRIED, "factors": recipe.factors}.items():
        if name not in fitted:
            say(f"fit {name}")
        found[field] = fitted[name] if name in fitted else fit(name, seen, recipe)
    if "onward" in fitted:
        return {**found, "onward": fitted["onward"]}
    say("fit onward")
    onward = onward_of(seen, recipe.models, seed=recipe.seed, threads=recipe.threads)
    return {**found, "onward": onward}


def _history(log: Log, weights: np.ndarray) -> History:
    """The users' own happenings, each user's together, oldest first; types without weight say nothing of interest."""
    telling = np.flatnonzero(weights[log.type] != 0)
    order = telling[np.argsort(log.user[telling], kind="stable")]
    return History(
        indptr=np.searchsorted(log.user[order], np.arange(log.n_users + 1)).astype(np.int64),
        items=log.item[order],
        types=log.type[order],
        times=log.time[order],
        quantities=log.quantity[order],
    )
