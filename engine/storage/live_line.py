"""Live line: one connection to the live store that does nothing but ask what stands under keys.

The client's library spends more on one command than the store does, on locks, pools, streams and time-outs that a page
does not need: a page waits in its own way. So the library opens the connection, with whatever the address asks for
(a password, TLS, a socket's path), and this takes it over. Rounds follow one another without waiting for answers,
which come in the order of the questions.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from engine.storage.online import AsyncClient, LostConnection, StoreError, StoreRefusal, take_over

Texts = list[bytes | None]

_BLANK = (b"$-1\r\n", b"_\r\n")  # nothing, as both versions of the protocol say it


async def open_line(client: AsyncClient, lost: Callable[[LiveLine, Exception], None]) -> LiveLine:
    """A line to the store of `client`. `lost` is told once, when it ended by itself.

    Raises StoreError or OSError where the store is away.
    """
    line = LiveLine(lost)
    line.end = await take_over(client, line)
    return line


class LiveLine(asyncio.Protocol):
    """Made by `open_line`."""

    def __init__(self, lost: Callable[[LiveLine, Exception], None]) -> None:
        self.end: Callable[[], None] = lambda: None
        self._lost: Callable[[LiveLine, Exception], None] | None = lost
        self._write: Callable[[bytes], None]
        self._waiting: deque[Callable[[Texts], None]] = deque()
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.WriteTransport, transport).write  # uvloop's are none by their class

    def ask(self, keys: Sequence[bytes], tell: Callable[[Texts], None]) -> None:
        """Let `tell` know what stands under each of the keys, at least one."""
        parts = [b"*%d\r\n$4\r\nMGET\r\n" % (len(keys) + 1)]
        parts += [b"$%d\r\n%b\r\n" % (len(key), key) for key in keys]
        self._write(b"".join(parts))
        self._waiting.append(tell)

    def data_received(self, data: bytes) -> None:
        data, at = self._unread + data, 0
        try:
            while at < len(data) and (read := read_texts(data, at)) is not None:
                texts, at = read
                self._waiting.popleft()(texts)
            self._unread = data[at:]
        except StoreError as problem:  # what the store refuses
            self._ended(problem)
        except (ValueError, IndexError) as problem:
            self._ended(LostConnection(f"the live store gave no answer to what was asked: {problem}"))

    def connection_lost(self, problem: Exception | None) -> None:
        self._ended(problem or LostConnection("the live store closed the connection"))

    def hang_up(self) -> None:
        """End it; nobody is told."""
        self._lost = None
        self._waiting.clear()
        self.end()

    def _ended(self, problem: Exception) -> None:
        if (lost := self._lost) is not None:
            self.hang_up()
            lost(self, problem)


def read_texts(data: bytes, at: int) -> tuple[Texts, int] | None:
    """The answer that begins at `at`, and where it ends; None while it is not whole.

    Raises StoreRefusal for what the store refuses, ValueError for what is no list of texts. The form is that of
    RESP, https://valkey.io/topics/protocol.
    """
    end = data.find(b"\r\n", at)
    if end < 0:
        return None
    if data[at] != 42:  # *
        if data[at] == 45:  # -
            raise StoreRefusal(data[at + 1 : end].decode(errors="replace"))
        raise ValueError(f"{data[at:end][:40]!r} where a list was due")
    texts: Texts = []
    begin, n = end + 2, int(data[at + 1 : end])
    for _ in range(n):
        end = data.find(b"\r\n", begin)
        if end < 0:
            return None
        if data[begin] != 36:  # $
            if data[begin : end + 2] not in _BLANK:
                raise ValueError(f"{data[begin:end][:40]!r} where a text was due")
            texts.append(None)
            begin = end + 2
            continue
        size = int(data[begin + 1 : end])
        if size < 0:
            texts.append(None)
            begin = end + 2
            continue
        begin, stop = end + 2, end + 2 + size
        if stop + 2 > len(data):
            return None
        texts.append(data[begin:stop])
        begin = stop + 2
    return texts, begin
