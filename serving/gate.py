"""Gate: every request shows its key before anything of it is read; routes then ask for the scope they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.access import BROWSER_EVENTS, AccessKey
from engine.errors import HawkerError, NotPermitted
from engine.recommend.control import Control
from serving.edge import headers_of
from serving.guard import Guard
from serving.wire import refusal

#: What needs no key, since it tells nothing of the shop. A new route is closed until somebody opens it here.
OPEN = frozenset({"/health/live", "/health/ready", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/hawker.js"})
#: Links that are signed; pages that belong to the documentation.
OPEN_BELOW = ("/static-offline-docs/", "/v1/unsubscribe/")
_KEY = "hawker.key"


class Gate:
    """Plain ASGI, outside of the routes."""

    def __init__(self, app: ASGIApp, *, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN or scope["path"].startswith(OPEN_BELOW):
            await self._app(scope, receive, send)
            return
        headers = headers_of(scope)
        try:
            scope[_KEY] = self._guard.admit(_text(headers.get(b"authorization")), _text(headers.get(b"origin")))
        except HawkerError as error:
            await refusal(error, Request(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Needs(SecurityBase):
    """A dependency of routes: the key must have one of these scopes."""

    def __init__(self, *scopes: str) -> None:
        self.model = HTTPBearer(description="A key from `hawker keys create`; none where the shop has no keys.")
        self.scheme_name = "key"
        self._scopes = scopes

    async def __call__(self, request: Request) -> None:
        key = key_of(request)
        if key is not None and not key.may(*self._scopes):
            told = " or ".join(self._scopes)
            raise NotPermitted(f"the key {key.id} of {key.actor} lacks the scope {told}", code="scope_missing")


def key_of(request: Request) -> AccessKey | None:
    found: AccessKey | None = request.scope.get(_KEY)
    return found


def actor_of(request: Request) -> str | None:
    """Whose name stands on a change; None in a shop without keys."""
    key = key_of(request)
    return key.actor if key is not None else None


def refuse_naming_users(request: Request) -> None:
    """A public key speaks for the session that its page knows, never for a user by name."""
    key = key_of(request)
    if key is not None and key.is_public:
        raise NotPermitted("a key for browsers asks by session_id only", code="user_named", field="user_id")


def refuse_secrets(request: Request, wishes: Control) -> None:
    """What passes a filter on the cost tells the cost: not for a key that everybody can read."""
    key = key_of(request)
    if key is not None and key.is_public and wishes.asks_secrets:
        raise NotPermitted("a key for browsers asks nothing about cost and margin", code="secret_field")


def refuse_segments(request: Request, segment: str | None) -> None:
    """What the members of a segment buy is the shop's own business, unless a placement shows it."""
    key = key_of(request)
    if key is not None and key.is_public and segment is not None:
        raise NotPermitted("a key for browsers names no segment", code="segment_named", field="segment")


def check_browser_events(request: Request, wire_events: Sequence[Any]) -> None:
    """A page may say what a visitor does there, and nothing else. All of a call is refused for one such event."""
    key = key_of(request)
    if key is None or not key.is_public:
        return
    for place, event in enumerate(wire_events):
        if type(event) is not dict:
            continue
        if event.get("user_id") is not None:
            raise NotPermitted(
                "a key for browsers names no user_id", code="user_named", field="user_id", position=place
            )
        kind = event.get("type")
        if type(kind) is str and kind not in BROWSER_EVENTS:
            told = f"type: a key for browsers sends {', '.join(sorted(BROWSER_EVENTS))} only"
            raise NotPermitted(told, code="scope_missing", field="type", position=place)


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")
