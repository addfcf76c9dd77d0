"""The live catalogue: what changed since the bundle was made.

Price, stock, availability and deletion hold in the answer to the next request that hears of them. What takes a moment
of computing is done beside the requests, about once a second: items newer than the bundle, items whose time to be
sold begins or ends, and what sells now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from engine.bundle import Bundle
from engine.errors import StoreUnavailable
from engine.newcomers import with_newcomers
from engine.overlay import overlaid, window_of, with_live_trends
from engine.storage.live_documents import item_changes
from engine.storage.live_profiles import LiveProfiles
from engine.storage.online import AsyncClient, StoreError
from serving.arrivals import Arrivals

log = logging.getLogger("hawker.catalog")

TRENDS_EVERY = 15  # refreshes, about a second each


class LiveCatalog:
    """The bundle in service with the shop's latest words on its items, for one process."""

    def __init__(self, client: AsyncClient | None, profiles: LiveProfiles | None, shop: str) -> None:
        self._client = client
        self._profiles = profiles
        self._shop = shop
        self._base: Bundle | None = None
        self._plain: Bundle | None = None  # the base as the shop speaks of it now, without newcomers
        self._current: Bundle | None = None
        self._version = 0
        self._arrivals = Arrivals()
        self._windows: dict[str, Mapping[str, Any]] = {}
        self._turns_at = float("inf")
        self._trends: Sequence[tuple[str, float]] = ()
        self._refreshes = 0
        self._applying = asyncio.Lock()

    async def obey(self, bundle: Bundle, version: int | None, now: float) -> tuple[Bundle, bool]:
        """`bundle` as of the catalogue's `version` at least, and whether that could be reached.

        `version` comes with the profile, so that nothing is asked for where nothing changed.
        """
        if self._client is None or version is None:
            return self._best(bundle), True
        if self._base is not bundle or self._version < version:
            async with self._applying:  # those who come meanwhile find it done
                if self._base is not bundle or self._version < version:
                    try:
                        await self._apply(self._client, bundle, now)
                    except StoreUnavailable as problem:
                        log.warning("the catalogue could not be followed: %s", problem.message)
                        return self._best(bundle), False
        return self._best(bundle), True

    async def refresh(self, bundle: Bundle, now: float) -> None:
        """What is not waited for in requests: some newcomers, windows that turned, the trends of the hour."""
        if self._client is None or self._profiles is None:
            return
        async with self._applying:
            try:
                if self._base is not bundle:
                    await self._apply(self._client, bundle, now)
                if self._refreshes % TRENDS_EVERY == 0:
                    self._trends = await self._profiles.trending(now)
                    self._arrivals.changed = True
                self._refreshes += 1
            except (StoreUnavailable, StoreError, OSError) as problem:
                log.debug("the catalogue waits for the live store: %s", problem)
                return
            if now >= self._turns_at:
                self._turn(now)
            if self._arrivals.changed:
                assert self._plain is not None
                self._current = await asyncio.to_thread(self._composed, self._plain, now)

    def _best(self, bundle: Bundle) -> Bundle:
        return self._current if self._base is bundle and self._current is not None else bundle

    async def _apply(self, client: AsyncClient, bundle: Bundle, now: float) -> None:
        # A new bundle may be older than the last changes: all of them are laid over it once.
        if self._base is not bundle or self._plain is None or self._current is None:
            version, documents = await item_changes(client, self._shop, 0)
            self._arrivals, self._windows = Arrivals(), {}
            self._plain = self._current = bundle
        else:
            version, documents = await item_changes(client, self._shop, self._version)
        self._base, self._version = bundle, version
        self._lay_over(documents, now)
        self._arrivals.meet([each for each in documents if bundle.items.row(str(each["item_id"])) < 0])

    def _lay_over(self, documents: Sequence[Mapping[str, Any]], now: float) -> None:
        assert self._plain is not None and self._current is not None
        same = self._plain is self._current
        self._plain = overlaid(self._plain, documents, now)
        self._current = self._plain if same else overlaid(self._current, documents, now)
        for each in documents:
            self._windows.pop(str(each["item_id"]), None)
            if each.get("available_from") or each.get("available_until"):
                self._windows[str(each["item_id"])] = each
        turns = (moment for each in self._windows.values() for moment in window_of(each) if moment > now)
        self._turns_at = min(turns, default=float("inf"))

    def _turn(self, now: float) -> None:
        self._lay_over(list(self._windows.values()), now)

    def _composed(self, plain: Bundle, now: float) -> Bundle:
        documents, near = self._arrivals.introduced(plain)
        return with_live_trends(with_newcomers(plain, documents, near, now), self._trends)
