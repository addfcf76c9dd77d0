"""Features: profile + candidates + what was learned -> columns. Training and serving call this one function.

Nothing is missing (NaN) in a column: what a user never did has the count 0 and happened `NEVER` days
ago, so that thresholds learned offline mean the same online.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.learned import NEVER
from engine.profile import Profile
from engine.recommend.due import rhythm
from engine.recommend.grouped import Grouped, places, together
from engine.recommend.readied import Readied
from engine.recommend.shared import Block, Column, Place
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
#: Days after which purchases count half: of items, of groups, and of what was looked at.
_HALF_LIVES = (15.0, 60.0, 180.0, 30.0, 120.0, 7.0)
#: What a feature is of a candidate that the user had nothing to do with.
_NEVER_WHERE = ("_since_last", "_since_first", "_orders_since", "_since_browsed", "own_interval", "own_typical")
_MISSING = np.array([NEVER if name.endswith(_NEVER_WHERE) else 0 for name in FEATURES], np.float32)
_FACTORS = FEATURES.index("factors_score")
_FIRST_OF_ITEMS = FEATURES.index("item_recent")
_OF_ITEMS = range(_FIRST_OF_ITEMS, FEATURES.index("item_share_of_category") + 1)
#: Of the items' features the one that depends on who asks.
_PRICE_RATIO = FEATURES.index("item_price_ratio")


@dataclass(frozen=True, slots=True)
class Table:
    """The features of one user's candidates; what many of them share stands there once.

    `single` are the columns that each candidate has for itself, by feature. What is said of the items alone is looked
    up where it is needed; `usual_price` is what this user usually pays (minor units).
    """

    bundle: Bundle
    rows: NDArray[np.int32]
    shared: list[Block]
    single: list[tuple[int, Column]]
    usual_price: float

    def dense(self, at: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float32]:
        """[len(FEATURES), n] of the candidates at these places."""
        rows = self.rows[at]
        found = np.empty((len(FEATURES), len(rows)), np.float32)
        for each in self.shared:
            found[each.first : each.first + len(each.values)] = each.values.take(each.place.at[at], axis=1)
        for feature, column in self.single:
            found[feature] = column[at]
        for feature, column in zip(_OF_ITEMS, _item_columns(self.bundle, rows, self.usual_price), strict=True):
            found[feature] = column
        return found

    def scores(self, ranking: Readied) -> NDArray[np.float64]:
        """[n] what the tables of a ranking add up to."""
        features = [
            np.arange(each.first, each.first + len(each.values)).repeat(each.values.shape[1]) for each in self.shared
        ]
        values = np.concatenate([each.values.ravel() for each in self.shared])
        told = ranking.of_tables(np.concatenate(features), values)
        scores, end = of_items(ranking, self.bundle, self.rows), 0
        for each in self.shared:
            begin, end = end, end + each.values.size
            scores += told[begin:end].reshape(each.values.shape).sum(axis=0).take(each.place.at)
        price = self.bundle.statistics.price[self.rows] / np.float32(max(self.usual_price, 1.0))
        for feature, column in (*self.single, (_PRICE_RATIO, price)):
            scores += ranking.of_table(feature, column)
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
            scores += ranking.of_table(feature, column)
    return scores


def columns(profile: Profile, bundle: Bundle, pool: Pool, now: float) -> NDArray[np.float32]:
    """[len(FEATURES), len(pool.rows)] for one user's candidates at `now` (epoch seconds)."""
    return table(profile, bundle, pool, now).dense()


def table(profile: Profile, bundle: Bundle, pool: Pool, now: float) -> Table:
    """The same, with what candidates share told once."""
    bought, rows, ages = profile.purchases, pool.rows, _days_before(now, profile.times)
    items, days, looked = profile.items[bought], ages[bought], ~bought
    orders = np.unique(profile.times[bought])
    catalog = bundle.catalog
    codes = (catalog.category, catalog.levels[:, 0], catalog.brand)
    parts = [(items, days), *((each[items], days) for each in codes), (profile.items[looked], ages[looked])]
    own, *of_codes, browsed = groups = together(parts, _HALF_LIVES)
    mine, *places_of_codes, seen = places(groups, [rows, *(each[rows] for each in codes), rows])
    of_own = [*_own_columns(own, profile.quantities[bought], orders, now), *_rhythm_columns(own, bundle)]
    shared = [
        _block("own_lines", mine, of_own),
        _block("own_browsed", seen, [browsed.faded(7.0), browsed.last]),
    ]
    for name, grouped, place, code in zip(GROUPS, of_codes, places_of_codes, codes, strict=True):
        shared.append(_block(f"{name}_lines", place, _group_columns(grouped, code[own.keys])))
    of_category, category = of_codes[0], codes[0][own.keys]
    shared += [
        _block("own_share_of_category", mine, [_shares(own, of_category, category)]),
        _block("category_due", places_of_codes[0], [_due(of_category)]),
        Block(
            FEATURES.index("user_orders"),
            _user_values(len(items), len(own.keys), orders, now),
            Place(np.zeros(len(rows), np.int64), 0),
        ),
    ]
    single = [(_FACTORS, _factor_column(profile, bundle, rows, now))]
    single += [(_FACTORS + 1 + source, line) for source, line in enumerate(pool.scores[: len(RANKED)])]
    usual = bundle.statistics.price[items]
    return Table(bundle, rows, shared, single, float(usual.mean()) if len(usual) else 0.0)


