"""Idempotency: a request that moves money carries a key, and its answer is given again to whoever repeats it."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from engine.targeting.settling import Once, Told
from serving.gate import key_of
from serving.json_body import BodyRefused

HEADER = "Idempotency-Key"
#: How such a route tells of the header in its documentation.
KEYED: dict[str, Any] = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": True,
            "description": "Your own, new for each request; again within 24 hours it gets the same answer.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        }
    ]
}
_KEY = re.compile(r"[!-~]{1,255}")


async def once_of(request: Request) -> Once:
    """Who asks, under which key and for what; BodyRefused (400) without a key."""
    given = request.headers.getlist(HEADER)
    if not given:
        raise BodyRefused("idempotency_key_missing", f"send a header {HEADER}, new for each request", field=HEADER)
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise BodyRefused("idempotency_key_bad", f"{HEADER}: one of 1 to 255 visible ASCII characters", field=HEADER)
    asked = hashlib.sha256(f"{request.method} {request.scope['path']}\n".encode() + await request.body())
    return Once(asker_of(request), given[0], asked.hexdigest())


def asker_of(request: Request) -> str:
    """Whose keys and guesses are counted together; a shop without keys is one asker."""
    key = key_of(request)
    return "open" if key is None else key.id


def again(told: Told) -> Response:
    """An answer as it was given before, byte for byte."""
    return Response(
        told.answer.encode(), told.status, media_type="application/json", headers={"Idempotent-Replayed": "true"}
    )
