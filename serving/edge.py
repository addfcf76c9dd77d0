"""Edge: what every request passes on its way in and out, as one plain ASGI middleware.

It keeps the path as it was sent, gives the request its id, bounds its body, answers HEAD, turns a failure nobody
foresaw into a problem document, counts, and writes the access log. Routes are logged, not paths: a path names people.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.content_encoding import inflated, is_encoded
from serving.drawn_ids import drawn_id
from serving.metrics import RequestMetrics
from serving.wire import problem

access = logging.getLogger("hawker.access")
log = logging.getLogger("hawker.requests")

MOST_BODY = 2**20  # bytes
#: Requests in work at once; what comes besides is turned away at once, since those in work would only wait for it.
MOST_AT_ONCE = 1_024
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADERS = "hawker.headers"
_CODES = {413: "body_too_large", 503: "overloaded"}
# What a caller's own request id may look like, so that nobody writes lines into our log.
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class Edge:
    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: RequestMetrics,
        most_body: Callable[[str], int] = lambda path: MOST_BODY,
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        """`most_body`: how many bytes a body may have, by the path. `most_at_once`: requests in work."""
        self._app = app
        self._metrics = metrics
        self._most_body = most_body
        self._most_at_once = most_at_once
        self._at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            try:
                await self._app(scope, receive, send)
            finally:
                self._metrics.tallies.bring()  # the process ends
            return
        began, method = time.perf_counter(), scope["method"]
        inner = _inner_scope(scope)
        reply = _Reply(send, inner["hawker.request_id"], bodiless=method == "HEAD")
        self._at_once += 1
        try:
            if self._at_once > self._most_at_once and not scope["path"].startswith("/health/"):
                raise HTTPException(503, "more is asked than can be answered; try again", {"Retry-After": "1"})
            most = self._most_body(scope["path"])
            headers = headers_of(inner)
            announced = _announced_length(headers)
            if announced is not None and announced > most:
                raise _too_large(most)
            body = receive if announced is not None else _bounded(receive, most)
            encoding = headers.get(b"content-encoding")
            if encoding is not None and is_encoded(encoding.decode("latin-1").strip().lower()):
                body = inflated(body, most)
            await self._app(inner, body, reply)
        except Exception as error:
            await self._failed(error, inner, receive, reply)
        finally:
            self._at_once -= 1
            self._account(method, inner, reply.status, time.perf_counter() - began)

    async def _failed(self, error: Exception, scope: Scope, receive: Receive, reply: _Reply) -> None:
        request_id = scope["hawker.request_id"]
        if isinstance(error, HTTPException):
            code = _CODES.get(error.status_code, "bad_encoding")
            answer = problem(error.status_code, code, error.detail, request_id=request_id, headers=error.headers)
        else:
            log.exception("request %s failed", request_id)
            answer = problem(500, "internal", "an error of the server; its log knows more", request_id=request_id)
        if not reply.status:
            await answer(scope, receive, reply)

    def _account(self, method: str, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", None) or "unmatched"
        known_method = method if method in _METHODS else "other"
        placement = scope.get("hawker.placement", "")
        tallies = self._metrics.tallies
        tallies.count(self._metrics.requests, (route, known_method, str(status)))
        tallies.time(self._metrics.seconds, (route, placement), seconds)
        if access.isEnabledFor(logging.INFO):
            access.info(
                "request_id=%s method=%s route=%s status=%d ms=%.2f placement=%s bundle=%s",
                scope["hawker.request_id"],
                known_method,
                route,
                status,
                seconds * 1000,
                placement or "-",
                scope.get("hawker.bundle", "-"),
            )


class _Reply:
    """Passes an answer on, with the request's id in its headers; remembers its status, 0 before it began."""

    def __init__(self, send: Send, request_id: str, *, bodiless: bool) -> None:
        self._send = send
        self._request_id = request_id.encode("ascii")
        self._bodiless = bodiless
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", self._request_id)]}
        elif self._bodiless and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """A request's headers by name, in lower case; of one that comes several times the last."""
    found: Mapping[bytes, bytes] | None = scope.get(_HEADERS)
    return dict(scope["headers"]) if found is None else found


def _inner_scope(scope: Scope) -> Scope:
    """What the inside is told: the server's own scope, but for HEAD, which the server must know to be one."""
    if scope["method"] == "HEAD":
        scope = {**scope, "method": "GET"}
    headers = scope[_HEADERS] = dict(scope["headers"])
    if (raw_path := scope.get("raw_path")) is not None:
        # Routes match the path as it was sent, so that an encoded slash stays inside its id.
        scope["path"] = raw_path.decode("latin-1")
    given = headers.get(b"x-request-id")
    scope["hawker.request_id"] = given.decode("ascii") if given and _REQUEST_ID.fullmatch(given) else drawn_id()
    return scope


def _announced_length(headers: Mapping[bytes, bytes]) -> int | None:
    """How long the server lets the body become, which reads no more than was announced; None where nothing was."""
    text = headers.get(b"content-length", b"")
    return int(text) if text.isdigit() and b"transfer-encoding" not in headers else None


def _bounded(receive: Receive, most: int) -> Receive:
    """A body without an announced length is counted as it comes."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise _too_large(most)
        return message

    return receive_bounded


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"a request's body holds at most {most} bytes")
