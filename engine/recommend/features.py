"""Features: profile + candidates + what was learned -> columns. Training and serving call this one function.

Nothing is missing (NaN) in a column: what a user never did has the count 0 and happened `NEVER` days
ago, so that thresholds learned offline mean the same online.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.learned import NEVER
from engine.profile import Profile
from engine.recommend.due import rhythm
from engine.recommend.feature_values import due, of_groups, of_looked_at, of_own, of_user, shares
from engine.recommend.grouped import Grouped
from engine.recommend.readied import Readied
from engine.recommend.shared import Block, Place
from engine.recommend.sources import RANKED, Pool

DAY = 86_400.0

ITEM = ("lines", "faded_15", "faded_60", "faded_180", "since_last", "since_first", "quantity")
GROUPS = ("category", "section", "brand")
GROUP = ("lines", "faded_30", "faded_120", "since_last", "distinct")

FEATURES: tuple[str, ...] = (
    *(f"own_{name}" for name in ITEM),
    "own_interval",
    "own_due",
    "own_order_share",
    "own_orders_since",
    "own_typical",
    "own_late",
    "own_pace",
    "own_browsed",
    "own_since_browsed",
    *(f"{group}_{name}" for group in GROUPS for name in GROUP),
    "own_share_of_category",
    "category_due",
    "item_recent",
    "item_lasting",
    "item_trend",
    "item_buyers",
    "item_repeat_share",
    "item_interval",
    "item_age",
    "item_idle",
    "item_winning",
    "item_price",
    "item_price_ratio",
    "item_share_of_category",
    "user_orders",
    "user_orders_28",
    "user_order_size",
    "user_repeat_share",
    "user_since_order",
    "user_order_interval",
    "factors_score",
    *(f"source_{source}" for source in RANKED),
)
#: What a feature is of a candidate that the user had nothing to do with.
_NEVER_WHERE = ("_since_last", "_since_first", "_orders_since", "_since_browsed", "own_interval", "own_typical")
_MISSING = np.array([NEVER if name.endswith(_NEVER_WHERE) else 0 for name in FEATURES], np.float32)
_AT = {name: at for at, name in enumerate(FEATURES)}
_MONTH = 28.0  # days
_FACTORS = FEATURES.index("factors_score")
_FIRST_OF_ITEMS = FEATURES.index("item_recent")
_OF_ITEMS = range(_FIRST_OF_ITEMS, FEATURES.index("item_share_of_category") + 1)
#: Of the items' features the one that depends on who asks.
_PRICE_RATIO = FEATURES.index("item_price_ratio")


@dataclass(frozen=True, slots=True)
class Table:
    """The features of one user's candidates; what many of them share stands there once.

    `single` are the columns of the last features, which each candidate has for itself. What is said of items alone is
    looked up where it is needed; `usual_price` is what this user usually pays (minor units).
    """

    bundle: Bundle
    rows: NDArray[np.int32]
    shared: list[Block]
    single: NDArray[np.float32]
    usual_price: float

    def dense(self, at: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """[len(FEATURES), n] of the candidates at these places, or of all."""
        at = np.arange(len(self.rows)) if at is None else at
        found = np.empty((len(FEATURES), len(at)), np.float32)
        for each in self.shared:
            each.spread(found, at)
        found[_FACTORS:] = self.single.take(at, axis=1)
        for feature, column in zip(_OF_ITEMS, _item_columns(self.bundle, self.rows[at], self.usual_price), strict=True):
            found[feature] = column
        return found

    def scores(self, ranking: Readied) -> NDArray[np.float64]:
        """[n] what the tables of a ranking add up to."""
        scores = of_items(ranking, self.bundle, self.rows)
        for each in self.shared:
            ranking.add_block(scores, each)
        price = self.bundle.statistics.price[self.rows] / np.float32(max(self.usual_price, 1.0))
        ranking.add_columns(scores, _PRICE_RATIO, price[None, :])
        ranking.add_columns(scores, _FACTORS, self.single)
        return scores


def of_items(ranking: Readied, bundle: Bundle, rows: NDArray[np.int32]) -> NDArray[np.float64]:
    """[len(rows)] what the tables say of the items alone: of those that were learned, summed once for a bundle."""
    key, n = ("of items", id(ranking)), len(bundle.factors.items)
    of, learned = bundle.kept.get(key) or (None, np.zeros(0))
    if of is not ranking:
        learned = _sum_of_items(ranking, bundle, slice(n))
        bundle.kept.put(key, (ranking, learned), learned.nbytes)
    new = rows >= n
    if not new.any():
        return np.asarray(learned[rows])
    scores = learned[np.where(new, 0, rows)]
    scores[new] = _sum_of_items(ranking, bundle, rows[new])
    return np.asarray(scores)


def _sum_of_items(ranking: Readied, bundle: Bundle, rows: NDArray[np.int32] | slice) -> NDArray[np.float64]:
    told = zip(_OF_ITEMS, _item_columns(bundle, rows, 0.0), strict=True)
    scores = np.zeros(len(bundle.statistics.recent[rows]))
    for feature, column in told:
        if feature != _PRICE_RATIO:
            ranking.add_columns(scores, feature, column[None, :])
    return scores


def columns(profile: Profile, bundle: Bundle, pool: Pool, now: float) -> NDArray[np.float32]:
    """[len(FEATURES), len(pool.rows)] for one user's candidates at `now` (epoch seconds)."""
    return table(profile, bundle, pool, now).dense()


