"""The ledger for requests: its calls wait in threads, so that the event loop does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from engine.errors import StoreUnavailable
from engine.storage.ledger import LedgerPool, open_ledger

_Answer = TypeVar("_Answer")


class LedgerDoor:
    """Opened at the first need; a ledger that is away is asked anew by the next request."""

    def __init__(self, url: str, shop: str, *, connections: int | None = None) -> None:
        """`connections` of its own, and as many threads, for calls of single statements (`at_once`)."""
        self._url = url
        self._shop = shop
        self._connections = connections
        self._threads = None if connections is None else ThreadPoolExecutor(connections, "ledger")
        self._pool: LedgerPool | None = None
        self._opening = threading.Lock()

    @property
    def is_there(self) -> bool:
        """Whether this process has a ledger at all."""
        return bool(self._url)

    async def ask(self, use: Callable[[LedgerPool], _Answer]) -> _Answer:
        """What `use` finds in the ledger. Raises StoreUnavailable, and what `use` raises."""
        if not self._url:
            raise StoreUnavailable("this storefront runs without a ledger; start it with `hawker serve`")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: use(self._opened()))

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._pool is not None:
            self._pool.dispose()

    def _opened(self) -> LedgerPool:
        with self._opening:
            self._pool = self._pool or open_ledger(self._url, self._shop, connections=self._connections)
        return self._pool
