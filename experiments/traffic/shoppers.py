"""Shoppers: events as a storefront would send them, in bodies made before the clock runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

#: Shares as in a middling shop: many looks, few purchases.
_TYPES, _SHARES = ("view", "click", "cart_add", "wishlist_add", "purchase"), (0.62, 0.2, 0.1, 0.03, 0.05)


def events(
    prefix: str, number: int, *, users: int, items: int, seed: int, now: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """`number` well-formed events with ids `prefix-0`, `prefix-1`, ... of the last hour before `now`."""
    rng = np.random.default_rng(seed)
    now = now or datetime.now(UTC)
    kinds = rng.choice(len(_TYPES), number, p=_SHARES)
    people, things = rng.integers(users, size=number), (items * rng.random(number) ** 2).astype(int)
    ages = rng.random(number) * 3_600
    for place in range(number):
        made: dict[str, Any] = {
            "event_id": f"{prefix}-{place}",
            "type": _TYPES[kinds[place]],
            "user_id": f"u{people[place]}",
            "item_id": f"i{things[place]}",
            "time": (now - timedelta(seconds=float(ages[place]))).isoformat(timespec="milliseconds"),
        }
        if made["type"] == "purchase":
            made |= {"order_id": f"{prefix}-o{place}", "quantity": 1, "amount": 1_990, "currency": "EUR"}
        if made["type"] == "click":
            made |= {"recommendation_id": "0" * 32, "properties": {"position": 1}}
        yield made


def batches(
    prefix: str, number: int, size: int, *, users: int, items: int, seed: int
) -> Iterator[tuple[list[str], bytes]]:
    """Bodies of `size` events each, `number` of them, with the ids that they hold."""
    for batch in range(number):
        made = list(events(f"{prefix}-{batch}", size, users=users, items=items, seed=seed + batch))
        yield [each["event_id"] for each in made], json.dumps({"events": made}, separators=(",", ":")).encode()
