"""Live reads: what several requests want to know at the same moment, asked for in one round trip.

A round trip costs a process more than what it brings. Requests that wait together, which under load is most of them,
share one. A request waits for the store's patience at most; after the first that waited in vain, nobody waits until
the store answers again. The first round goes through the client; those that follow take a line of their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from engine.storage.live_breaker import Breaker
from engine.storage.live_line import LiveLine, Texts, open_line
from engine.storage.online import AsyncClient, LateAnswer, StoreError

#: Within a request the live store gets this long, after which the answer goes without it.
PATIENCE = 0.03
#: A process that was busy finds an answer and the end of its patience at once, and takes up the answer in some turns of
#: its event loop: so many it has before the patience ends.
_TURNS = 10

_T = TypeVar("_T")
_Found = asyncio.Future[Texts]
_Together = list[tuple[Sequence[bytes], _Found]]

log = logging.getLogger("hawker.live")


class LiveReads:
    """Texts by key, for one event loop. `probe` is a client of its own for what finds out that the store is back."""

    def __init__(self, client: AsyncClient, *, patience: float = PATIENCE, probe: AsyncClient | None = None) -> None:
        self._client = client
        self._patience = patience
        self._waiting: _Together = []
        self._asking: dict[asyncio.Task[Any], list[_Found]] = {}
        self._line: LiveLine | None = None
        self._opening: asyncio.Task[None] | None = None
        # What was asked on the line, by the end of its patience.
        self._on_line: dict[asyncio.TimerHandle, list[_Found]] = {}
        self.breaker = Breaker((probe or client).ping)

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What stands under each of the keys, None for nothing.

        Raises StoreError; LateAnswer after `PATIENCE`, and at once while the store is left alone.
        """
        self._refuse()
        loop = asyncio.get_running_loop()
        found: _Found = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._ask)
        self._waiting.append((keys, found))
        return await found

    async def within(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What other work on the store gives, waited for no longer than a read; late work goes on by itself.

        Raises what `work` does; LateAnswer as `get` does.
        """
        if self.breaker.is_open:
            work.close()
        self._refuse()
        task = asyncio.get_running_loop().create_task(work)
        self._asking[task] = []
        task.add_done_callback(self._done)
        if not await done_within(task, self._patience):
            raise _late()
        return task.result()

    async def close(self) -> None:
        await self.breaker.close()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        self._hang_up()

    def _refuse(self) -> None:
        if self.breaker.is_open:
            raise _left_alone()

    def _ask(self) -> None:
        together, self._waiting = self._waiting, []
        if self.breaker.is_open:  # since they began to wait
            _tell([found for _, found in together], _left_alone())
            return
        if self._line is not None:
            self._ask_on(self._line, together)
            return
        task = asyncio.get_running_loop().create_task(self._asked(together))
        self._asking[task] = [found for _, found in together]
        task.add_done_callback(self._done)

    def _ask_on(self, line: LiveLine, together: _Together) -> None:
        waiting = [found for _, found in together]
        try:
            asked = [key for keys, _ in together for key in keys]
            ending = self._patient(waiting)
            line.ask(asked, partial(self._told, together, ending))
        except Exception as problem:  # of what was asked; nothing left
            _tell(waiting, problem)
        else:
            self._on_line[ending] = waiting

    def _told(self, together: _Together, ending: asyncio.TimerHandle, values: Texts) -> None:
        ending.cancel()
        del self._on_line[ending]
        _share(values, together)

    def _done(self, task: asyncio.Task[Any]) -> None:
        del self._asking[task]
        if not task.cancelled():
            task.exception()  # who waited for it has been told, or went on without it

    async def _asked(self, together: list[tuple[Sequence[bytes], _Found]]) -> None:
        # The waiting ends, not the asking: a connection that is left in mid-answer would have to be thrown away.
        ending = self._patient([found for _, found in together])
        try:
            values: Any = await self._client.mget([key for keys, _ in together for key in keys])
        except (StoreError, OSError) as problem:
            self._give_up(problem)
            return
        except Exception as problem:  # of what was asked; the store is as it was
            _tell([found for _, found in together], problem)
            return
        finally:
            ending.cancel()
        _share(values, together)
        if self._line is None and self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        try:
            self._line = await open_line(self._client, self._lost)
        except (StoreError, OSError) as problem:
            log.debug("no line to the live store: %s", problem)
        finally:
            self._opening = None

    def _lost(self, line: LiveLine, problem: Exception) -> None:
        if line is self._line and self._on_line:
            self._give_up(problem)
        elif line is self._line:  # it lay idle for longer than the store likes
            self._hang_up()

    def _hang_up(self) -> None:
        """End the line; all who waited have been told."""
        if self._line is not None:
            self._line.hang_up()
            self._line = None
        for ending in self._on_line:
            ending.cancel()
        self._on_line.clear()

    def _patient(self, waiting: Sequence[_Found]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._patience, self._end, waiting, _TURNS)

    def _end(self, waiting: Sequence[_Found], turns: int) -> None:
        if all(found.done() for found in waiting):
            return
        if turns:
            asyncio.get_running_loop().call_soon(self._end, waiting, turns - 1)
        else:
            self._give_up(_late())

    def _give_up(self, problem: Exception) -> None:
        """Let all who wait go on without the store."""
        self.breaker.trip(problem)
        for waiting in (*self._asking.values(), *self._on_line.values()):
            _tell(waiting, problem)
        self._hang_up()


async def done_within(work: asyncio.Future[Any], seconds: float) -> bool:
    """Whether `work` is done in time; it goes on where it is not."""
    await asyncio.wait([work], timeout=seconds)
    for _ in range(_TURNS):
        if work.done():
            break
        await asyncio.sleep(0)
    return work.done()


def _share(values: Texts, together: _Together) -> None:
    at = 0
    for keys, found in together:
        if not found.done():
            found.set_result(values[at : at + len(keys)])
        at += len(keys)


def _tell(waiting: Sequence[_Found], problem: Exception) -> None:
    for found in waiting:
        if not found.done():
            found.set_exception(problem)


def _late() -> Exception:
    return LateAnswer("the live store does not answer in time")


def _left_alone() -> Exception:
    return LateAnswer("the live store is left alone until it answers again")
