"""List memory: what must be remembered of lists between requests, in the live store, where somebody asks for it.

What follows an answer waits half an hour for `next`; what a person was served lately is kept for a rotation. Both are
bounded, expire, and may be lost: the live store evicts them before anything else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from engine.errors import StoreUnavailable, UnknownThing
from engine.recommend.answer import NOTHING_TOLD, Told
from engine.recommend.control import NOTHING, Control
from engine.storage.live_documents import document_key
from engine.storage.live_reads import LiveReads
from engine.storage.online import AsyncClient, StoreError

log = logging.getLogger("hawker.lists")

PAGE_SECONDS = 30 * 60
_SHOWN_SECONDS = 2 * 3_600
_MOST_SHOWN = 60


class ListMemory:
    """The memory of one shop; without a live store it remembers nothing."""

    def __init__(self, reads: LiveReads | None, client: AsyncClient | None, shop: str) -> None:
        """`reads` and `client` lead to the same store: within a request it is waited for as long as for a read."""
        self._reads = reads
        self._client = client
        self._shop = shop
        self._writing: set[asyncio.Task[None]] = set()

    def keys(self, control: Control, user_id: str | None, session_id: str | None) -> list[str]:
        """What these wishes need to know of who asks: keys to read in the same round trip as the profile."""
        if control is NOTHING:
            return []
        document = [document_key(self._shop, "users", user_id)] if control.asks_user and user_id is not None else []
        person = self._person(user_id, session_id)
        return [*document, person] if control.rotation and person else document

    def told(self, asked: Control, keys: Sequence[str], found: Sequence[bytes], *, saved: Control, pages: bool) -> Told:
        """What a request brings, of what stood under `keys`."""
        if asked is NOTHING and saved is NOTHING and not pages:
            return NOTHING_TOLD
        user: Mapping[str, Any] = {}
        shown: list[tuple[str, float]] = []
        for key, raw in zip(keys, found, strict=False):
            if raw and key.startswith(f"{self._shop}:shown:"):
                shown = [(name, float(time)) for name, time in orjson.loads(raw)]
            elif raw and key.startswith(document_key(self._shop, "users", "")):
                value = orjson.loads(raw)
                user = {} if value.get("deleted") else value
        return Told(asked, user, shown, pages)

    def note_shown(
        self, user_id: str | None, session_id: str | None, told: Told, items: Sequence[str], now: float
    ) -> None:
        """Remember beside the request what was served; a store that is away forgets it."""
        key = self._person(user_id, session_id)
        if self._client is None or key is None:
            return
        served = dict.fromkeys(items, now)
        before = {name: time for name, time in told.shown if name not in served}
        latest = [*served.items(), *before.items()][:_MOST_SHOWN]
        task = asyncio.create_task(self._write(self._client, key, latest))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def keep_page(self, recommendation_id: str, page: Mapping[str, Any]) -> bool:
        """Keep what follows an answer; whether that was possible."""
        if self._reads is None or self._client is None:
            return False
        try:
            await self._reads.within(self._keep(self._client, recommendation_id, page))
        except (StoreError, OSError) as problem:
            log.debug("what follows a list was not kept: %s", problem)
            return False
        return True

    async def page(self, recommendation_id: str) -> dict[str, Any]:
        """What follows an answer. Raises UnknownThing, StoreUnavailable."""
        if self._reads is None:
            raise StoreUnavailable("this storefront runs without a live store, which keeps pages")
        try:
            (found,) = await self._reads.get([self._page(recommendation_id)])
        except (StoreError, OSError) as problem:
            raise StoreUnavailable(f"the live store does not answer: {problem}; try again") from problem
        if found is None:
            told = "nothing follows this list: ask for it with pages true; after 30 minutes it is forgotten"
            raise UnknownThing(told, code="unknown_page", field="recommendation_id")
        return dict(orjson.loads(found))

    async def _keep(self, client: AsyncClient, recommendation_id: str, page: Mapping[str, Any]) -> None:
        await client.set(self._page(recommendation_id), _bytes(page), ex=PAGE_SECONDS)

    async def _write(self, client: AsyncClient, key: str, latest: Sequence[tuple[str, float]]) -> None:
        try:
            await client.set(key, orjson.dumps(latest), ex=_SHOWN_SECONDS)
        except (StoreError, OSError, TypeError) as problem:
            log.debug("what was served was not noted: %s", problem)

    def _person(self, user_id: str | None, session_id: str | None) -> str | None:
        if user_id is None and session_id is None:
            return None
        return f"{self._shop}:shown:" + (f"u:{user_id}" if user_id is not None else f"s:{session_id}")

    def _page(self, recommendation_id: str) -> bytes:
        return f"{self._shop}:page:{recommendation_id}".encode("utf-8", "surrogatepass")


def _bytes(page: Mapping[str, Any]) -> bytes:
    """Without items whose ids no UTF-8 can carry."""
    try:
        return orjson.dumps(page)
    except TypeError:
        return orjson.dumps({**page, "items": [each for each in page["items"] if _is_text(each["id"])]})


def _is_text(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= each <= "\udfff" for each in name)
