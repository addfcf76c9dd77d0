"""Shops whose truth is known: everybody orders by chance, at a pace of their own or all at the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from engine.storage.home import Home
from engine.storage.lake import Lake

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SHAPE, SCALE = 0.8, 0.06  # of the gamma distribution of paces, orders a day


@dataclass(frozen=True)
class Planted:
    """`user` and `day` [n] are the orders, `paces` [users] orders a day."""

    user: np.ndarray
    day: np.ndarray
    paces: np.ndarray
    days: int

    def truth(self, day: float, horizon: float) -> np.ndarray:
        """The best that anybody can say of each user at `day`: P(order within the horizon | orders so far).

        Paces are gamma distributed and orders come by chance, so what is known of a pace is a gamma distribution too
        (the NBD model); how long ago the last order was tells nothing more.
        """
        orders = np.bincount(self.user[self.day < day], minlength=len(self.paces))
        rest = 1 / SCALE + day
        return 1 - (rest / (rest + horizon)) ** (SHAPE + orders)


def planted(users: int = 800, days: int = 200, *, seed: int = 3, pace: float | None = None) -> Planted:
    """Poisson orders; with `pace`, everybody's is the same and nothing tells users apart."""
    rng = np.random.default_rng(seed)
    paces = rng.gamma(SHAPE, SCALE, users) if pace is None else np.full(users, pace)
    orders = rng.poisson(paces * days)
    return Planted(np.repeat(np.arange(users), orders), rng.uniform(0, days, orders.sum()), paces, days)


def events_of(shop: Planted, *, items: int = 4, seed: int = 5) -> pa.Table:
    """One purchase an order; even users take the first half of the items nine times in ten, odd users the second."""
    rng = np.random.default_rng(seed)
    usual = rng.random(len(shop.user)) < 0.9
    half = np.where(usual, shop.user % 2, 1 - shop.user % 2)
    item = half * (items // 2) + rng.integers(0, items // 2, len(shop.user))
    return events(
        [f"u{user}" for user in shop.user], shop.day, items=[f"i{number}" for number in item], ids="e"
    )  # fmt: skip


def events(users, days, *, items, ids: str, kind: str = "purchase") -> pa.Table:
    times = [START + timedelta(seconds=round(float(day) * 86_400)) for day in days]
    return pa.table(
        {
            "event_id": [f"{ids}{number}" for number in range(len(times))],
            "type": [kind] * len(times),
            "time": pa.array(times, pa.timestamp("us", tz="UTC")),
            "user_id": list(users),
            "item_id": list(items),
            "amount": pa.array([1000] * len(times), pa.int64()),
            "list_amount": pa.array([1250] * len(times), pa.int64()),
            "order_id": [f"{ids}-order-{number}" for number in range(len(times))],
        }
    )


def shop_items(items: int = 4) -> pa.Table:
    """Half of them tea, half of them cups."""
    shelves = [["kitchen", "tea"] if number < items // 2 else ["table", "cups"] for number in range(items)]
    return pa.table({"item_id": [f"i{number}" for number in range(items)], "categories": shelves})


def filled(folder, shop: Planted) -> Home:
    home = Home(folder)
    lake = Lake(home)
    lake.put_items(shop_items())
    lake.append_events(events_of(shop))
    return home
