"""Catalogue view: one bundle with the shop's latest words on its items, in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from engine.bundle import Bundle
from engine.newcomers import with_newcomers
from engine.overlay import overlaid, window_of, with_live_trends
from engine.storage.live_documents import item_changes
from engine.storage.online import AsyncClient
from serving.arrivals import Arrivals


class CatalogView:
    """`current` is what to answer from: `base` as of the catalogue's `version`, with newcomers and trends."""

    def __init__(self, base: Bundle) -> None:
        self.base = base
        self.current = base
        self.version = 0
        self._plain = base  # the base as the shop speaks of it now, without newcomers
        self._arrivals = Arrivals()
        self._windows: dict[str, Mapping[str, Any]] = {}
        self._turns_at = float("inf")
        self._applying = asyncio.Lock()
        self._meanwhile: list[Mapping[str, Any]] | None = None  # what is said while newcomers are being laid over

    async def catch_up(self, client: AsyncClient, shop: str, now: float) -> None:
        """Lay over it what the shop said since. Raises StoreUnavailable."""
        async with self._applying:
            version, documents = await item_changes(client, shop, self.version)
            self.version = version
            self._lay_over(documents, now)
            self._arrivals.meet([each for each in documents if self.base.items.row(str(each["item_id"])) < 0])

    def turn(self, now: float) -> None:
        """Open and close what is sold within a time, where one began or ended."""
        if now >= self._turns_at:
            self._lay_over(list(self._windows.values()), now)

    async def compose(self, trends: Sequence[tuple[str, float]], now: float, *, anew: bool) -> None:
        """Lay over it who came since and what sells now, in a thread; `anew` although nobody came.

        What the shop says meanwhile holds at once, and in what comes of this.
        """
        if not (anew or self._arrivals.changed):
            return
        self._meanwhile = []
        try:
            composed = await asyncio.to_thread(self._composed, self._plain, trends, now)
            self.current = overlaid(composed, self._meanwhile, now)
        finally:
            self._meanwhile = None

    def _lay_over(self, documents: Sequence[Mapping[str, Any]], now: float) -> None:
        if self._meanwhile is not None:
            self._meanwhile += documents
        same = self._plain is self.current
        self._plain = overlaid(self._plain, documents, now)
        self.current = self._plain if same else overlaid(self.current, documents, now)
        for each in documents:
            self._windows.pop(str(each["item_id"]), None)
            if each.get("available_from") or each.get("available_until"):
                self._windows[str(each["item_id"])] = each
        turns = (moment for each in self._windows.values() for moment in window_of(each) if moment > now)
        self._turns_at = min(turns, default=float("inf"))

    def _composed(self, plain: Bundle, trends: Sequence[tuple[str, float]], now: float) -> Bundle:
        documents, near = self._arrivals.introduced(plain)
        return with_live_trends(with_newcomers(plain, documents, near, now), trends)
