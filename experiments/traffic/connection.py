"""A kept-alive HTTP connection that sends bytes made beforehand, so that the load costs less than the loaded.

It reads by a protocol of its own, without the layers of asyncio's streams: it runs on cores that the loaded needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

_END = b"\r\n\r\n"


class Lost(Exception):
    """The connection ended before the answer was whole: whether the request had its effect is unknown."""


class Connection:
    """One connection, opened when it is first needed and opened again after it was lost."""

    def __init__(self, port: int, *, seconds: float = 10.0) -> None:
        self._port = port
        self._seconds = seconds
        self._line: _Line | None = None

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; Lost when there is none."""
        try:
            line = await self._opened()
            status, body, goes_on = await line.ask(request, self._seconds)
        except (OSError, TimeoutError) as error:
            await self.close()
            raise Lost(str(error) or type(error).__name__) from error
        except BaseException:  # who asked is gone; what comes now is nobody's answer
            await self.close()
            raise
        if not goes_on:
            await self.close()
        return status, body

    async def opened(self) -> Connection:
        """The same, connected already, so that the first request does not wait for it."""
        await self._opened()
        return self

    async def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def _opened(self) -> _Line:
        if self._line is None or self._line.is_over:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(self._seconds):
                _, self._line = await loop.create_connection(_Line, "127.0.0.1", self._port)
        return self._line


class _Line(asyncio.Protocol):
    """A connected socket, and the one answer that is awaited on it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._answer: asyncio.Future[tuple[int, bytes, bool]] | None = None
        self._got = b""
        self._transport: asyncio.WriteTransport | None = None

    @property
    def is_over(self) -> bool:
        return self._over.done()

    async def ask(self, request: bytes, seconds: float) -> tuple[int, bytes, bool]:
        """Status, body, and whether more may be asked here. Raises OSError, TimeoutError."""
        assert self._transport is not None
        self._answer, self._got = self._loop.create_future(), b""
        self._transport.write(request)
        late = self._loop.call_later(seconds, self._failed, TimeoutError(f"no answer within {seconds:g} s"))
        try:
            return await self._answer
        finally:
            late.cancel()

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await self._over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got = self._got + data if self._got else data
        end = self._got.find(_END)
        if end < 0 or self._answer is None or self._answer.done():
            return
        head = self._got[:end].lower()
        try:
            status, whole = int(head[9:12]), end + len(_END) + _length(head)
        except ValueError:
            self._failed(ConnectionError("the answer is no HTTP"))
            return
        if len(self._got) >= whole:
            body = self._got[end + len(_END) : whole]
            self._answer.set_result((status, body, b"connection: close" not in head))

    def connection_lost(self, exc: Exception | None) -> None:
        self._over.set_result(None)
        self._failed(exc or ConnectionError("the connection ended before the answer was whole"))

    def _failed(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


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
    """How long the body is, by a head in small letters."""
    _, found, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0
