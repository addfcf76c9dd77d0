"""An application behind the real server, in a thread, on a free port: tests start and end hundreds of them."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn

_TICK = 0.1  # seconds, as uvicorn's own
_AT_ONCE = 0.005


@contextmanager
def in_thread(app) -> Iterator[int]:
    """Its port. Close the clients before the block ends: a connection that stays open is waited for."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = _Prompt(uvicorn.Config(app, log_config=None, loop="uvloop", http="httptools", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        time.sleep(_AT_ONCE)
    try:
        yield listening.getsockname()[1]
    finally:
        server.end()
        thread.join()


class _Prompt(uvicorn.Server):
    """uvicorn's server looks ten times a second whether it shall end, and then waits a tenth of a second more."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._wanted = asyncio.Event()
        self._running: asyncio.AbstractEventLoop | None = None

    def end(self) -> None:
        """From another thread."""
        self.should_exit = True
        assert self._running is not None
        self._running.call_soon_threadsafe(self._wanted.set)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._running = asyncio.get_running_loop()
        await super().serve(sockets)

    async def main_loop(self) -> None:
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), _TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for each in (*self.servers, *(sockets or ())):
            each.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        state, deadline = self.server_state, time.monotonic() + 1.0
        while (state.connections or state.tasks) and time.monotonic() < deadline:
            await asyncio.sleep(_AT_ONCE)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wait_tasks_to_complete(), self.config.timeout_graceful_shutdown)
        await self.lifespan.shutdown()
