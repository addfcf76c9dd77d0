"""The event stream: what was accepted and is not in the lake yet, durable before anybody is told so.

One entry of the stream is one append: its `kind`, and its `rows` as JSON lines in the lake's own columns. The ids of
accepted events are remembered beside it for at least seven days: as sets of 64-bit numbers, which Valkey keeps as
sorted arrays up to `set-max-intset-entries`. That is 8 bytes an id and at most 4 MB for the sets themselves, so below
16 bytes an id from half a million ids on. An id's set is chosen by other bits of its hash than the ones kept in it, so
that 79 bits tell two ids apart.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import StoreUnavailable
from engine.storage.online import AsyncClient, ScriptMissing, StoreError

#: Sets a generation. A small shop pays about 100 bytes for each that it touches, 3 MB at most.
BUCKETS = 2**15
#: The current generation and the one before are asked: an id is known for 7 to 14 days.
GENERATION_SECONDS = 7 * 86_400
_EXPIRY_SECONDS = 15 * 86_400
_MOST_WAITING = 4_000  # rows that one round trip carries

# KEYS: the stream, then for each row its set of this generation and of the one before.
# ARGV: kind, expiry, then for each row its number and its text. Answers a string of 1 (new) and 0 a row.
# Only what is new enters the stream, in the same atomic step in which its id becomes known.
_APPEND_NEW = """
local fresh, verdicts = {}, {}
for at = 1, (#KEYS - 1) / 2 do
  local now, before = KEYS[2 * at], KEYS[2 * at + 1]
  local number = ARGV[2 * at + 1]
  if redis.call('SISMEMBER', before, number) == 1 or redis.call('SADD', now, number) == 0 then
    verdicts[at] = '0'
  else
    if redis.call('SCARD', now) == 1 then redis.call('EXPIRE', now, ARGV[2]) end
    verdicts[at] = '1'
    fresh[#fresh + 1] = ARGV[2 * at + 2]
  end
end
if #fresh > 0 then redis.call('XADD', KEYS[1], '*', 'kind', ARGV[1], 'rows', table.concat(fresh, '\\n')) end
return table.concat(verdicts)
"""


def stream_key(shop: str) -> str:
    return f"{shop}:stream"


@dataclass(slots=True)
class _Waiting:
    """One caller's rows, on their way in somebody's round trip."""

    ids: Sequence[str]
    rows: Sequence[bytes]
    answer: asyncio.Future[list[bool]]


class EventStream:
    """Appends of one storefront process; callers that come together share a round trip and a write to the disk."""

    def __init__(self, client: AsyncClient, shop: str, *, seconds: float = 2.0) -> None:
        self._client = client
        self._shop = shop
        self._patience = int(seconds * 500)  # milliseconds for the disk: half of what a command has
        self._script = hashlib.sha1(_APPEND_NEW.encode(), usedforsecurity=False).hexdigest()
        self._waiting: list[_Waiting] = []
        self._sender: asyncio.Task[None] | None = None

    async def append_events(self, ids: Sequence[str], rows: Sequence[bytes]) -> list[bool]:
        """Store each event whose id is new; True for those, False for those that were here before, this call included.

        On the disk when it returns. Raises StoreUnavailable, and then nothing is known: repeat it with the same ids.
        """
        if not ids:
            return []
        waiting = _Waiting(ids, rows, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_waiting())
        return await waiting.answer

    async def append(self, kind: str, rows: Sequence[bytes]) -> None:
        """Store rows of another kind, which need no ids since their last word wins. On the disk when it returns."""
        try:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.xadd(stream_key(self._shop), {"kind": kind, "rows": b"\n".join(rows)})
            pipeline.execute_command("WAITAOF", 1, 0, self._patience)
            _, reached = await pipeline.execute()
        except (StoreError, OSError) as error:
            raise unavailable(error) from error
        _check_reached(reached)

    async def close(self) -> None:
        await self._client.aclose()

    async def _send_waiting(self) -> None:
        while self._waiting:
            group: list[_Waiting] = []
            rows = 0
            while self._waiting and (not group or rows + len(self._waiting[0].ids) <= _MOST_WAITING):
                group.append(self._waiting.pop(0))
                rows += len(group[-1].ids)
            try:
                verdicts = await self._send(group)
            except BaseException as error:
                failure = unavailable(error) if isinstance(error, StoreError | OSError) else error
                for each in group:
                    if not each.answer.done():
                        each.answer.set_exception(failure)
                if not isinstance(error, Exception):
                    raise
                continue
            at = 0
            for each in group:
                if not each.answer.done():  # a caller that was cancelled waits no more
                    each.answer.set_result([mark == 49 for mark in verdicts[at : at + len(each.ids)]])
                at += len(each.ids)

    async def _send(self, group: Sequence[_Waiting]) -> bytes:
        generation = int(time.time()) // GENERATION_SECONDS
        prefixes = f"{self._shop}:seen:{generation}:", f"{self._shop}:seen:{generation - 1}:"
        keys: list[str] = [stream_key(self._shop)]
        arguments: list[Any] = ["events", _EXPIRY_SECONDS]
        for each in group:
            for event_id, row in zip(each.ids, each.rows, strict=True):
                bucket, number = fingerprint(event_id)
                keys += (f"{prefixes[0]}{bucket}", f"{prefixes[1]}{bucket}")
                arguments += (number, row)
        verdicts, reached = await self._run(keys, arguments)
        _check_reached(reached)
        return bytes(verdicts)

    async def _run(self, keys: Sequence[str], arguments: Sequence[Any]) -> list[Any]:
        for attempt in range(2):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.evalsha(self._script, len(keys), *keys, *arguments)
            pipeline.execute_command("WAITAOF", 1, 0, self._patience)
            try:
                return list(await pipeline.execute())
            except ScriptMissing:  # a server that was started again knows no scripts
                if attempt:
                    raise
                await self._client.script_load(_APPEND_NEW)
        raise AssertionError


def fingerprint(event_id: str) -> tuple[int, int]:
    """The set that an id belongs to, and the number that stands for it there."""
    digest = hashlib.blake2b(event_id.encode(), digest_size=16).digest()
    return int.from_bytes(digest[:4], "little") % BUCKETS, int.from_bytes(digest[8:], "little", signed=True)


def unavailable(error: BaseException) -> StoreUnavailable:
    """What a caller is told when the stream cannot take what it should keep."""
    text = str(error)
    if "maxmemory" in text or "MISCONF" in text or "No space" in text:
        return StoreUnavailable("the event stream is full; send the same again in a moment", code="stream_full")
    return StoreUnavailable("the event stream does not answer; send the same again in a moment", code="stream_down")


def _check_reached(reached: Any) -> None:
    if int(reached[0]) < 1:
        raise StoreUnavailable("the stream did not reach its disk in time; send the same again", code="stream_slow")
