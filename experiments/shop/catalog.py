"""The generated catalogue: what is sold when, at which price, and what each item is really like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.shop.departments import DEPARTMENTS, SHELVES
from experiments.shop.draws import Flags, Floats, Ints, Ladder, unit_rows
from experiments.shop.size import ShopSize

#: Length of the planted taste vectors of users, shelves, brands and items.
TASTE_DIMENSIONS = 16
STYLES = ("plain", "bold", "vintage", "minimal", "natural", "technical")
COLOURS = ("black", "white", "red", "blue", "green", "sand")

_LATE_SHARE = 0.15
_NEVER_SOLD_SHARE = 0.04
_DISCONTINUED_SHARE = 0.03
_PROMOTED_SHARE = 0.05  # of the items, each week
_NO_END = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True)
class Catalog:
    """Columns with one row an item, and the tables from which shoppers' choices are drawn.

    Times are days since the shop's first day. `launch_day` is 0 for what was there at the start;
    `announced_day` is when the item entered the catalogue; nothing is sold from `last_day` on.
    Money is in minor units. `promotion[week, item]` is that week's discount in per cent.
    """

    size: ShopSize
    shelf: Ints
    brand: Ints
    style: Ints
    colour: Ints
    vector: Floats  # items x TASTE_DIMENSIONS
    quality: Floats
    popularity: Floats
    growth: Floats
    launch_day: Ints
    announced_day: Ints
    last_day: Ints
    never_sold: Flags
    list_price: Ints
    price: Ints
    cost: Ints
    stock: Ints
    price_level: Floats  # logarithm of the price over the shelf's average
    interval_days: Floats  # between two purchases of a consumable; 0 for durable goods
    return_rate: Floats
    promotion: np.ndarray
    by_shelf: Ints  # item numbers grouped by shelf, as the ladder counts them
    shelf_ladder: Ladder
    shelf_vector: Floats
    shelf_weight: Floats


def build_catalog(size: ShopSize, seed: int) -> Catalog:
    """The catalogue of the shop with this size and seed."""
    rng = np.random.default_rng([seed, 1])
    shelf_vector = _shelf_vectors(rng)
    shelf = rng.choice(len(SHELVES), size.items, p=_falling_shares(len(SHELVES), 0.6, rng))
    department = np.array([each.department for each in SHELVES])[shelf]
    brand, brand_vector, brand_price = _brands(department, size.items, rng)
    style = rng.integers(len(STYLES), size=size.items)
    style_vector = _directions(len(STYLES), rng)
    vector = 0.7 * shelf_vector[shelf] + 0.5 * brand_vector[brand] + 0.5 * style_vector[style]
    vector += 0.45 * _directions(size.items, rng)
    popularity = _falling_shares(size.items, 0.8, rng) * size.items
    never_sold = _never_sold(size, rng)
    launch, announced, last = _lifetimes(size, never_sold, rng)
    list_price, price, cost = _prices(department, brand_price[brand], rng)
    by_shelf = np.argsort(shelf, kind="stable")
    counts = np.bincount(shelf, minlength=len(SHELVES))
    sold_weight = np.where(never_sold, 0.0, popularity)
    return Catalog(
        size=size,
        shelf=shelf,
        brand=brand,
        style=style,
        colour=rng.integers(len(COLOURS), size=size.items),
        vector=vector.astype(np.float32),
        quality=rng.normal(0, 1, size.items).astype(np.float32),
        popularity=popularity,
        growth=rng.normal(0, 0.6, size.items).astype(np.float32),
        launch_day=launch,
        announced_day=announced,
        last_day=last,
        never_sold=never_sold,
        list_price=list_price,
        price=price,
        cost=cost,
        stock=rng.geometric(0.02, size.items) - 1,
        price_level=_price_level(price, shelf, counts),
        interval_days=_intervals(department, rng),
        return_rate=np.array([each.return_rate for each in DEPARTMENTS])[department],
        promotion=_promotions(size, rng),
        by_shelf=by_shelf,
        shelf_ladder=Ladder(sold_weight[by_shelf], counts),
        shelf_vector=shelf_vector,
        shelf_weight=np.bincount(shelf, weights=sold_weight, minlength=len(SHELVES)).astype(np.float64),
    )


def season_factor(month: int) -> Floats:
    """How demand for each shelf stands in a month (1 to 12), over its average."""
    peak = np.array([DEPARTMENTS[each.department].peak_month for each in SHELVES])
    strength = np.array([DEPARTMENTS[each.department].season_strength for each in SHELVES])
    factor: Floats = np.exp(strength * np.cos(2 * np.pi * (month - peak) / 12))
    return factor


def _directions(number: int, rng: np.random.Generator) -> Floats:
    return unit_rows(rng.normal(size=(number, TASTE_DIMENSIONS)))


def _shelf_vectors(rng: np.random.Generator) -> Floats:
    """Shelves of one aisle are alike, aisles of one department somewhat."""
    departments = _directions(len(DEPARTMENTS), rng)
    aisles = _directions(1 + max(each.aisle for each in SHELVES), rng)
    own = _directions(len(SHELVES), rng)
    mixed = np.stack(
        [departments[each.department] + 0.7 * aisles[each.aisle] + 0.5 * own[at] for at, each in enumerate(SHELVES)]
    )
    return unit_rows(mixed)


def _falling_shares(number: int, power: float, rng: np.random.Generator) -> Floats:
    """Zipf-like shares in random order: few large, many small."""
    weights = 1.0 / (rng.permutation(number) + 3.0) ** power
    shares: Floats = weights / weights.sum()
    return shares


def _brands(department: Ints, items: int, rng: np.random.Generator) -> tuple[Ints, Floats, Floats]:
    """The brand of each item (brands live in one department), the brands' vectors and price factors."""
    per_department = 3 + int(np.sqrt(items) / 8)
    shares = np.cumsum(1.0 / np.arange(1, per_department + 1))
    place = np.searchsorted(shares / shares[-1], rng.random(items)).clip(0, per_department - 1)
    number = per_department * len(DEPARTMENTS)
    return department * per_department + place, _directions(number, rng), np.exp(rng.normal(0, 0.3, number))


