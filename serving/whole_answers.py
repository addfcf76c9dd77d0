"""Whole answers: head and body of an answer leave in one write, and a connection does little besides.

uvicorn writes them apart, and each write is a call of the system, which costs as much as several stages of a page. It
also sets an alarm after each answer for a connection that lies idle, where one at a time does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

_WITHOUT_BODY = (204, 304)
#: Paths that say what they mean as they are, without a question behind.
_PLAIN_PATH = re.compile(rb"/[\w/.~-]*", re.ASCII)
#: Names that need no look.
_OUR_NAMES = frozenset({b"content-length", b"content-type", b"x-request-id"})
_Headers = Sequence[tuple[bytes, bytes]]


class WholeAnswers(HttpToolsProtocol):
    """uvicorn's connection; what is not a whole answer of known length leaves as uvicorn sends it."""

    _idle_since: float | None = None

    def on_headers_complete(self) -> None:
        if self._is_plain():
            self._begin()
            return
        super().on_headers_complete()
        if type(self.cycle) is RequestResponseCycle:
            # uvicorn has no place to say so; the cycle has not begun to run.
            self.cycle.__class__ = _Cycle

    def _is_plain(self) -> bool:
        """Whether a request needs nothing of what uvicorn looks at besides."""
        is_free = self.cycle is None or self.cycle.response_complete
        if not is_free or self.root_path or self.limit_concurrency is not None or self.config.reset_contextvars:
            return False
        parser = self.parser
        if parser.get_http_version() != "1.1" or parser.should_upgrade():
            return False
        return _PLAIN_PATH.fullmatch(self.url) is not None

    def _begin(self) -> None:
        """What `on_headers_complete` does of a plain request."""
        scope, path = self.scope, self.url
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["path"], scope["raw_path"], scope["query_string"] = path.decode("ascii"), path, b""
        self.cycle = cycle = _Cycle.of(self)
        task = self.loop.create_task(cycle.run_asgi(self.app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._set_alarm(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None  # the alarm will find that it has no reason

    def _set_alarm(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that lies idle; where it was busy meanwhile, look again later."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._set_alarm(left)
        else:
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None


class _Cycle(RequestResponseCycle):
    _head: Any = None

    @classmethod
    def of(cls, connection: WholeAnswers) -> _Cycle:
        """The cycle of a plain request that comes over this connection."""
        return cls(
            connection.scope,
            connection.transport,
            connection.flow,
            connection.logger,
            connection.access_logger,
            connection.access_log,
            connection.server_state.default_headers,
            asyncio.Event(),
            connection.expect_100_continue,
            connection.parser.should_keep_alive(),
            connection.on_response_complete,
        )

    async def send(self, message: Any) -> None:
        if self._head is None:
            if message["type"] == "http.response.start" and not self.response_started and not self.disconnected:
                self._head = message
            else:
                await super().send(message)
            return
        head, self._head = self._head, None
        whole = None if self.flow.write_paused or self.disconnected else self._whole(head, message)
        if whole is None:
            await super().send(head)
            await super().send(message)
            return
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(whole)
        self.message_event.set()
        self.on_response()

    async def send_500_response(self) -> None:
        self._head = None  # nothing of it left yet
        await super().send_500_response()

    def _whole(self, head: Any, message: Any) -> bytes | None:
        """The bytes of an answer; None where uvicorn has more to say about it."""
        if message["type"] != "http.response.body" or message.get("more_body") or self.scope["method"] == "HEAD":
            return None
        if not self.keep_alive or self.access_log or head["status"] in _WITHOUT_BODY:
            return None
        headers, body = head.get("headers", ()), message.get("body", b"")
        told = _told(headers)
        if told is None or told[1] != len(body) or (usual := _USUAL(self.default_headers)) is None:
            return None
        return b"".join((STATUS_LINE[head["status"]], usual, told[0], b"\r\n", body))


def _told(headers: _Headers) -> tuple[bytes, int] | None:
    """Headers as they leave, and the length that they say, -1 for none; None where uvicorn has more to say."""
    parts: list[bytes] = []
    length = -1
    for name, value in headers:
        if name not in _OUR_NAMES:
            if HEADER_RE.search(name):
                return None
            name = name.lower()
        if name == b"content-length":
            length = int(value)
        elif name == b"connection" or name == b"transfer-encoding" or HEADER_VALUE_RE.search(value):
            return None
        parts += (name, b": ", value, b"\r\n")
    return b"".join(parts), length


class _Usual:
    """What every answer says, which uvicorn makes anew once a second."""

    def __init__(self) -> None:
        self._headers: _Headers | None = None
        self._known: bytes | None = None

    def __call__(self, headers: _Headers) -> bytes | None:
        if headers is not self._headers:
            told = _told(headers)
            self._headers, self._known = headers, None if told is None or told[1] >= 0 else told[0]
        return self._known


_USUAL: Callable[[_Headers], bytes | None] = _Usual()
