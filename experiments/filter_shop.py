"""A large shop as a bundle, made of arrays without any training: for measuring how long answers take, not how good.

Sizes are those of a trained bundle: 64 dimensions, 60 neighbours an item, 30 in its orders, 64 trees as `discover` has.
"""

from __future__ import annotations

import numpy as np

from engine.bundle import Bundle, Manifest
from engine.catalog import Catalog
from engine.content import Content
from engine.events import EVENT_TYPES, TYPE_CODES
from engine.ids import IdMap, TextTable
from engine.index import ItemIndex
from engine.item_facts import NUMBER, Attributes, ItemFacts, Labels
from engine.learned import Factors, ItemStatistics, Leaders, Neighbours, Ranking, Repurchase, Scores
from engine.profile import History
from engine.recommend.features import FEATURES
from engine.visits import Onward
from training.peers import nobodys_peers
from training.statistics import best_of_category

AS_OF = 1_750_000_000
DAY = 86_400
DIMENSIONS = 64
#: Values of `attributes.hundredth`: each is that of one item in a hundred.
HUNDREDTHS = 100
_PURCHASES = 80  # of a user
_SHELVES, _BRANDS = 400, 2_000


def large_bundle(n_items: int, n_users: int, *, seed: int) -> Bundle:
    """Prices are spread evenly over 0 to 99,999; each user buys from three shelves."""
    random = np.random.default_rng(seed)
    shelf = random.integers(0, _SHELVES, n_items).astype(np.int32)
    catalog = _catalog(random, shelf)
    statistics = _statistics(random, n_items)
    factors = _factors(random, shelf, n_users)
    recent = np.argsort(-statistics.recent, kind="stable")[:300].astype(np.int32)
    leaders = Leaders(recent, statistics.recent[recent])
    near = _near(random, shelf, 60)
    return Bundle(
        manifest=Manifest("default", AS_OF, AS_OF, FEATURES),
        users=IdMap.of([f"u{row}" for row in range(n_users)]),
        items=IdMap.of([f"i{row}" for row in range(n_items)]),
        catalog=catalog,
        history=_history(random, shelf, n_users),
        statistics=statistics,
        repurchase=Repurchase(
            np.full(n_items, np.log(30.0), np.float32), np.full(n_items, 0.02, np.float32), np.ones(2, np.float32)
        ),
        popular=leaders,
        trending=leaders,
        best_of_category=best_of_category(catalog, statistics, 50),
        neighbours=near,
        baskets=_near(random, shelf, 30),
        similar_users=_lists(random, n_users, n_items, 100),
        factors=factors,
        index=ItemIndex.build(factors.items, factors.users, n_threads=2),
        type_weights=np.array([each.weight for each in EVENT_TYPES.values()], np.float32),
        half_lives=np.array([each.half_life_days for each in EVENT_TYPES.values()], np.float32),
        fold_in=np.array([1.0, 0.1], np.float32),
        rankings={"home": _ranking(random)},
        chances={},
        onward=Onward.silent(n_items),
        peers=nobodys_peers(),
        content=Content(np.zeros(n_items + 1, np.int64), np.zeros(0, np.uint32)),
        facts=_facts(random, n_items),
    )


