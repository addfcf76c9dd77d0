"""Whole answers: head and body of an answer leave in one write.

uvicorn writes them apart, and each write is a call of the system, which costs as much as several stages of a page.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

_WITHOUT_BODY = (204, 304)


class WholeAnswers(HttpToolsProtocol):
    """uvicorn's connection; what is not a whole answer of known length leaves as uvicorn sends it."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if type(self.cycle) is RequestResponseCycle:
            # uvicorn has no place to say so; the cycle has not begun to run.
            self.cycle.__class__ = _Cycle


class _Cycle(RequestResponseCycle):
    _head: Any = None

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
        body, length = message.get("body", b""), -1
        parts = [STATUS_LINE[head["status"]]]
        for name, value in (*self.default_headers, *head.get("headers", ())):
            if name == b"content-length":
                length = int(value)
            elif name in (b"connection", b"transfer-encoding") or HEADER_RE.search(name):
                return None
            if HEADER_VALUE_RE.search(value):
                return None
            parts += (name.lower(), b": ", value, b"\r\n")
        return b"".join((*parts, b"\r\n", body)) if length == len(body) else None
