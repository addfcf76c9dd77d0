"""`hawker bench shop`: how fast the generator is, that it repeats itself, and that what it plants can be found."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments.findings import Asked, Conditions, Findings
from experiments.shop import Shop, ShopSize, generate, write_parquet
from experiments.shop.tables import EVENT_SCHEMA

_QUICK = ShopSize(users=4_000, items=2_000, days=90)
_WHOLE = ShopSize(users=10_000, items=5_000, days=120)


def measure_shop(conditions: Conditions) -> Findings:
    """Generate one shop three times, another once, and look for the plants with simple counts."""
    size = _QUICK if conditions.quick else _WHOLE
    began = time.perf_counter()
    shop = generate(size, seed=conditions.seed)
    in_memory = shop.events.num_rows / (time.perf_counter() - began)

    began = time.perf_counter()
    written = write_parquet(conditions.scratch / "shop", size, seed=conditions.seed)
    streaming = written / (time.perf_counter() - began)
    floor = _floor(conditions.scratch / "floor.parquet", written, np.random.default_rng(conditions.seed))

    same = generate(size, seed=conditions.seed).events.equals(shop.events)
    other = generate(size, seed=conditions.seed + 1).events.equals(shop.events)
    taste, chance = top_shelf_shares(shop)
    viewed, popular = browsing_shares(shop, size)
    asked = (
        Asked("events a second to Parquet, over random rows a second", streaming / floor, at_least=0.2),
        Asked("the same seed makes the same events (1 = yes)", float(same), at_least=1),
        Asked("another seed makes the same events (1 = yes)", float(other), at_most=0),
        Asked("taste-led purchases from the user's top shelf, over chance", taste / chance, at_least=5),
        Asked("later purchase of a viewed item, over a popular one", viewed / popular, at_least=2),
    )
    figures = {
        **_content(shop, size),
        "events_per_second": round(in_memory),
        "events_per_second_to_parquet": round(streaming),
        "floor_rows_per_second": round(floor),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "taste_led_purchases_from_top_shelf": taste,
        "the_same_by_chance": chance,
        "viewed_unbought_items_bought_later": viewed,
        "popular_unbought_items_bought_later": popular,
    }
    return Findings(figures, asked)


def _content(shop: Shop, size: ShopSize) -> dict[str, Any]:
    return {
        "users": size.users,
        "items": size.items,
        "days": size.days,
        "events": shop.events.num_rows,
        "events_by_type": _counts(shop.events["type"]),
        "purchases_by_cause": _counts(shop.reasons["cause"]),
    }


def top_shelf_shares(shop: Shop) -> tuple[float, float]:
    """Share of taste-led purchases from the buyer's most liked shelf, and from somebody else's."""
    led = shop.reasons.filter(pc.equal(shop.reasons["cause"], "taste"))
    bought = np.array([path[2] for path in shop.items["categories"].to_pylist()], dtype=object)[
        _numbers(led["item_id"])
    ]
    liked = np.array(shop.tastes["shelf"].to_pylist(), dtype=object)[_numbers(led["user_id"])]
    return float((bought == liked).mean()), float((bought == np.roll(liked, len(liked) // 2)).mean())


def browsing_shares(shop: Shop, size: ShopSize) -> tuple[float, float]:
    """Of items never bought by a user before the last 28 days: bought in them after a view in the two
    weeks before, and bought in them when they are among the 20 most bought items of all.
    """
    named = shop.events.filter(pc.and_(pc.is_valid(shop.events["user_id"]), pc.is_valid(shop.events["item_id"])))
    pair = _numbers(named["user_id"]) * size.items + _numbers(named["item_id"])
    day = (named["time"].cast(pa.int64()).to_numpy() - np.datetime64(size.start, "us").astype(np.int64)) / 86_400e6
    purchase = pc.equal(named["type"], "purchase").to_numpy()
    cut = size.days - 28
    before, later = np.unique(pair[purchase & (day < cut)]), np.unique(pair[purchase & (day >= cut)])
    viewed = np.setdiff1d(pair[(day >= cut - 14) & (day < cut)], before)
    sales = np.bincount(before % size.items, minlength=size.items)
    top = np.argsort(-sales)[:20]
    popular = np.setdiff1d((np.arange(size.users)[:, None] * size.items + top).ravel(), before)
    return float(np.isin(viewed, later).mean()), float(np.isin(popular, later).mean())


def _numbers(ids: pa.ChunkedArray) -> np.ndarray:
    numbers: np.ndarray = pc.cast(pc.utf8_slice_codeunits(ids, 1), pa.int64()).to_numpy()
    return numbers


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    return {each["values"]: each["counts"] for each in pc.value_counts(column).to_pylist()}


def _floor(path: Path, number: int, rng: np.random.Generator) -> float:
    """Rows a second at which events without any meaning are drawn and written: the same columns, nothing planted."""
    began = time.perf_counter()
    at_once = 250_000
    with pq.ParquetWriter(path, EVENT_SCHEMA) as writer:
        for first in range(0, number, at_once):
            writer.write_table(_random_rows(min(at_once, number - first), rng))
    return number / (time.perf_counter() - began)


def _random_rows(number: int, rng: np.random.Generator) -> pa.Table:
    columns: list[pa.Array] = []
    for field in EVENT_SCHEMA:
        if field.name in ("recommendation_id", "coupon_code"):
            columns.append(pa.nulls(number, field.type))
        elif field.name in ("type", "currency", "source", "properties"):
            columns.append(pa.array(["one", "two", "three", "four"]).take(pa.array(rng.integers(4, size=number))))
        else:
            whole = pa.array(rng.integers(10**12 if field.name == "event_id" else 10**5, size=number))
            columns.append(pc.cast(whole, field.type))
    return pa.table(columns, schema=EVENT_SCHEMA)