def _catalog(random: np.random.Generator, shelf: np.ndarray) -> Catalog:
    n = len(shelf)
    section = (_SHELVES + shelf // 20).astype(np.int32)
    sections = [f"section {code}" for code in range(_SHELVES // 20)]
    return Catalog(
        names=TextTable.of([""] * n),
        levels=np.stack([section, shelf], axis=1),
        category_names=TextTable.of([f"section {code // 20} / shelf {code}" for code in range(_SHELVES)] + sections),
        brand=random.integers(0, _BRANDS, n).astype(np.int32),
        brand_names=TextTable.of(f"brand {code}" for code in range(_BRANDS)),
        family=np.full(n, -1, np.int32),
        price=random.integers(0, 100_000, n),
        stock=np.full(n, -1, np.int64),
        available=np.ones(n, bool),
    )


def _facts(random: np.random.Generator, n: int) -> ItemFacts:
    unsaid = np.full(n, -1, np.int64)
    return ItemFacts(
        list_price=unsaid,
        cost=unsaid,
        available_from=unsaid,
        available_until=unsaid,
        tags=Labels(np.zeros(n + 1, np.int64), np.zeros(0, np.int32), TextTable.of([])),
        attributes=Attributes(
            names=TextTable.of(["attributes.hundredth"]),
            indptr=np.array([0, n], np.int64),
            rows=np.arange(n, dtype=np.int32),
            kinds=np.full(n, NUMBER, np.uint8),
            numbers=random.integers(0, HUNDREDTHS, n).astype(np.float64),
            texts=np.zeros(n, np.int32),
            words=TextTable.of([""]),
        ),
    )


def _statistics(random: np.random.Generator, n: int) -> ItemStatistics:
    recent = (1_000.0 * random.random(n) ** 8).astype(np.float32)
    plain = {"lasting": recent * 3, "buyers": recent, "winning": recent}
    days = {name: (200 * random.random(n)).astype(np.float32) for name in ("interval", "age", "idle")}
    price = (100_000 * random.random(n)).astype(np.float32)
    return ItemStatistics(recent=recent, repeat_share=np.full(n, 0.3, np.float32), price=price, **plain, **days)


def _near(random: np.random.Generator, shelf: np.ndarray, each: int) -> Neighbours:
    """So many items of the same shelf, at random."""
    n = len(shelf)
    by_shelf = np.argsort(shelf, kind="stable").astype(np.int32)
    starts = np.searchsorted(shelf[by_shelf], np.arange(_SHELVES + 1))
    sizes = np.diff(starts)[shelf]
    items = np.empty((n, each), np.int32)
    for column in range(each):
        items[:, column] = by_shelf[starts[shelf] + (random.random(n) * sizes).astype(np.int64)]
    weights = np.broadcast_to((1.0 / np.arange(1, each + 1)).astype(np.float32), items.shape)
    return Neighbours((np.arange(n + 1) * each).astype(np.int32), items.ravel(), weights.ravel())


def _lists(random: np.random.Generator, n_users: int, n_items: int, each: int) -> Scores:
    items = random.integers(0, n_items, (n_users, each)).astype(np.int32)
    scores = np.broadcast_to(np.arange(each, 0, -1, dtype=np.float32), items.shape)
    return Scores((np.arange(n_users + 1) * each).astype(np.int32), items.ravel(), scores.ravel())


def _factors(random: np.random.Generator, shelf: np.ndarray, n_users: int) -> Factors:
    centres = random.normal(size=(_SHELVES, DIMENSIONS)).astype(np.float32)
    items = centres[shelf] + 0.5 * random.standard_normal((len(shelf), DIMENSIONS), np.float32)
    users = centres[random.integers(0, _SHELVES, n_users)] + random.standard_normal((n_users, DIMENSIONS), np.float32)
    return Factors((users / 8).astype(np.float32), (items / 8).astype(np.float32))


def _history(random: np.random.Generator, shelf: np.ndarray, n_users: int) -> History:
    by_shelf = np.argsort(shelf, kind="stable").astype(np.int32)
    starts = np.searchsorted(shelf[by_shelf], np.arange(_SHELVES + 1))
    liked = random.integers(0, _SHELVES, (n_users, 3))
    mine = np.take_along_axis(liked, random.integers(0, 3, (n_users, _PURCHASES)), axis=1)
    items = by_shelf[starts[mine] + (random.random(mine.shape) ** 3 * np.diff(starts)[mine]).astype(np.int64)]
    ages = np.sort(random.integers(1, 300 * DAY, (n_users, _PURCHASES)), axis=1)[:, ::-1]
    n = items.size
    return History(
        indptr=np.arange(n_users + 1, dtype=np.int64) * _PURCHASES,
        items=items.ravel(),
        types=np.full(n, TYPE_CODES["purchase"], np.uint8),
        times=(AS_OF - ages).ravel(),
        quantities=np.ones(n, np.float32),
    )


def _ranking(random: np.random.Generator, depth: int = 4, trees: int = 64) -> Ranking:
    """Tables of a few steps for every feature, and full trees."""
    each, n_features = 8, len(FEATURES)
    inner, leaves = 2**depth - 1, 2**depth
    nodes = np.arange(inner + leaves)
    left = np.where(nodes < inner, 2 * nodes + 1, nodes)
    right = np.where(nodes < inner, 2 * nodes + 2, nodes)
    return Ranking(
        step_starts=(np.arange(n_features + 1) * each).astype(np.int32),
        steps=np.sort(random.random((n_features, each)) * 20, axis=1).ravel(),
        values=random.normal(size=n_features * (each + 1)),
        split_feature=random.integers(0, n_features, (trees, inner + leaves)).astype(np.int16),
        split_at=random.random((trees, inner + leaves)) * 20,
        left=np.broadcast_to(left, (trees, inner + leaves)).astype(np.int16),
        right=np.broadcast_to(right, (trees, inner + leaves)).astype(np.int16),
        leaf_value=random.normal(size=(trees, inner + leaves)) * 0.1,
    )
