"""Live reads: what several requests want to know at the same moment, asked for in one round trip.

A round trip costs a process more than what it brings. Requests that wait together, which under load is most of them,
share one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from engine.storage.online import AsyncClient, LateAnswer

#: Within a request the live store gets this long, after which the answer goes without it.
PATIENCE = 0.03
#: A process that was busy finds an answer and the end of its patience at once, and takes up the answer in some turns of
#: its event loop: so many it has before the patience ends.
_TURNS = 10


class LiveReads:
    """Texts by key, for one event loop."""

    def __init__(self, client: AsyncClient, *, patience: float = PATIENCE) -> None:
        self._client = client
        self._patience = patience
        self._waiting: list[tuple[Sequence[bytes], asyncio.Future[list[bytes | None]]]] = []
        self._asking: set[asyncio.Task[None]] = set()

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What stands under each of the keys, None for nothing. Raises StoreError; LateAnswer after `PATIENCE`."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[bytes | None]] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._ask)
        self._waiting.append((keys, found))
        return await found

    def _ask(self) -> None:
        together, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._asked(together))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _asked(self, together: list[tuple[Sequence[bytes], asyncio.Future[list[bytes | None]]]]) -> None:
        # The waiting ends, not the asking: a connection that is left in mid-answer would have to be thrown away.
        ending = asyncio.get_running_loop().call_later(self._patience, _end, [found for _, found in together], _TURNS)
        try:
            values: Any = await self._client.mget([key for keys, _ in together for key in keys])
        except Exception as problem:
            for _, found in together:
                if not found.done():
                    found.set_exception(problem)
            return
        finally:
            ending.cancel()
        at = 0
        for keys, found in together:
            if not found.done():
                found.set_result(values[at : at + len(keys)])
            at += len(keys)


def _end(waiting: Sequence[asyncio.Future[list[bytes | None]]], turns: int) -> None:
    if turns and not all(found.done() for found in waiting):
        asyncio.get_running_loop().call_soon(_end, waiting, turns - 1)
        return
    for found in waiting:
        if not found.done():
            found.set_exception(LateAnswer("the live store does not answer in time"))