def table(profile: Profile, bundle: Bundle, pool: Pool, now: float) -> Table:
    """The same, with what candidates share told once."""
    bought, rows, ages = profile.purchases, pool.rows, _days_before(now, profile.times)
    items, days, looked = profile.items[bought], ages[bought], ~bought
    orders = _days_before(now, profile.orders[::-1])
    own, seen = Grouped.of(items, days), Grouped.of(profile.items[looked], ages[looked])
    mine, found = own.place(rows), rhythm(own, bundle.repurchase)
    told = (own.days, own.starts, own.order, profile.quantities[bought], orders, found.typical, found.pace)
    shared = [
        _block("own_lines", mine, of_own(*told, _missing("own_lines", 14))),
        _block("own_browsed", seen.place(rows), of_looked_at(seen.days, seen.starts, _missing("own_browsed", 2))),
    ]
    catalog = bundle.catalog
    for name, codes in zip(GROUPS, (catalog.category, catalog.section, catalog.brand), strict=True):
        of_items, first = codes[own.keys], f"{name}_lines"
        group = Grouped.of(codes[items], days)
        place = group.place(codes[rows])
        values = of_groups(group.days, group.starts, group.keys, of_items, _missing(first, len(GROUP)))
        shared.append(_block(first, place, values))
        if name == "category":
            share = shares(own.starts, group.starts, group.keys, of_items, _missing("own_share_of_category", 1))
            shared.append(_block("own_share_of_category", mine, share))
            shared.append(_block("category_due", place, due(group.days, group.starts, _missing("category_due", 1))))
    everywhere = Place(np.zeros(len(rows), np.int64), 0)
    shared.append(_block("user_orders", everywhere, of_user(own.starts, orders, _MONTH)))
    single = np.concatenate([_factor_column(profile, bundle, rows, now)[None, :], pool.scores[: len(RANKED)]])
    usual = bundle.statistics.price[items]
    return Table(bundle, rows, shared, single, float(usual.sum()) / max(len(usual), 1))


def _block(first: str, place: Place, values: NDArray[np.float32]) -> Block:
    return Block(_AT[first], values, place)


def _missing(first: str, n: int) -> NDArray[np.float32]:
    return _MISSING[_AT[first] : _AT[first] + n]


def _days_before(now: float, times: NDArray[np.int64]) -> NDArray[np.float32]:
    """Ages in days; what lies after the clock counts as new."""
    return np.asarray(np.maximum(now - times, 0.0) / DAY, np.float32)


def _item_columns(bundle: Bundle, rows: NDArray[np.int32] | slice, usual_price: float) -> list[NDArray[np.float32]]:
    known = bundle.statistics
    recent, lasting, price = known.recent[rows], known.lasting[rows], known.price[rows]
    category = bundle.catalog.category[rows]
    sold = np.where(category >= 0, bundle.category_recent[category], np.float32(0)).astype(np.float32)
    return [
        recent,
        lasting,
        (recent / np.maximum(lasting, 0.1)).astype(np.float32),
        known.buyers[rows],
        known.repeat_share[rows],
        known.interval[rows],
        known.age[rows],
        known.idle[rows],
        known.winning[rows],
        price,
        price / np.float32(max(usual_price, 1.0)),
        (recent / np.maximum(sold, 0.1)).astype(np.float32),
    ]


def _factor_column(profile: Profile, bundle: Bundle, rows: NDArray[np.int32], now: float) -> NDArray[np.float32]:
    vector = bundle.user_vector(profile, now)
    if vector is None:
        return np.zeros(len(rows), np.float32)
    return np.asarray(bundle.item_vectors(rows) @ vector, np.float32)
