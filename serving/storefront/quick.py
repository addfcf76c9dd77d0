"""Quick: the recommendations that every page asks for, without what FastAPI does around a route.

Solving a route's dependencies takes as long as the whole of an answer may. The routes stay where they are, in the
OpenAPI document too, and answer whatever is not plain: another content type, a body or a parameter that is refused, a
key that lacks the scope. What is plain is read with their own schemas and answered by their own functions, so that
there is one meaning of every request.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import HawkerError
from serving.admission import Admission
from serving.edge import headers_of
from serving.gate import key_of
from serving.json_body import read_json
from serving.runtime import Runtime
from serving.schemas import ListQuery, UserListQuery, decoded_id
from serving.stages import Stages, mark_of
from serving.storefront.known_bodies import KnownBodies
from serving.storefront.more_lists import RankRequest, ranked
from serving.storefront.recommendations import answered, short_ask
from serving.wire import JsonResponse, refusal

SCOPES = ("recommend", "browser")
_SHORT_FORM = re.compile(r"/v1/(users|items)/([^/]+)/([a-z-]+)")
#: The placements of short forms; the first takes one by name.
_PLACED = {
    ("users", "recommendations"): "",
    ("users", "buy-again"): "buy-again",
    ("items", "similar"): "similar",
    ("items", "bought-together"): "bought-together",
}
_JSON = (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")


class _Route(NamedTuple):
    """What the metrics and the log call a request by."""

    path_format: str


class _Plain(NamedTuple):
    """A request that was understood."""

    route: str
    answer: Callable[[Runtime, Request], Awaitable[JsonResponse]]


def _wished(body: bytes) -> _Plain:
    wish = _KNOWN.read(body)
    return _Plain(
        "/v1/recommendations",
        lambda runtime, request: answered(runtime, request, wish.ask, wish.user_id, wish.session_id),
    )


def _to_rank(body: bytes) -> _Plain:
    asked = RankRequest.model_validate(read_json(body))
    return _Plain("/v1/rank", lambda runtime, request: ranked(runtime, request, asked))


_KNOWN = KnownBodies()
#: Who understands the bodies of a path.
_POSTED: Mapping[str, Callable[[bytes], _Plain]] = {"/v1/recommendations": _wished, "/v1/rank": _to_rank}


class Quick:
    """Plain ASGI, inside of the gate."""

    def __init__(self, app: ASGIApp, *, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._stages = Stages(runtime.metrics)
        self._admission = Admission()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        form = _form(scope)
        if form is None:
            await self._app(scope, receive, send)
            return
        if (full := self._admission.full()) is not None:  # before anything of it is read
            scope["route"] = _Route(_route_of(*form) if form else scope["path"])
            await refusal(full, Request(scope))(scope, receive, send)
            return
        self._stages.begin(scope)
        body: bytes | HTTPException | None = None
        if form == ():
            body = await _whole(receive)
            plain = None if isinstance(body, Exception) else _posted(scope, body)
        else:
            plain = _short(scope, *form)
        request = Request(scope)
        key = key_of(request)
        if plain is None or (key is not None and not key.may(*SCOPES)):
            await self._app(scope, receive if body is None else _again(body, receive), send)
            return
        scope["route"] = _Route(plain.route)
        mark = mark_of(request)
        mark("parse")
        answer = await self._answer(request, plain)
        mark("encode")
        await answer(scope, receive, send)
        mark("send")
        self._stages.end(scope)

    async def _answer(self, request: Request, plain: _Plain) -> JsonResponse:
        ticket = self._admission.enter()
        try:
            return await plain.answer(self._runtime, request)
        except HawkerError as error:
            return refusal(error, request)
        finally:
            self._admission.leave(ticket)


def _form(scope: Scope) -> tuple[str, ...] | None:
    """Of a short form its kind, name and list; nothing in it of a body; None for what is neither."""
    if scope["type"] != "http":
        return None
    if scope["method"] == "GET":
        found = _SHORT_FORM.fullmatch(scope["path"])
        return None if found is None or (found[1], found[3]) not in _PLACED else found.groups()
    return () if scope["path"] in _POSTED and scope["method"] == "POST" else None


def _posted(scope: Scope, body: bytes) -> _Plain | None:
    kind = headers_of(scope).get(b"content-type", b"")
    if kind != b"application/json" and kind.lower() not in _JSON:
        return None
    try:
        return _POSTED[scope["path"]](body)
    except (ValueError, HTTPException, HawkerError):
        return None  # the route says what is wrong


def _route_of(kind: str, name: str, list_: str) -> str:
    return f"/v1/{kind}/{{{kind[:-1]}_id}}/{list_}"


def _short(scope: Scope, kind: str, name: str, list_: str) -> _Plain | None:
    given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    once = dict(given)
    if len(once) < len(given):
        return None
    try:
        named = decoded_id(name)
        route = _route_of(kind, name, list_)
        if list_ == "recommendations":
            options: ListQuery = (asked := UserListQuery.model_validate(once))
            placement = asked.placement
        else:
            options, placement = ListQuery.model_validate(once), _PLACED[kind, list_]
        ask = short_ask(placement, options, item_ids=[named] if kind == "items" else ())
    except (ValidationError, ValueError, HawkerError):
        return None
    user = named if kind == "users" else None
    return _Plain(route, lambda runtime, request: answered(runtime, request, ask, user, None))


async def _whole(receive: Receive) -> bytes | HTTPException:
    """The body, of a caller who left what came of it; or what the edge says of one that is too long or damaged."""
    body, more = b"", True
    while more:
        try:
            message = await receive()
        except HTTPException as problem:
            return problem
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    return body


def _again(body: bytes | HTTPException, receive: Receive) -> Receive:
    """What was read already, for somebody else to read."""
    told = False

    async def receive_again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        if isinstance(body, Exception):
            raise body
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
