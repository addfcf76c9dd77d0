"""Bench `nextbasket`: what is in a customer's next basket, on Ta-Feng's five keysets, beside the published table.

Protocol of Li et al. (A next basket recommendation reality check): all customers' histories are known, the next baskets
of the keyset's train customers teach, its val customers choose, its test customers are asked once. Measured is the
list `home` as a storefront would serve it, from a bundle that holds nothing of the others' next baskets.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from engine.bundle import Bundle
from engine.recommend.placements import PLACEMENTS
from experiments.authors_metrics import authors_metrics
from experiments.basket_shop import NOW, knowing, next_baskets, open_shop
from experiments.findings import Asked, Conditions, Findings
from experiments.tafeng import read_tafeng
from training import ranking
from training.lists import served
from training.recipe import Recipe, parse_recipe
from training.shop_data import ShopData
from training.snapshot import snapshot


@dataclass(frozen=True, slots=True)
class Way:
    """A recipe of `hawker train` as its TOML would say it, and what the train customers' next baskets teach.

    As `purchases` they are the latest purchases of the shop besides: what is popular now, what others like the user
    bought. To the `ranking alone` they only say what should have stood on top; models then know histories alone.
    """

    recipe: Mapping[str, Any] = field(default_factory=dict)
    next_teaches: Literal["ranking alone", "purchases and ranking"] = "purchases and ranking"


K = 10
RECALL, NDCG, HITS = f"recall@{K}", f"ndcg@{K}", f"hit_rate@{K}"
#: Computed on these very files and keysets, none from the next baskets of the train customers.
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "G-TopFreq": {RECALL: 0.0831, NDCG: 0.0864, HITS: 0.2498},
    "P-TopFreq": {RECALL: 0.1069, NDCG: 0.0955, HITS: 0.3473},
    "GP-TopFreq": {RECALL: 0.1211, NDCG: 0.1015, HITS: 0.3691},
    "GP-TopFreq, fading by 0.9 a basket": {RECALL: 0.1244, NDCG: 0.1014, HITS: 0.3876},
    "user neighbours": {RECALL: 0.1488, NDCG: 0.1240, HITS: 0.4354},
}
#: What is tried on the val customers of each keyset.
TRIED: Mapping[str, Way] = {
    "default recipe": Way(),
    "900 neighbours": Way({"models": {"user_neighbours": {"neighbours": 900}}}),
    "default recipe, histories alone": Way(next_teaches="ranking alone"),
}
_FOLDS = 3
_QUICK_USERS = 900


def measure_nextbasket(conditions: Conditions) -> Findings:
    """Each keyset by itself: learn what is tried, choose on val, ask the test once; then the mean over the five."""
    data = read_tafeng(conditions.data_set("tafeng_nextbasket"))
    if conditions.quick:
        data = data.of_users(_QUICK_USERS, seed=conditions.seed)
    shop = open_shop(data.baskets, conditions.scratch / "tafeng")
    keysets: list[dict[str, Any]] = []
    for number, parts in enumerate(data.keysets):
        # Some of the published keysets are the same customers under another number.
        same = next((n for n in range(number) if _is_same(data.keysets[n], parts)), None)
        if same is None:
            keysets.append(_measure_keyset(shop, parts, threads=1 if conditions.quick else _cores()))
        else:
            keysets.append({**keysets[same], "same_as": same})
    ours = {metric: float(np.mean([each["test"][metric] for each in keysets])) for metric in (RECALL, NDCG, HITS)}
    rows = sorted([*PUBLISHED.items(), ("Hawker home", ours)], key=lambda row: -row[1][RECALL])
    figures = {"table": dict(rows), "keysets": {str(number): each for number, each in enumerate(keysets)}}
    asked = (
        Asked("recall@10 on test, mean of five keysets", ours[RECALL], at_least=0.155),
        Asked("ndcg@10 on test, mean of five keysets", ours[NDCG], at_least=0.130),
    )
    return Findings(figures, () if conditions.quick else asked)


def learn(shop: ShopData, train: np.ndarray, way: Way, *, threads: int) -> Bundle:
    """A bundle as of now that knows the histories of all and, of next baskets, those of the `train` users at most.

    A part of them at a time teaches the ranking, by a bundle that does not know that part's next baskets.
    """
    recipe = parse_recipe({"name": "nextbasket", "threads": threads, **way.recipe})
    if way.next_teaches == "ranking alone":
        known = snapshot(knowing(shop, train[:0]), recipe, NOW)
        replays = [_replay(known, shop, train, recipe.ranking_users, recipe)]
    else:
        fold = np.random.default_rng(recipe.seed).permutation(np.arange(len(train)) % _FOLDS)
        replays = []
        for part in range(_FOLDS):
            before = snapshot(knowing(shop, train[fold != part]), recipe, NOW)
            most = max(1, recipe.ranking_users // _FOLDS)
            replays.append(_replay(before, shop, train[fold == part], most, recipe))
        known = snapshot(knowing(shop, train), recipe, NOW)
    learned = ranking.learn(replays, seed=recipe.seed, threads=threads)
    return replace(known, rankings={"home": learned})


def _replay(bundle: Bundle, shop: ShopData, users: np.ndarray, most: int, recipe: Recipe) -> ranking.Replay:
    return ranking.replay(bundle, PLACEMENTS["home"], next_baskets(shop, users), most, seed=recipe.seed)


def judge(bundle: Bundle, shop: ShopData, users: np.ndarray) -> dict[str, float]:
    """The list `home` of these users, as served, held against their next baskets."""
    lists = served(bundle, PLACEMENTS["home"], users, K)
    truth = next_baskets(shop, users)
    found = authors_metrics(lists, truth, users, k=K, n_items=shop.log.n_items, ideal="whole truth")
    return {name: float(values.mean()) for name, values in found.items()}


def _measure_keyset(shop: ShopData, parts: Mapping[str, np.ndarray], *, threads: int) -> dict[str, Any]:
    began = time.perf_counter()
    bundles, validation = {}, {}
    for name, way in TRIED.items():
        bundles[name] = learn(shop, parts["train"], way, threads=threads)
        validation[name] = judge(bundles[name], shop, parts["val"])
    chosen = max(validation, key=lambda name: validation[name][RECALL])
    test = judge(bundles[chosen], shop, parts["test"])
    return {"validation": validation, "chosen": chosen, "test": test, "seconds": time.perf_counter() - began}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _is_same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[part], other[part]) for part in one)
