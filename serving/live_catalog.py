"""The live catalogue: what changed since the bundle was made.

Price, stock, availability and deletion hold in the answer to the next request that hears of them. What takes a moment
of computing is done beside the requests, about once a second: items newer than the bundle, items whose time to be
sold begins or ends, and what sells now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from engine.bundle import Bundle
from engine.errors import StoreUnavailable
from engine.storage.live_profiles import LiveProfiles
from engine.storage.live_reads import PATIENCE, done_within
from engine.storage.online import AsyncClient, StoreError
from serving.catalog_view import CatalogView

log = logging.getLogger("hawker.catalog")

TRENDS_EVERY = 15  # refreshes, about a second each
_VIEWS = 2  # the bundle in service, and the one that requests which began before a swap still answer from


class LiveCatalog:
    """The bundles in service with the shop's latest words on their items, for one process."""

    def __init__(
        self, client: AsyncClient | None, profiles: LiveProfiles | None, shop: str, *, patience: float = PATIENCE
    ) -> None:
        """A request waits for the store no longer than `patience`, seconds."""
        self._client = client
        self._profiles = profiles
        self._shop = shop
        self._patience = patience
        self._views: list[CatalogView] = []
        self._following: dict[CatalogView, asyncio.Task[None]] = {}
        self._trends: Sequence[tuple[str, float]] = ()
        self._refreshes = 0

    async def obey(self, bundle: Bundle, version: int | None, now: float) -> tuple[Bundle, bool]:
        """`bundle` as of the catalogue's `version` at least, and whether that could be reached.

        `version` comes with the profile, so that nothing is asked for where nothing changed.
        """
        view = self._view(bundle)
        if self._client is not None and version is not None and view.version < version:
            if view not in self._following:  # those who come meanwhile wait for the same
                task = asyncio.get_running_loop().create_task(self._followed(self._client, view, now))
                self._following[view] = task
            await done_within(self._following[view], self._patience)
            return view.current, view.version >= version
        return view.current, True

    async def prepare(self, bundle: Bundle, now: float) -> None:
        """Catch up with the shop on a bundle that is about to be served, so that no request has to wait for it."""
        view = self._view(bundle)
        if self._client is not None:
            await self._followed(self._client, view, now)
            await view.compose(self._trends, now, anew=bool(self._trends))

    async def refresh(self, bundle: Bundle, now: float) -> None:
        """What is not waited for in requests: some newcomers, windows that turned, the trends of the hour.

        Other bundles than this one are let go of.
        """
        view = self._view(bundle)
        await self._let_go(view)
        if self._client is None or self._profiles is None:
            return
        try:
            anew = self._refreshes % TRENDS_EVERY == 0
            if anew:
                self._trends = await self._profiles.trending(now)
            self._refreshes += 1
        except (StoreError, OSError) as problem:
            log.debug("the catalogue waits for the live store: %s", problem)
            return
        view.turn(now)
        await view.compose(self._trends, now, anew=anew)

    async def _let_go(self, view: CatalogView) -> None:
        """Keep this view only. Unmapping a large bundle takes a tenth of a second: it is done beside the requests."""
        gone = [each for each in self._views if each is not view]
        self._views = [view]
        if gone:
            await asyncio.to_thread(gone.clear)

    async def _followed(self, client: AsyncClient, view: CatalogView, now: float) -> None:
        try:
            await view.catch_up(client, self._shop, now)
        except StoreUnavailable as problem:
            log.warning("the catalogue could not be followed: %s", problem.message)
        finally:
            self._following.pop(view, None)

    def _view(self, bundle: Bundle) -> CatalogView:
        for each in self._views:
            if each.base is bundle:
                return each
        made = CatalogView(bundle)
        self._views = [made, *self._views][:_VIEWS]
        return made
