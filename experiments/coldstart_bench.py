"""Bench `coldstart`: customers who did nothing yet and items that nobody bought yet, as served, beside popularity.

Two shops. The Complete Journey has demographics of a third of its households and neither region nor source. The
generated shop has region, source, age and gender (the source is drawn by lot: it says nothing there), and items are
launched in it. Each fifth of the customers in turn is treated as new: nothing of theirs is learned from, and their list
is held against what they bought after the cut. Those who really arrive after it, in the generated shop, are told, too.

How far words bend the best sellers is chosen on the 28 days before the cut; the days after it are looked at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.profile import unknown
from engine.recommend.placements import PLACEMENTS
from engine.recommend.query import Query
from engine.recommend.recommender import recommend
from engine.storage.home import Home
from engine.storage.imports.run import ImportRequest, run_import
from engine.storage.lake import Lake
from experiments.cold_items import plain_interval
from experiments.findings import Asked, Conditions, Findings
from experiments.new_items import new_items
from experiments.shop import ShopSize, generate
from training.evaluate import Periods, Truth, bootstrap_interval, measure, paired_difference, truth_from
from training.interactions import purchase_counts
from training.models.contract import Interactions
from training.outcome import K
from training.peers import learn_peers
from training.peers_strength import choose_strength
from training.recipe import Recipe, read_recipe
from training.run import periods_of
from training.shop_data import ShopData, read_shop
from training.snapshot import interactions_at, snapshot
from training.statistics import leaders, recent_sales

_NDCG, _RECALL = f"ndcg@{K}", f"recall@{K}"
_FOLDS = 5
_WHOLE, _QUICK = ShopSize(users=8_000, items=3_000, days=180), ShopSize(users=600, items=300, days=120)
Words = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Shop:
    """A shop at its cut: what is learned from lies before it, what is judged after it."""

    lake: Lake
    data: ShopData
    recipe: Recipe
    cuts: Periods
    seen: Interactions
    bundle: Bundle
    strength: float
    curve: list[float]


def measure_coldstart(conditions: Conditions) -> Findings:
    """New customers and new items of both shops."""
    seed, generated = conditions.seed, _generated(conditions)
    found = {"generated": {"arrivals": _arrivals(generated, seed), **_both(generated, seed)}}
    if conditions.quick:  # so few people say nothing: only whether all of it runs
        return Findings(found)
    found["journey"] = _both(_journey(conditions), seed)
    return Findings(found, _asked(found))


def _asked(found: Mapping[str, Any]) -> tuple[Asked, ...]:
    asked = []
    for shop, metric in (("journey", "recall@100"), ("generated", "ndcg@20")):
        users = found[shop]["new users"]["all words"]["over popularity"]["low"]
        items = found[shop]["new items"][f"over category {metric}"]["low"]
        asked += [
            Asked(f"{shop}, new users: NDCG@20 less popularity, lower bound", users, at_least=0),
            Asked(f"{shop}, new items: {metric} less category popularity, lower bound", items, at_least=0),
        ]
    return tuple(asked)


def _journey(conditions: Conditions) -> _Shop:
    home = Home(conditions.scratch / "journey")
    run_import(home, ImportRequest(preset="complete-journey"), now=datetime.now(UTC))
    return _at_cut(Lake(home), read_shop(Lake(home)), conditions.seed)


def _generated(conditions: Conditions) -> _Shop:
    made = generate(_QUICK if conditions.quick else _WHOLE, seed=conditions.seed)
    lake = Lake(Home(conditions.scratch / "generated"))
    lake.put_items(made.items)
    lake.put_users(made.users)
    lake.append_events(made.events)
    return _at_cut(lake, read_shop(lake), conditions.seed)


def _at_cut(lake: Lake, shop: ShopData, seed: int) -> _Shop:
    recipe = read_recipe("default")
    cuts = periods_of(shop, recipe)
    before = interactions_at(shop, recipe, cuts.validation)
    recent = recent_sales(before.log.of_type("purchase"), cuts.validation)
    strength, curve = choose_strength(shop, before, recent, cuts, seed=seed)
    seen = interactions_at(shop, recipe, cuts.test)
    bundle = snapshot(shop, dataclasses.replace(recipe, peers=strength), cuts.test, seen=seen)
    return _Shop(lake, shop, recipe, cuts, seen, bundle, strength, curve)


def _both(shop: _Shop, seed: int) -> dict[str, Any]:
    return {
        "new users": _treated_as_new(shop, seed),
        "strength chosen on validation": shop.strength,
        "NDCG@20 by strength on validation": shop.curve,
        "new items": new_items(shop.lake, shop.data, shop.bundle, shop.seen, shop.cuts, seed=seed),
    }


def _bought_after(shop: _Shop, users: np.ndarray) -> Truth:
    """What these users bought in the test period, of the items that were sold or seen before it."""
    log = shop.data.log
    known_item = np.isin(np.arange(log.n_items), shop.seen.log.item)
    later = (log.time >= shop.cuts.test) & (log.time < shop.cuts.end)
    return truth_from(purchase_counts(log.where(later & np.isin(log.user, users) & known_item[log.item])))


def _treated_as_new(shop: _Shop, seed: int) -> dict[str, Any]:
    """Each fifth of the customers who declare anything, served by what the others declare and buy."""
    declared = np.array([bool(words) for words in shop.data.declared])
    truth = _bought_after(shop, np.flatnonzero(declared))
    fold = np.random.default_rng(seed).permutation(shop.data.log.n_users) % _FOLDS
    users = np.flatnonzero(truth.sizes > 0)
    bundles = {number: _without(shop, np.flatnonzero(fold == number)) for number in range(_FOLDS)}
    return _by_words(shop, users, truth, [bundles[int(fold[user])] for user in users], seed=seed)


def _arrivals(shop: _Shop, seed: int) -> dict[str, Any]:
    """Customers whose first event lies after the cut."""
    log = shop.data.log
    first = np.full(log.n_users, np.iinfo(np.int64).max)
    np.minimum.at(first, log.user, log.time)
    new = np.flatnonzero((first >= shop.cuts.test) & (first < shop.cuts.end))
    truth = _bought_after(shop, new)
    users = np.flatnonzero(truth.sizes > 0)
    return _by_words(shop, users, truth, [shop.bundle] * len(users), seed=seed)


def _without(shop: _Shop, users: np.ndarray) -> Bundle:
    """The bundle as it would be if these users had never been there, as far as lists of new customers go."""
    purchases = shop.seen.log.of_type("purchase")
    recent = recent_sales(purchases.where(~np.isin(purchases.user, users)), shop.cuts.test)
    kept = np.ones(shop.data.log.n_users, np.float32)
    kept[users] = 0
    others = shop.seen.bought.multiply(kept[:, None]).tocsr()
    others.eliminate_zeros()
    return dataclasses.replace(
        shop.bundle,
        statistics=dataclasses.replace(shop.bundle.statistics, recent=recent),
        popular=leaders(recent, 300),
        peers=learn_peers(others, shop.data.declared, recent, shop.strength),
    )


def _by_words(shop: _Shop, users: np.ndarray, truth: Truth, bundles: list[Bundle], *, seed: int) -> dict[str, Any]:
    """The home list by all words, and by each kind of word alone."""
    if not len(users):
        return {"users": 0}
    told = [shop.data.declared[user] for user in users]
    popular = _measured(shop, [()] * len(users), bundles, users, truth)
    kinds = sorted({word.partition("=")[0] for words in told for word in words})
    found: dict[str, Any] = {
        "users": len(users),
        "popularity": {name: plain_interval(bootstrap_interval(popular[name], seed)) for name in (_NDCG, _RECALL)},
    }
    for kind in ("all words", *kinds):
        only = [[word for word in words if kind in ("all words", word.partition("=")[0])] for words in told]
        served = _measured(shop, only, bundles, users, truth)
        found[kind] = {
            **{name: plain_interval(bootstrap_interval(served[name], seed)) for name in (_NDCG, _RECALL)},
            "over popularity": plain_interval(paired_difference(served[_NDCG], popular[_NDCG], seed)),
            "users who declare it": sum(bool(words) for words in only),
        }
    return found


def _measured(
    shop: _Shop, declared: Words, bundles: list[Bundle], users: np.ndarray, truth: Truth
) -> Mapping[str, np.ndarray]:
    """The lists that the storefront would give to somebody unknown with these words, against what they bought."""
    lists = np.full((len(users), K), -1, np.int64)
    known: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    for line, (words, bundle) in enumerate(zip(declared, bundles, strict=True)):
        key = (id(bundle), tuple(words))
        if key not in known:
            query = Query(PLACEMENTS["home"], unknown(tuple(words)), shop.cuts.test, limit=K)
            known[key] = [each.row for each in recommend(query, bundle)]
        lists[line, : len(known[key])] = known[key]
    ones = np.ones(shop.data.log.n_items)
    return measure(lists, truth, users=users, popularity=ones, k=K).per_user
