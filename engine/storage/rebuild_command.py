"""`hawker doctor --rebuild`: the whole live store from the lake, with the stores opened for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.errors import NotAllowed
from engine.settings import Settings
from engine.storage import clock
from engine.storage.drain import Drain
from engine.storage.durable import locked
from engine.storage.embedded import Stores, open_stores
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.online import connect_stream, open_async
from engine.storage.rebuild import rebuild_documents, rebuild_profiles

_SECONDS = 10.0  # of one command of a batch


def rebuild_live(settings: Settings, home: Home, *, say: Callable[[str, int], None]) -> dict[str, int]:
    """What was brought over, by kind. Where the shop is served its worker drains; else this does first.

    Raises NotAllowed when changes arrive faster than they are drained.
    """
    with open_stores(settings, {"stream", "live"}) as stores, locked(home.shop_folder / "worker.lock"):
        with connect_stream(stores.stream_url) as client:
            drain = Drain(Lake(home), client, settings.shop)
            while drain.round(clock.now(home)).more:
                pass
        return asyncio.run(_rebuild(settings, stores, home, say))


async def _rebuild(settings: Settings, stores: Stores, home: Home, say: Callable[[str, int], None]) -> dict[str, int]:
    live = open_async(stores.live_url, "HAWKER_REDIS_URL", seconds=_SECONDS)
    stream = open_async(stores.stream_url, "HAWKER_STREAM_URL", seconds=_SECONDS)
    try:
        documents = await rebuild_documents(Lake(home), live, stream, settings.shop, say=say)
        if documents is None:
            raise NotAllowed("items and users are being changed just now; run it again in a moment")
        profiles = await rebuild_profiles(Lake(home), live, settings.shop, now=clock.now(home), say=say)
    finally:
        await live.aclose()
        await stream.aclose()
    return {
        "items": documents.items,
        "users": documents.users,
        "events": profiles.events,
        "merges": profiles.merges,
    }
