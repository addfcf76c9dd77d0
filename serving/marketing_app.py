"""Marketing app: the HTTP interface for marketers, put together from its resources. No storefront process loads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from serving import health
from serving.interface import PROBLEMS, Lifespan, guarded, needs, new_interface
from serving.marketing import offers, readiness
from serving.marketing_runtime import MarketingRuntime


def create_marketing_app(runtime: MarketingRuntime) -> FastAPI:
    """The application on the marketing port. Its routes need a key of scope `marketing`."""
    app = new_interface("Hawker marketing", "A shop's customers, segments and campaigns.", _running(runtime))
    app.include_router(offers.routes(runtime), responses=PROBLEMS, dependencies=[needs("marketing")])
    app.include_router(readiness.routes(runtime))
    app.include_router(health.routes(runtime.metrics))
    return guarded(app, guard=runtime.guard, metrics=runtime.metrics)


def _running(runtime: MarketingRuntime) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with runtime.guard.watching():
            task = asyncio.create_task(runtime.follow())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task], timeout=1)
                await runtime.close()

    return lifespan
