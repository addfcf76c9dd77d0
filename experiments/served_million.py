"""A large shop ready to be served: published, its clock set, and what everybody did lately in the live store."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from engine.bundle import Bundle
from engine.settings import read_settings
from engine.storage import clock, releases
from engine.storage.embedded import open_stores
from engine.storage.home import Home
from engine.storage.live_person import LiveEvent
from engine.storage.live_profiles import LiveProfiles
from engine.storage.online import open_async
from experiments.findings import Conditions
from experiments.large_bundle import large_bundle, small_rankings
from experiments.large_shop import large_shop
from experiments.shop import ShopSize

#: What people did since the bundle was made, each of them.
_LATELY = ("view", "view", "cart_add")
_PEOPLE_AT_ONCE = 400
_SECONDS_LATER = 3_600  # the shop's clock stands so long after the bundle's moment

WHOLE, QUICK = ShopSize(users=1_000_000, items=1_000_000, days=20), ShopSize(users=3_000, items=3_000, days=20)


#: A tenth of it, say, makes quick runs shorter still, where only counts are looked at.
QUICKER = 1.0


def size_of(conditions: Conditions) -> ShopSize:
    return QUICK if conditions.quick else WHOLE


def lasting(conditions: Conditions, whole: float, *, quick: float) -> float:
    """How long something is measured, seconds."""
    return quick * QUICKER if conditions.quick else whole


@contextmanager
def large_home(home: Home, conditions: Conditions, *, size: ShopSize | None = None, threads: int = 2) -> Iterator[str]:
    """Make the shop in `home`, by default of the usual size; gives the live store's address, which answers until the
    block ends.
    """
    if releases.current(home) is None:
        size = size or size_of(conditions)
        rankings = small_rankings(Home(conditions.scratch / "small"), seed=conditions.seed, threads=threads)
        bundle = large_bundle(large_shop(size, conditions.seed), rankings, seed=conditions.seed, threads=threads)
        published(home, bundle)
        del bundle
        gc.collect()
    with open_stores(read_settings({"HAWKER_HOME": str(home.root)}), {"live"}) as stores:
        bundle = releases.open_bundle(home)
        clock.set_offset(home, bundle.manifest.as_of + _SECONDS_LATER - time.time())
        asyncio.run(_remembered(stores.live_url, bundle, conditions.seed))
        del bundle
        yield stores.live_url


def published(home: Home, bundle: Bundle) -> int:
    """The version under which the home serves the bundle from now on."""
    with releases.new_version_folder(home) as reserved:
        bundle.save(reserved.folder)
    releases.point_to(home, reserved.version, time.time())
    return reserved.version


async def _remembered(url: str, bundle: Bundle, seed: int) -> None:
    """A live profile of every user: events after the bundle's moment, of items that sell."""
    client = open_async(url, "URL", seconds=30.0)
    try:
        n = len(bundle.users)
        if await client.exists(f"default:p:u:u{n - 1}"):
            return
        profiles, rng = LiveProfiles(client, "default"), np.random.default_rng(seed)
        sold = bundle.statistics.recent.astype(np.float64)
        chosen = rng.choice(len(sold), (n, len(_LATELY)), p=sold / sold.sum())
        times = bundle.manifest.as_of + rng.integers(60, _SECONDS_LATER, (n, len(_LATELY)))
        for first in range(0, n, _PEOPLE_AT_ONCE):
            events = [
                LiveEvent(f"l{user}-{place}", f"u{user}", None, f"i{chosen[user, place]}", kind, times[user, place])
                for user in range(first, min(first + _PEOPLE_AT_ONCE, n))
                for place, kind in enumerate(_LATELY)
            ]
            await profiles.record(events, trends=False)
    finally:
        await client.aclose()
