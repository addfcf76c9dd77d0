"""A relay between a client and a store, in a thread of its own, that can fall silent; it counts what it is asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvloop


class Relay:
    """`silent`: connections are taken and what comes is swallowed, as by a store whose machine hangs."""

    def __init__(self, socket_path: str) -> None:
        self._path = socket_path
        self.silent = False
        self.url = ""
        self.asked: list[bytes] = []

    def count(self, command: bytes) -> int:
        """How often a command was asked for since the relay runs."""
        return sum(each.count(b"\r\n" + command + b"\r\n") for each in self.asked)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(self._path)
        back = asyncio.create_task(self._carry(inner_reader, writer))
        try:
            while chunk := await reader.read(65_536):
                self.asked.append(chunk)
                if not self.silent:
                    inner_writer.write(chunk)
        finally:
            back.cancel()
            inner_writer.close()
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65_536):
                if not self.silent:
                    writer.write(chunk)
        finally:
            writer.close()  # as the store closed


@contextmanager
def relay(url: str) -> Iterator[Relay]:
    """To the store at `url`, which is that of a unix socket."""
    made, started, loop = Relay(url.removeprefix("unix://")), threading.Event(), uvloop.new_event_loop()
    over = asyncio.Event()

    async def run() -> None:
        server = await asyncio.start_server(made.meet, "127.0.0.1", 0)
        made.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await over.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await server.wait_closed()  # and what each connection holds goes with it

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    started.wait()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
