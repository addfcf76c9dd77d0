"""The ledger for requests: its calls wait in threads, so that the event loop does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from engine.errors import StoreUnavailable
from engine.storage.ledger import LedgerPool, open_ledger

_Answer = TypeVar("_Answer")


class LedgerDoor:
    """Opened at the first need; a ledger that is away is asked anew by the next request."""

    def __init__(self, url: str, shop: str) -> None:
        self._url = url
        self._shop = shop
        self._pool: LedgerPool | None = None

    async def ask(self, use: Callable[[LedgerPool], _Answer]) -> _Answer:
        """What `use` finds in the ledger. Raises StoreUnavailable, and what `use` raises."""
        if not self._url:
            raise StoreUnavailable("this storefront runs without a ledger; start it with `hawker serve`")
        return await asyncio.to_thread(lambda: use(self._opened()))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.dispose()

    def _opened(self) -> LedgerPool:
        self._pool = self._pool or open_ledger(self._url, self._shop)
        return self._pool
