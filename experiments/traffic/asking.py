"""Asking: requests made beforehand, sent as fast as they are answered or at a fixed pace whatever the server does.

What a client costs is taken from the server where both share a machine, so that connections are bare protocols here.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from experiments.traffic.drive import Load

Answered = Callable[[int, bytes, float], None]
_PATIENCE = 30.0  # seconds after which what was not answered counts as lost


def as_fast_as_answered(port: int, requests: Sequence[bytes], *, at_once: int, seconds: float) -> Load:
    """`at_once` connections for so long, each sending the next request when its last one was answered."""

    async def drive() -> Load:
        load, turn = Load(), itertools.cycle(requests)
        clients = [await _opened(port) for _ in range(at_once)]
        began = time.perf_counter()
        until = began + seconds
        over = asyncio.get_running_loop().create_future()
        running = at_once

        def send(client: _Client) -> None:
            nonlocal running
            sent = time.perf_counter()
            if sent >= until:
                running -= 1
                if not running:
                    over.set_result(None)
                return
            client.ask(next(turn), lambda status, body: answered(client, sent, status))

        def answered(client: _Client, sent: float, status: int) -> None:
            load.note(status, 1, time.perf_counter() - sent)
            send(client)

        for each in clients:
            send(each)
        await asyncio.wait_for(over, seconds + _PATIENCE)
        load.took = time.perf_counter() - began
        for each in clients:
            each.close()
        return load

    return _run(drive)


def at_pace(
    port: int,
    requests: Sequence[bytes],
    *,
    per_second: float,
    seconds: float,
    at_most: int = 256,
    seen: Answered = lambda status, body, took: None,
    until: Callable[[], bool] = lambda: True,
) -> Load:
    """Open loop: request k is due at k / `per_second`, and its time counts from then, sent late or not.

    Over `at_most` connections; what finds none free waits for one, and the waiting counts. `seen` is told each
    answer's status, body and seconds. It goes on for longer `until` that is so.
    """
    number = max(1, int(per_second * seconds))
    return _run(lambda: _Pace(requests, per_second, number, seen, until).drive(port, at_most))


class _Pace:
    """Requests that are sent when they are due, or as soon after it as a connection is free."""

    def __init__(
        self,
        requests: Sequence[bytes],
        per_second: float,
        number: int,
        seen: Answered,
        until: Callable[[], bool],
    ) -> None:
        self._requests = requests
        self._per_second = per_second
        self._number = number
        self._seen = seen
        self._until = until
        self._sent = 0
        self._is_sent = False
        self._load = Load()
        self._free: deque[_Client] = deque()
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._opening: set[asyncio.Task[None]] = set()

    async def drive(self, port: int, at_most: int) -> Load:
        loop, self._port = asyncio.get_running_loop(), port
        self._free.extend([await _opened(port) for _ in range(at_most)])
        self._over = loop.create_future()
        began = loop.time() + 0.05
        while self._goes_on():
            now = loop.time()
            while (due := began + self._sent / self._per_second) <= now and self._goes_on():
                self._is_due(self._requests[self._sent % len(self._requests)], due)
                self._sent += 1
            await asyncio.sleep(max(0.0, min(0.001, due - loop.time())))
        self._is_sent = True
        self._look()
        await asyncio.wait_for(self._over, _PATIENCE)
        self._load.took = loop.time() - began
        for each in self._free:
            each.close()
        return self._load

    def _goes_on(self) -> bool:
        return self._sent < self._number or not self._until()

    def _look(self) -> None:
        if self._is_sent and self._load.requests == self._sent and not self._over.done():
            self._over.set_result(None)

    def _is_due(self, request: bytes, due: float) -> None:
        self._load.late.append(asyncio.get_running_loop().time() - due)
        client = self._idle()
        if client is None:
            self._waiting.append((request, due))
        else:
            self._send(client, request, due)

    def _idle(self) -> _Client | None:
        """The one that was used last. What lay idle until the server closed it is opened again, as by any client."""
        while self._free:
            client = self._free.pop()
            if client.is_open:
                return client
            opening = asyncio.get_running_loop().create_task(self._open_again())
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)
        return None

    async def _open_again(self) -> None:
        try:
            client = await _opened(self._port)
        except OSError:
            client = _Client()  # it tells whoever waits that there is no answer
        self._is_free(client)

    def _is_free(self, client: _Client) -> None:
        if self._waiting:
            self._send(client, *self._waiting.popleft())
        else:
            self._free.append(client)

    def _send(self, client: _Client, request: bytes, due: float) -> None:
        client.ask(request, lambda status, body: self._answered(client, due, status, body))

    def _answered(self, client: _Client, due: float, status: int, body: bytes) -> None:
        took = asyncio.get_running_loop().time() - due
        self._load.note(status, 1, took)
        self._seen(status, body, took)
        self._is_free(client)
        self._look()


class _Client(asyncio.Protocol):
    """One kept-alive connection; one request at a time, after a lost connection none any more."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._told: Callable[[int, bytes], None] | None = None
        self._seen = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def ask(self, request: bytes, told: Callable[[int, bytes], None]) -> None:
        """Send it; `told` gets status and body, 0 where the connection was lost."""
        self._told, self._seen = told, b""
        if self._transport is None:
            asyncio.get_running_loop().call_soon(self._tell, 0, b"")
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        seen = self._seen = self._seen + data if self._seen else data
        head = seen.find(b"\r\n\r\n")
        if head < 0:
            return
        at = seen.find(b"content-length: ", 0, head)
        length = int(seen[at + 16 : seen.find(b"\r\n", at, head + 2)]) if at >= 0 else 0
        if len(seen) >= head + 4 + length:
            self._tell(int(seen[9:12]), seen[head + 4 :])

    def connection_lost(self, problem: Exception | None) -> None:
        self._transport = None
        self._tell(0, b"")

    def close(self) -> None:
        self._told = None
        if self._transport is not None:
            self._transport.close()

    def _tell(self, status: int, body: bytes) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(status, body)


async def _opened(port: int) -> _Client:
    _, client = await asyncio.get_running_loop().create_connection(_Client, "127.0.0.1", port)
    return client


def _run(drive: Callable[[], Coroutine[Any, Any, Load]]) -> Load:
    """Without the pauses of the garbage collector, which would be the server's in the figures."""
    gc.collect()
    gc.disable()
    try:
        return asyncio.run(drive())
    finally:
        gc.enable()
