"""Pressure: whether the stream can keep what arrives, looked at about once a second and off the request path."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from engine.errors import Overloaded
from engine.storage.online import AsyncClient, StoreError

#: Of the stream's memory: above it events are turned away, so that what was accepted can still be drained.
FULLEST = 0.8


class Pressure:
    """The last look at the stream's memory and at the disk."""

    def __init__(self, client: AsyncClient, home: Path, *, least_free_bytes: int) -> None:
        self._client = client
        self._home = home
        self._least_free = least_free_bytes
        self._reason: str | None = None

    def check(self) -> None:
        """Raise Overloaded while the stream or the disk is too full to take more."""
        if self._reason is not None:
            raise Overloaded(f"{self._reason}; send the same again in a moment")

    async def look(self) -> None:
        if shutil.disk_usage(self._home).free < self._least_free:
            self._reason = "the disk is nearly full"
            return
        try:
            memory: Any = await self._client.info("memory")
        except (StoreError, OSError):
            return  # the append itself says so, and says it better
        limit = int(memory.get("maxmemory") or 0)
        full = limit and int(memory["used_memory"]) > FULLEST * limit
        self._reason = "events arrive faster than they can be stored" if full else None
