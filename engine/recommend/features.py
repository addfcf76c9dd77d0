"""Features: profile + candidates + what was learned -> columns. Training and serving call this one function.

Nothing is missing (NaN) in a column: what a user never did has the count 0 and happened `NEVER` days
ago, so that thresholds learned offline mean the same online.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.learned import NEVER
from engine.profile import Profile
from engine.recommend.due import rhythm
from engine.recommend.grouped import Grouped, Place
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


def columns(profile: Profile, bundle: Bundle, pool: Pool, now: float) -> NDArray[np.float32]:
    """[len(FEATURES), len(pool.rows)] for one user's candidates at `now` (epoch seconds)."""
    bought = profile.purchases
    items, times = profile.items[bought], profile.times[bought]
    days = _days_before(now, times)
    orders = np.unique(times)
    rows = pool.rows
    own = Grouped.of(items, days)
    mine = own.find(rows)
    block: list[NDArray[np.float32]] = _own_columns(own, mine, profile.quantities[bought], orders, now)
    block += _rhythm_columns(own, mine, bundle)
    block += _browsed_columns(profile, rows, now)
    category_lines: NDArray[np.float32] | None = None
    for codes in (bundle.catalog.category, bundle.catalog.levels[:, 0], bundle.catalog.brand):
        grouped = Grouped.of(codes[items], days)
        place = grouped.find(codes[rows])
        distinct = _distinct(codes[own.keys], grouped)
        block += [
            place(grouped.count),
            place(grouped.faded(30.0)),
            place(grouped.faded(120.0)),
            place(grouped.last, NEVER),
            place(distinct),
        ]
        if category_lines is None:
            category_lines = np.maximum(block[-5], 1.0)
            span = np.maximum(place(grouped.first, 0.0) - block[-2], 1.0)
            due = block[-2] * np.maximum(block[-5] - 1.0, 0.0) / span
    assert category_lines is not None
    block += [block[0] / category_lines, due]
    block += _item_columns(bundle, rows, items)
    block += _user_columns(len(items), len(own.keys), orders, now, len(rows))
    block.append(_factor_column(profile, bundle, rows, now))
    return np.vstack([*block, pool.scores[: len(RANKED)]]).astype(np.float32)


def _days_before(now: float, times: NDArray[np.int64]) -> NDArray[np.float32]:
    """Ages in days; what lies after the clock counts as new."""
    return np.asarray(np.maximum(now - times, 0.0) / DAY, np.float32)


def _distinct(codes_of_items: NDArray[np.int32], grouped: Grouped) -> NDArray[np.float32]:
    """How many different items were bought in each group."""
    at = np.searchsorted(grouped.keys, codes_of_items)
    return np.bincount(at, minlength=len(grouped.keys)).astype(np.float32)


def _own_columns(
    own: Grouped, mine: Place, quantities: NDArray[np.float32], orders: NDArray[np.int64], now: float
) -> list[NDArray[np.float32]]:
    lines, last, first = own.count, own.last, own.first
    interval = np.where(lines > 1, (first - last) / np.maximum(lines - 1, 1), NEVER).astype(np.float32)
    order_days = _days_before(now, orders[::-1])  # ascending: newest first
    since = np.searchsorted(order_days, last).astype(np.float32)
    return [
        mine(lines),
        mine(own.faded(15.0)),
        mine(own.faded(60.0)),
        mine(own.faded(180.0)),
        mine(last, NEVER),
        mine(first, NEVER),
        mine(own.sums(quantities[own.order])),
        mine(interval, NEVER),
        mine((last / np.maximum(interval, 1.0)).astype(np.float32)),
        mine((lines / max(len(orders), 1)).astype(np.float32)),
        mine(since, NEVER),
    ]


def _rhythm_columns(own: Grouped, mine: Place, bundle: Bundle) -> list[NDArray[np.float32]]:
    found = rhythm(own, bundle.repurchase)
    return [mine(found.typical, NEVER), mine(own.last / found.typical), mine(found.pace)]


def _browsed_columns(profile: Profile, rows: NDArray[np.int32], now: float) -> list[NDArray[np.float32]]:
    looked = ~profile.purchases
    days = _days_before(now, profile.times[looked])
    browsed = Grouped.of(profile.items[looked], days)
    place = browsed.find(rows)
    return [place(browsed.faded(7.0)), place(browsed.last, NEVER)]


def _item_columns(bundle: Bundle, rows: NDArray[np.int32], bought: NDArray[np.int32]) -> list[NDArray[np.float32]]:
    known = bundle.statistics
    recent, lasting, price = known.recent[rows], known.lasting[rows], known.price[rows]
    usual = known.price[bought]
    usual_price = float(np.mean(usual)) if len(usual) else 0.0
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
        price / max(usual_price, 1.0),
        (recent / np.maximum(sold, 0.1)).astype(np.float32),
    ]


def _user_columns(
    n_lines: int, n_items: int, orders: NDArray[np.int64], now: float, n: int
) -> list[NDArray[np.float32]]:
    count = len(orders)
    values = (
        count,
        int(np.count_nonzero(orders > now - 28 * DAY)),
        n_lines / max(count, 1),
        1.0 - n_items / max(n_lines, 1),
        (now - orders[-1]) / DAY if count else float(NEVER),
        (orders[-1] - orders[0]) / DAY / (count - 1) if count > 1 else float(NEVER),
    )
    return [np.full(n, value, np.float32) for value in values]


def _factor_column(profile: Profile, bundle: Bundle, rows: NDArray[np.int32], now: float) -> NDArray[np.float32]:
    vector = bundle.user_vector(profile, now)
    if vector is None:
        return np.zeros(len(rows), np.float32)
    return np.asarray(bundle.item_vectors(rows) @ vector, np.float32)
