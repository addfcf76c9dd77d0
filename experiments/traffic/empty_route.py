"""The floor of a page: a FastAPI route that does nothing but send bytes made beforehand, or one Valkey read besides.

`python -m experiments.traffic.empty_route PORT FILE [URL]` answers a page's request with the bytes of the file; with
the URL of a Valkey after reading one key of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response

from engine.storage.online import open_async


def create(content: bytes, url: str | None) -> FastAPI:
    app = FastAPI()
    client = open_async(url, "URL", seconds=1.0) if url else None

    @app.post("/v1/recommendations")
    async def recommendations() -> Response:
        if client is not None:
            await client.get(b"default:p:u:u1")
        return Response(content, media_type="application/json")

    @app.get("/health/live")
    async def live() -> Response:
        return Response(b"{}", media_type="application/json")

    return app


if __name__ == "__main__":
    port, file, *more = sys.argv[1:]
    app = create(Path(file).read_bytes(), more[0] if more else None)
    uvicorn.run(
        app, host="127.0.0.1", port=int(port), loop="uvloop", http="httptools", access_log=False, log_config=None
    )
