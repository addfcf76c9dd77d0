"""What the generated shop sells: departments, their aisles and shelves, and how each department behaves.

A shelf (third level) is a kind within an aisle: "organic coffee" in aisle "coffee" of department "drinks".
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Department:
    """A first-level category.

    `typical_price` is in minor units; `interval_days` is the typical time until a consumable is
    bought again (0 for durable goods); `peak_month` is the month of the year in which
    `season_strength` (logarithm of the highest demand over the average one) is reached.
    """

    name: str
    aisles: tuple[str, ...]
    kinds: tuple[str, ...]
    typical_price: int
    interval_days: float = 0.0
    peak_month: int = 12
    season_strength: float = 0.0
    return_rate: float = 0.01
    return_reasons: tuple[str, ...] = ("damaged", "wrong item", "changed mind")


_FITS = ("too small", "too large", "not as pictured", "changed mind")
_WORKS = ("defective", "not as described", "changed mind")

DEPARTMENTS = (
    Department("grocery", ("pasta", "cereal", "snacks", "sauces"), ("everyday", "organic", "family"), 349, 14),
    Department("drinks", ("coffee", "tea", "juice", "water"), ("everyday", "organic", "premium"), 599, 18),
    Department("household", ("detergent", "paper", "cleaners", "candles"), ("classic", "sensitive", "eco"), 799, 30),
    Department("beauty", ("shampoo", "skin care", "make-up", "perfume"), ("classic", "sensitive", "luxury"), 1499, 40),
    Department("pets", ("dog food", "cat food", "litter", "toys"), ("classic", "grain-free", "bulk"), 1999, 24),
    Department("baby", ("nappies", "formula", "wipes", "bottles"), ("classic", "sensitive", "travel"), 1899, 12),
    Department(
        "clothing",
        ("shirts", "trousers", "dresses", "coats"),
        ("casual", "office", "outdoor"),
        4999,
        0,
        11,
        0.7,
        0.16,
        _FITS,
    ),
    Department(
        "shoes",
        ("sneakers", "boots", "sandals", "slippers"),
        ("casual", "office", "trail"),
        6999,
        0,
        5,
        0.7,
        0.18,
        _FITS,
    ),
    Department(
        "sports",
        ("running", "cycling", "yoga", "winter sports"),
        ("starter", "club", "pro"),
        3999,
        0,
        1,
        1.0,
        0.06,
        _FITS,
    ),
    Department(
        "home",
        ("lamps", "bedding", "kitchenware", "decoration"),
        ("classic", "modern", "rustic"),
        2999,
        0,
        12,
        0.6,
        0.05,
    ),
    Department(
        "garden", ("seeds", "tools", "furniture", "barbecue"), ("balcony", "family", "pro"), 2499, 0, 4, 1.3, 0.03
    ),
    Department(
        "electronics",
        ("headphones", "cameras", "tablets", "smart home"),
        ("compact", "classic", "pro"),
        12999,
        0,
        12,
        0.9,
        0.08,
        _WORKS,
    ),
    Department(
        "books",
        ("novels", "cookbooks", "travel", "children"),
        ("paperback", "hardcover", "gift"),
        1699,
        0,
        12,
        0.8,
        0.02,
    ),
    Department(
        "toys",
        ("puzzles", "building sets", "dolls", "board games"),
        ("mini", "classic", "deluxe"),
        2799,
        0,
        12,
        1.4,
        0.04,
    ),
)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A third-level category, with the number of its department and of its aisle over the whole shop."""

    department: int
    aisle: int
    path: tuple[str, str, str]


def _shelves() -> tuple[Shelf, ...]:
    found: list[Shelf] = []
    aisle = 0
    for number, department in enumerate(DEPARTMENTS):
        for name in department.aisles:
            found += [Shelf(number, aisle, (department.name, name, f"{kind} {name}")) for kind in department.kinds]
            aisle += 1
    return tuple(found)


SHELVES = _shelves()
