"""A bundle of a million items and users, made of a large shop's arrays by the models that are served.

Two things stand in for what the training pipeline makes in hours at this size: the lists of similar users are those of
the factor model, and the rankings were learned on a small shop of the same generator, whose features mean the same.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from engine.bundle import Bundle, Manifest
from engine.catalog import NOT_TRACKED, Catalog
from engine.content import Content, codes_of
from engine.ids import IdMap, TextTable
from engine.index import ItemIndex
from engine.item_facts import ItemFacts, facts_of
from engine.learned import Factors, Neighbours, Ranking, Scores
from engine.profile import History
from engine.recommend.features import FEATURES
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.visits import Onward
from experiments.large_shop import LargeShop, factors_of
from experiments.shop import ShopSize, generate
from experiments.shop.catalog import COLOURS, STYLES
from experiments.shop.catalog import Catalog as Sold
from experiments.shop.departments import SHELVES
from training.interactions import Log, type_tables
from training.models import MODELS
from training.peers import nobodys_peers
from training.recipe import Recipe
from training.repurchase import repurchase
from training.run import train
from training.shop_data import read_shop
from training.statistics import best_of_category, growth, item_statistics, leaders

_SMALL = ShopSize(users=600, items=300, days=60)
_LISTED, _USERS_AT_ONCE = 100, 4_096


def large_bundle(shop: LargeShop, rankings: dict[str, Ranking], *, seed: int, threads: int) -> Bundle:
    """What a storefront needs of the shop as of its last day."""
    seen, size = shop.seen, shop.catalog.size
    factors = factors_of(shop, seed=seed, threads=threads)
    catalog, facts = _catalog(shop.catalog), _facts(shop.catalog)
    purchases = seen.log.of_type("purchase")
    statistics = item_statistics(_in_time(purchases), shop.catalog.list_price[_in_time(purchases).item], seen.now)
    weights, half_lives = type_tables(None, None)
    index = ItemIndex.build(factors.items, factors.users, n_threads=threads)
    return Bundle(
        manifest=Manifest(shop="default", as_of=seen.now, created_at=seen.now, features=FEATURES),
        users=IdMap.of([f"u{row}" for row in range(size.users)]),
        items=IdMap.of([f"i{row}" for row in range(size.items)]),
        catalog=catalog,
        history=_history(seen.log, weights),
        statistics=statistics,
        repurchase=repurchase(_in_time(purchases), catalog.category, seen.now),
        popular=leaders(statistics.recent, 300),
        trending=leaders(growth(statistics), 300),
        best_of_category=best_of_category(catalog, statistics, 50),
        neighbours=_fitted("item_neighbours", shop, seed, threads),
        baskets=_fitted("basket", shop, seed, threads),
        similar_users=_lists(factors, index, threads),
        factors=factors,
        index=index,
        type_weights=weights.astype(np.float32),
        half_lives=half_lives.astype(np.float32),
        fold_in=np.array([1.0, 5.0], np.float32),
        rankings=rankings,
        chances={},
        onward=Onward.silent(size.items),
        peers=nobodys_peers(),
        content=_content(shop.catalog),
        facts=facts,
    )


def small_rankings(home: Home, *, seed: int, threads: int) -> dict[str, Ranking]:
    """What a small shop of the generator teaches of the order of candidates; it is made in `home`."""
    made, lake = generate(_SMALL, seed=seed), Lake(home)
    lake.put_items(made.items)
    lake.put_users(made.users)
    lake.append_events(made.events)
    outcome = train(read_shop(lake), Recipe(name="serving", windows=2, threads=threads, compare=()))
    return outcome.bundle.rankings


def _in_time(log: Log) -> Log:
    return log.where(np.argsort(log.time, kind="stable"))


def _fitted(name: str, shop: LargeShop, seed: int, threads: int) -> Neighbours:
    found = MODELS[name].fit(shop.seen, seed=seed, threads=threads)
    assert isinstance(found, Neighbours)
    return found


def _lists(factors: Factors, index: ItemIndex, threads: int) -> Scores:
    """The best items of each user who has a vector."""

    def block(first: int) -> tuple[np.ndarray, np.ndarray]:
        rows, scores = index.search(factors.users[first : first + _USERS_AT_ONCE], _LISTED)
        return rows, np.where(rows >= 0, scores, 0.0)

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(block, range(0, len(factors.users), _USERS_AT_ONCE)))
    rows, scores = (np.concatenate(each) for each in zip(*parts, strict=True))
    told = scores > 0
    indptr = np.r_[0, np.cumsum(told.sum(axis=1))].astype(np.int32)
    return Scores(indptr, rows[told].astype(np.int32), scores[told].astype(np.float32))


def _history(log: Log, weights: np.ndarray) -> History:
    """Each user's own happenings, oldest first, as training has them."""
    told = np.flatnonzero(weights[log.type] != 0)
    order = told[np.lexsort((log.item[told], log.time[told], log.user[told]))]
    indptr = np.searchsorted(log.user[order], np.arange(log.n_users + 1)).astype(np.int64)
    return History(indptr, log.item[order], log.type[order], log.time[order], log.quantity[order])


def _catalog(sold: Sold) -> Catalog:
    names: dict[str, int] = {}
    levels = [[names.setdefault(" / ".join(each.path[: n + 1]), len(names)) for n in range(3)] for each in SHELVES]
    n = len(sold.shelf)
    there = sold.last_day >= sold.size.days
    return Catalog(
        names=TextTable.of(f"no. {row}" for row in range(n)),
        levels=np.array(levels, np.int32)[sold.shelf],
        category_names=TextTable.of(names),
        brand=sold.brand.astype(np.int32),
        brand_names=TextTable.of(f"brand {code}" for code in range(int(sold.brand.max()) + 1)),
        family=np.full(n, NOT_TRACKED, np.int32),
        price=sold.price.astype(np.int64),
        stock=np.where(there, sold.stock, 0).astype(np.int64),
        available=there,
    )


def _facts(sold: Sold) -> ItemFacts:
    """Without tags and attributes, which no request of the bench asks for."""
    n, nothing = len(sold.shelf), facts_of([])
    unsaid = np.full(n, NOT_TRACKED, np.int64)
    tags = type(nothing.tags)(np.zeros(n + 1, np.int64), nothing.tags.codes, nothing.tags.names)
    return ItemFacts(
        sold.list_price.astype(np.int64), sold.cost.astype(np.int64), unsaid, unsaid, tags, nothing.attributes
    )


def _content(sold: Sold) -> Content:
    kinds = (
        ([f"category={' / '.join(each.path)}" for each in SHELVES], sold.shelf),
        ([f"tag={each}" for each in STYLES], sold.style),
        ([f"tag={each}" for each in COLOURS], sold.colour),
    )
    told = [np.array([codes_of([word])[0] for word in words], np.uint32)[of] for words, of in kinds]
    codes = np.sort(np.stack(told, axis=1), axis=1)
    return Content(np.arange(len(codes) + 1, dtype=np.int64) * codes.shape[1], codes.ravel())
