"""The floor of ingestion: a server that reads the same bodies, parses them, and does nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

_ANSWER = b'{"accepted":0,"duplicates":0,"rejected":[]}'
_HEAD = [(b"content-type", b"application/json"), (b"content-length", str(len(_ANSWER)).encode())]


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """An ASGI application."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    if parts[0]:
        orjson.loads(b"".join(parts))
    await send({"type": "http.response.start", "status": 200, "headers": _HEAD})
    await send({"type": "http.response.body", "body": _ANSWER})