def _block(first: str, place: Place, columns: Sequence[NDArray[Any]]) -> Block:
    at = FEATURES.index(first)
    return Block.of(at, place, columns, _MISSING[at : at + len(columns)])


def _days_before(now: float, times: NDArray[np.int64]) -> NDArray[np.float32]:
    """Ages in days; what lies after the clock counts as new."""
    return np.asarray(np.maximum(now - times, 0.0) / DAY, np.float32)


def _distinct(codes_of_items: NDArray[np.int32], grouped: Grouped) -> NDArray[np.float32]:
    """How many different items were bought in each group."""
    at = np.searchsorted(grouped.keys, codes_of_items)
    return np.bincount(at, minlength=len(grouped.keys)).astype(np.float32)


def _own_columns(
    own: Grouped, quantities: NDArray[np.float32], orders: NDArray[np.int64], now: float
) -> list[NDArray[Any]]:
    lines, last, first = own.count, own.last, own.first
    interval = np.where(lines > 1, (first - last) / np.maximum(lines - 1, 1), NEVER).astype(np.float32)
    order_days = _days_before(now, orders[::-1])  # ascending: newest first
    return [
        lines,
        own.faded(15.0),
        own.faded(60.0),
        own.faded(180.0),
        last,
        first,
        own.sums(quantities[own.order]),
        interval,
        last / np.maximum(interval, 1.0),
        lines / max(len(orders), 1),
        np.searchsorted(order_days, last),
    ]


def _rhythm_columns(own: Grouped, bundle: Bundle) -> list[NDArray[Any]]:
    found = rhythm(own, bundle.repurchase)
    return [found.typical, own.last / found.typical, found.pace]


def _group_columns(grouped: Grouped, codes_of_items: NDArray[np.int32]) -> list[NDArray[Any]]:
    return [
        grouped.count,
        grouped.faded(30.0),
        grouped.faded(120.0),
        grouped.last,
        _distinct(codes_of_items, grouped),
    ]


def _shares(own: Grouped, grouped: Grouped, category: NDArray[np.int32]) -> NDArray[Any]:
    """Of each item its share of the user's purchases in its category."""
    if not len(own.keys):
        return own.count
    lines = grouped.count[np.searchsorted(grouped.keys, category)]
    return own.count / np.maximum(np.where(category >= 0, lines, np.float32(0)), np.float32(1))


def _due(grouped: Grouped) -> NDArray[Any]:
    """How many of its usual intervals have passed since a group was last bought from."""
    lines, last = grouped.count, grouped.last
    return np.asarray(last * np.maximum(lines - 1.0, 0.0) / np.maximum(grouped.first - last, 1.0))


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


def _user_values(n_lines: int, n_items: int, orders: NDArray[np.int64], now: float) -> NDArray[np.float32]:
    """[features, 1] the same for all candidates."""
    count = len(orders)
    values = (
        count,
        int(np.count_nonzero(orders > now - 28 * DAY)),
        n_lines / max(count, 1),
        1.0 - n_items / max(n_lines, 1),
        (now - orders[-1]) / DAY if count else float(NEVER),
        (orders[-1] - orders[0]) / DAY / (count - 1) if count > 1 else float(NEVER),
    )
    return np.array(values, np.float32)[:, None]


def _factor_column(profile: Profile, bundle: Bundle, rows: NDArray[np.int32], now: float) -> NDArray[np.float32]:
    vector = bundle.user_vector(profile, now)
    if vector is None:
        return np.zeros(len(rows), np.float32)
    return np.asarray(bundle.item_vectors(rows) @ vector, np.float32)
