"""Live documents: what the shop last said of its items and users, in the live store, for the next request to read."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from engine.errors import StoreUnavailable
from engine.shop_documents import Kind
from engine.storage.online import AsyncClient, StoreError

#: A writer that dies blocks the others so long, which is less than they wait. One that lives renews its lock, but not
#: for ever: one that hangs is as good as dead.
LOCK_MILLISECONDS = 3_000
_RENEW_EVERY, _RENEWALS = 1.0, 9
_ATTEMPTS, _PAUSE = 250, 0.02

# KEYS: lock, version, changed, then a document each. ARGV: token, then id and text each. 0: the lock is lost.
_PUT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local version = redis.call('INCR', KEYS[2])
for at = 1, #KEYS - 3 do
  redis.call('SET', KEYS[at + 3], ARGV[2 * at + 1])
  redis.call('ZADD', KEYS[3], version, ARGV[2 * at])
end
return version
"""
_HOLD = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class LiveDocuments:
    """Items and users by id. A deleted one stays as a document with `deleted` true."""

    def __init__(self, client: AsyncClient, shop: str) -> None:
        self._client = client
        self._shop = shop

    async def get(self, kind: Kind, ids: Sequence[str]) -> list[dict[str, Any] | None]:
        """The documents in the order of the ids, None for unknown ones, in one round trip. Raises StoreUnavailable."""
        if not ids:
            return []
        try:
            found: Any = await self._client.mget([self._key(kind, each) for each in ids])
        except (StoreError, OSError) as error:
            raise _unavailable(error) from error
        return [None if text is None else json.loads(text) for text in found]

    async def all(self, kind: Kind, batch: int) -> AsyncIterator[list[dict[str, Any]]]:
        """All documents, about `batch` at a time, deleted ones too; what changes meanwhile may come twice or not."""
        prefix = self._key(kind, "")
        pattern = re.sub(r"([\\*?\[\]])", r"\\\1", prefix) + "*"
        cursor = 0
        while True:
            try:
                cursor, keys = await self._client.scan(cursor, match=pattern, count=batch)
                found: Any = await self._client.mget(keys) if keys else []
            except (StoreError, OSError) as error:
                raise _unavailable(error) from error
            yield [json.loads(text) for text in found if text is not None]
            if not cursor:
                return

    async def put(self, kind: Kind, documents: Mapping[str, dict[str, Any]], *, token: str) -> int:
        """Write them all or none, as one new version of the catalogue; only while `token` holds the lock."""
        keys = [self._lock, f"{self._shop}:{kind}:version", f"{self._shop}:{kind}:changed"]
        values: list[Any] = [token]
        for thing_id, document in documents.items():
            keys.append(self._key(kind, thing_id))
            values += [thing_id, json.dumps(document, ensure_ascii=False)]
        try:
            version = await self._evaluate(_PUT, keys, values)
        except (StoreError, OSError) as error:
            raise _unavailable(error) from error
        if not version:
            raise _lock_lost()
        return int(version)

    async def hold(self, token: str) -> None:
        """Raises StoreUnavailable where the lock is lost: asked before anything that cannot be taken back."""
        try:
            held = await self._renewed(token)
        except (StoreError, OSError) as error:
            raise _unavailable(error) from error
        if not held:
            raise _lock_lost()

    async def remember(self, kind: Kind, documents: Mapping[str, dict[str, Any]]) -> None:
        """Write documents that storefronts know already, so that they can be read; no new version of the catalogue."""
        if not documents:
            return
        texts = {self._key(kind, name): json.dumps(each, ensure_ascii=False) for name, each in documents.items()}
        try:
            await self._client.mset(texts)
        except (StoreError, OSError) as error:
            raise _unavailable(error) from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[str]:
        """One writer of the shop at a time, across processes; gives the token that `hold` and `put` ask for."""
        token = secrets.token_hex(16)
        try:
            await self._take(token)
        except (StoreError, OSError) as error:
            raise _unavailable(error) from error
        renewing = asyncio.create_task(self._renew(token))
        try:
            yield token
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            with suppress(StoreError, OSError):  # else it expires
                await self._evaluate(_UNLOCK, [self._lock], [token])

    async def _take(self, token: str) -> None:
        for _ in range(_ATTEMPTS):
            if await self._client.set(self._lock, token, nx=True, px=LOCK_MILLISECONDS):
                return
            await asyncio.sleep(_PAUSE)
        raise StoreUnavailable("others are changing the catalogue; send the change again", code="busy")

    async def _renew(self, token: str) -> None:
        for _ in range(_RENEWALS):
            await asyncio.sleep(_RENEW_EVERY)
            with suppress(StoreError, OSError):  # the next try, or else it expires
                await self._renewed(token)

    async def _renewed(self, token: str) -> bool:
        return bool(await self._evaluate(_HOLD, [self._lock], [token, LOCK_MILLISECONDS]))

    async def _evaluate(self, script: str, keys: Sequence[str], values: Sequence[Any]) -> Any:
        return await self._client.eval(script, len(keys), *keys, *values)

    @property
    def _lock(self) -> str:
        return f"{self._shop}:documents:lock"

    def _key(self, kind: Kind, thing_id: str) -> str:
        return document_key(self._shop, kind, thing_id)


async def item_changes(client: AsyncClient, shop: str, since: int) -> tuple[int, list[dict[str, Any]]]:
    """The catalogue's version and the items changed after version `since`, deleted ones with `deleted` true."""
    try:
        # The version first: what changes in between is told again next time instead of never.
        version: Any = await client.get(f"{shop}:items:version")
        raw: Any = await client.zrangebyscore(f"{shop}:items:changed", f"({since}", "+inf")
    except (StoreError, OSError) as error:
        raise _unavailable(error) from error
    found = await LiveDocuments(client, shop).get("items", [each.decode() for each in raw])
    return int(version or 0), [each for each in found if each is not None]


def _lock_lost() -> StoreUnavailable:
    return StoreUnavailable("the catalogue took too long to write; send the change again", code="lock_lost")


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"the live store does not answer: {error}; try again")


def document_key(shop: str, kind: Kind, thing_id: str) -> str:
    """Where a document lies in the live store."""
    return f"{shop}:{kind[:-1]}:{thing_id}"