def _never_sold(size: ShopSize, rng: np.random.Generator) -> Flags:
    never = rng.random(size.items) < _NEVER_SOLD_SHARE
    if size.items >= 20:
        never[rng.integers(size.items)] = True
    never[0] = False  # the smallest shop has something to sell
    return never


def _lifetimes(size: ShopSize, never_sold: Flags, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    late = (rng.random(size.items) < _LATE_SHARE) & ~never_sold
    late[0] = False
    launch = np.where(late, rng.integers(1, max(2, size.days), size.items), 0)
    announced = np.where(late, np.maximum(0, launch - rng.integers(0, 22, size.items)), 0)
    ends = (rng.random(size.items) < _DISCONTINUED_SHARE) & ~late
    ends[0] = False
    last = np.where(ends, rng.integers(max(1, size.days // 3), size.days + 1, size.items), _NO_END)
    return launch, announced, last


def _prices(department: Ints, brand_factor: Floats, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    typical = np.array([each.typical_price for each in DEPARTMENTS])[department]
    exact = typical * brand_factor * np.exp(rng.normal(0, 0.4, len(department)))
    list_price = (np.maximum(exact, 50) / 10).astype(np.int64) * 10 + 9
    reduced = np.where(rng.random(len(department)) < 0.12, rng.choice([10, 20, 30], len(department)), 0)
    price = list_price * (100 - reduced) // 100
    cost = (list_price * rng.uniform(0.35, 0.65, len(department))).astype(np.int64)
    return list_price, price, cost


def _price_level(price: Ints, shelf: Ints, counts: Ints) -> Floats:
    level = np.log(price)
    average = np.bincount(shelf, weights=level, minlength=len(counts)) / np.maximum(counts, 1)
    return (level - average[shelf]).astype(np.float32)


def _intervals(department: Ints, rng: np.random.Generator) -> Floats:
    typical = np.array([each.interval_days for each in DEPARTMENTS])[department]
    return typical * np.exp(rng.normal(0, 0.35, len(department)))


def _promotions(size: ShopSize, rng: np.random.Generator) -> np.ndarray:
    weeks = size.days // 7 + 1
    found = np.zeros((weeks, size.items), dtype=np.int8)
    number = max(1, round(_PROMOTED_SHARE * size.items))
    for week in range(weeks):
        found[week, rng.choice(size.items, number, replace=False)] = rng.choice([10, 15, 20, 30, 40], number)
    return found
