"""The script for pages: one small file without dependencies."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import APIRouter, Request, Response

_SCRIPT = Path(__file__).with_name("hawker.js")


def routes() -> APIRouter:
    """The file as it lies in the package, read once."""
    router = APIRouter(tags=["browser"])
    content = _SCRIPT.read_bytes()
    headers = {
        "ETag": f'"{hashlib.sha256(content).hexdigest()[:16]}"',
        "Cache-Control": "public, max-age=3600",
        "Cross-Origin-Resource-Policy": "cross-origin",  # pages of another origin load it
    }

    @router.get(
        "/hawker.js",
        response_class=Response,
        responses={
            200: {"content": {"text/javascript": {}}, "description": "The script."},
            304: {"description": "The script that the browser has already."},
        },
    )
    async def script(request: Request) -> Response:
        """Asks for lists, shows them, sends exposures and clicks; for pages, with a key of scope `browser`."""
        # `in`, since caches on the way make it weak (W/) or send several.
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="text/javascript", headers=headers)

    return router
