"""A kept-alive HTTP connection that sends bytes made beforehand, so that the load costs less than the loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


class Lost(Exception):
    """The connection ended before the answer was whole: whether the request had its effect is unknown."""


class Connection:
    """One connection, opened when it is first needed and opened again after it was lost."""

    def __init__(self, port: int, *, seconds: float = 10.0) -> None:
        self._port = port
        self._seconds = seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; Lost when there is none."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._exchange(request)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            await self.close()
            raise Lost(str(error) or type(error).__name__) from error

    async def opened(self) -> Connection:
        """The same, connected already, so that the first request does not wait for it."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def close(self) -> None:
        if self._streams is not None:
            (_, writer), self._streams = self._streams, None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        body = await reader.readexactly(_length(head))
        if b"connection: close" in head.lower():
            await self.close()
        return status, body


def post(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a POST of JSON."""
    return _request("POST", path, body, headers)


def get(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    return _request("GET", path, b"", headers)


def _request(method: str, path: str, body: bytes, headers: Mapping[str, Any] | None) -> bytes:
    told = {"Host": "shop", "Content-Length": len(body), "Content-Type": "application/json", **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
