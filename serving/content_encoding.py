"""Content encoding: a body that comes compressed is inflated as far as a body may be long, and no further."""

from __future__ import annotations

import zlib

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from serving.json_body import BodyRefused

_GZIP = 31  # zlib's window bits for gzip's header and checksum


def is_encoded(encoding: str) -> bool:
    """Whether a body must be inflated; 415 for an encoding that nobody here reads."""
    if encoding in ("", "identity"):
        return False
    if encoding == "gzip":
        return True
    raise HTTPException(415, "bodies come as they are or as gzip", headers={"Accept-Encoding": "gzip"})


def inflated(receive: Receive, most: int) -> Receive:
    """The whole body of a gzip stream in one message; 413 beyond `most` bytes, 400 for a damaged one."""
    done = False

    async def receive_inflated() -> Message:
        nonlocal done
        if done:
            return await receive()  # the end of the connection
        parts, more = [], True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return message
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        done = True
        return {"type": "http.request", "body": _inflate(b"".join(parts), most), "more_body": False}

    return receive_inflated


def _inflate(body: bytes, most: int) -> bytes:
    reader = zlib.decompressobj(_GZIP)
    try:
        text = reader.decompress(body, most + 1)
    except zlib.error as error:
        raise BodyRefused("bad_gzip", f"the body is not gzip: {error}") from error
    if len(text) > most:
        raise HTTPException(413, f"a request's body holds at most {most} bytes, inflated too")
    if not reader.eof or reader.unused_data:
        raise BodyRefused("bad_gzip", "the body is not one whole gzip stream; send it again")
    return text
