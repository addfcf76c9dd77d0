"""Doors: a storefront process's way to the stores, opened at its first need and none of them required to answer."""

from __future__ import annotations

from pathlib import Path

from engine.settings import Settings
from engine.storage.event_stream import EventStream
from engine.storage.live_profiles import LiveProfiles
from engine.storage.live_reads import PATIENCE, LiveReads
from engine.storage.online import LIVE_SECONDS, STREAM_SECONDS, AsyncClient, open_async
from serving.ledger_door import LedgerDoor
from serving.pressure import Pressure

#: Connections for coupons. More of them only wait for one another: a hot code is one row.
_AT_THE_TILL = 6


class Doors:
    """None stands for a store that this process goes without."""

    def __init__(
        self, settings: Settings, home: Path, *, live_seconds: float = LIVE_SECONDS, patience: float = PATIENCE
    ) -> None:
        """Addresses come from the settings; nothing is connected yet.

        A command of `live` gets `live_seconds`; what is read within requests is waited for no longer than `patience`.
        """
        self._clients: list[AsyncClient] = []
        self.stream: EventStream | None = None
        self.pressure: Pressure | None = None
        self.profiles: LiveProfiles | None = None
        self.live: AsyncClient | None = None
        self.reads: LiveReads | None = None
        self.ledger = LedgerDoor(settings.postgres_url, settings.shop)
        self.till = LedgerDoor(settings.postgres_url, settings.shop, connections=_AT_THE_TILL)
        if settings.stream_url:
            stream = self._open(settings.stream_url, "HAWKER_STREAM_URL", STREAM_SECONDS)
            self.stream = EventStream(stream, settings.shop, seconds=STREAM_SECONDS)
            self.pressure = Pressure(stream, home, least_free_bytes=settings.least_free_mib * 2**20)
        if settings.redis_url:
            self.live = self._open(settings.redis_url, "HAWKER_REDIS_URL", live_seconds)
            self.profiles = LiveProfiles(self.live, settings.shop)
            probe = self._open(settings.redis_url, "HAWKER_REDIS_URL", patience)
            self.reads = LiveReads(self.live, patience=patience, probe=probe)

    def _open(self, url: str, setting: str, seconds: float) -> AsyncClient:
        client = open_async(url, setting, seconds=seconds)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        if self.reads is not None:
            await self.reads.close()
        for client in self._clients:
            await client.aclose()
        self.ledger.close()
        self.till.close()
