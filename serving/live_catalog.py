"""The live catalogue: what changed since the bundle was made, applied before a request that hears of it is answered."""

from __future__ import annotations

import asyncio
import logging

from engine.bundle import Bundle
from engine.errors import StoreUnavailable
from engine.overlay import overlaid
from engine.storage.live_documents import item_changes
from engine.storage.online import AsyncClient

log = logging.getLogger("hawker.catalog")


class LiveCatalog:
    """The bundle in service with the shop's latest words on its items, for one process."""

    def __init__(self, client: AsyncClient | None, shop: str) -> None:
        self._client = client
        self._shop = shop
        self._base: Bundle | None = None
        self._current: Bundle | None = None
        self._version = 0
        self._applying = asyncio.Lock()

    async def obey(self, bundle: Bundle, version: int | None) -> tuple[Bundle, bool]:
        """`bundle` as of the catalogue's `version` at least, and whether that could be reached.

        `version` comes with the profile, so that nothing is asked for where nothing changed.
        """
        if self._client is None or version is None:
            return (self._current if self._base is bundle and self._current else bundle), True
        if self._base is not bundle or self._version < version:
            async with self._applying:  # those who come meanwhile find it done
                if self._base is not bundle or self._version < version:
                    try:
                        await self._apply(self._client, bundle)
                    except StoreUnavailable as problem:
                        log.warning("the catalogue could not be followed: %s", problem.message)
                        return (self._current if self._base is bundle and self._current else bundle), False
        assert self._current is not None
        return self._current, True

    async def _apply(self, client: AsyncClient, bundle: Bundle) -> None:
        # A new bundle may be older than the last changes: all of them are laid over it once.
        same = self._base is bundle and self._current is not None
        version, documents = await item_changes(client, self._shop, self._version if same else 0)
        before = self._current if same and self._current is not None else bundle
        self._current = overlaid(before, documents)
        self._base, self._version = bundle, version
