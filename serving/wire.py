"""Wire: what leaves as JSON, problems included."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import (
    BadInput,
    BundleUnusable,
    CouponRefused,
    HawkerError,
    NotAllowed,
    NotAuthenticated,
    NotEnoughData,
    NotPermitted,
    Overloaded,
    StoreUnavailable,
    TooManyTries,
    UnknownThing,
)
from engine.event_check import Refusal

STATUSES: tuple[tuple[type[HawkerError], int], ...] = (
    (BadInput, 422),
    (UnknownThing, 404),
    (NotAllowed, 409),
    (CouponRefused, 409),
    (TooManyTries, 429),
    (NotAuthenticated, 401),
    (NotPermitted, 403),
    (NotEnoughData, 409),
    (BundleUnusable, 503),
    (Overloaded, 429),
    (StoreUnavailable, 503),
)


#: Characters of a caller's own words that come back; a name of a megabyte would be answered with two.
_LONGEST_FIELD, _LONGEST_DETAIL = 200, 1_000
_HEADERS = {429: {"Retry-After": "1"}, 503: {"Retry-After": "1"}, 401: {"WWW-Authenticate": "Bearer"}}


class JsonResponse(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json_bytes(content)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        if headers is not None:
            super().init_headers(headers)
            return
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", (self.media_type or "").encode("ascii")),
        ]


class ProblemResponse(JsonResponse):
    """What was refused, as RFC 9457 tells it: `application/problem+json`."""

    media_type = "application/problem+json"


def json_bytes(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        # An id may hold a lone surrogate: UTF-8 cannot carry it, but a JSON escape can.
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    request_id: str | None,
    field: str | None = None,
    position: int | str | None = None,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> ProblemResponse:
    """`more` are members of this kind of problem, as RFC 9457 lets it have."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": _shortened(detail, _LONGEST_DETAIL),
        "field": field and _shortened(field, _LONGEST_FIELD),
        "position": position,
        "request_id": request_id,
        **(more or {}),
    }
    return ProblemResponse(content, status_code=status, headers=headers)


def as_verdicts(rejected: Iterable[tuple[int, Refusal | HawkerError]]) -> list[dict[str, Any]]:
    """What was refused of a batch: the place of each with its reason."""
    return [
        {
            "index": place,
            "code": why.code,
            "field": why.field and _shortened(why.field, _LONGEST_FIELD),
            "message": _shortened(why.message, _LONGEST_DETAIL),
        }
        for place, why in rejected
    ]


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def refusal(error: HawkerError, request: Request, more: Mapping[str, Any] | None = None) -> ProblemResponse:
    """The answer to a request that the engine refused."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    if isinstance(error, CouponRefused):
        more = {"reasons": list(error.reasons)}
    waits = {"Retry-After": str(error.seconds)} if isinstance(error, TooManyTries) else None
    return problem(
        status,
        error.code,
        error.message,
        request_id=request.scope.get("hawker.request_id"),
        field=error.field,
        position=error.position,
        headers=waits or _HEADERS.get(status),
        more=more,
    )


def iso(seconds: float) -> str:
    """A time as it leaves, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
