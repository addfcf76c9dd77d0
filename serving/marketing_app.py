"""Marketing app: the HTTP interface for marketers, put together from its resources. No storefront process loads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request

from engine.storage.member_upload import MOST_TOLD, UploadRefused
from serving import health
from serving.edge import MOST_BODY
from serving.interface import PROBLEMS, Lifespan, guarded, needs, new_interface
from serving.marketing import (
    audiences,
    campaigns,
    classes,
    consents,
    customers,
    offers,
    placement_reports,
    placements,
    previews,
    readiness,
    reports,
    retrainings,
    segments,
    suggestions,
    webhooks,
)
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import problems
from serving.wire import ProblemResponse, refusal

_PROBLEMS = PROBLEMS | problems((409, "Somebody was faster, or others hold on to it."))


def create_marketing_app(runtime: MarketingRuntime) -> FastAPI:
    """The application on the marketing port. Its routes need a key of scope `marketing`."""
    app = new_interface("Hawker marketing", "A shop's customers, segments and campaigns.", _running(runtime))
    for resource in (
        previews,
        segments,
        customers,
        audiences,
        consents,
        classes,
        offers,
        placements,
        placement_reports,
        suggestions,
        campaigns,
        reports,
        retrainings,
        webhooks,
    ):
        app.include_router(resource.routes(runtime), responses=_PROBLEMS, dependencies=[needs("marketing")])
    app.include_router(readiness.routes(runtime))
    app.include_router(health.routes(runtime.metrics))
    app.add_exception_handler(UploadRefused, _lines_refused)
    return guarded(app, guard=runtime.guard, metrics=runtime.metrics, most_body=_most_body)


async def _lines_refused(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, UploadRefused)
    told = [each.as_json() for each in error.refused[:MOST_TOLD]]
    return refusal(error, request, {"refused_lines": len(error.refused), "refused": told})


def _most_body(path: str) -> int:
    """Lists of users are longer than what people write."""
    return segments.MOST_UPLOAD if segments.UPLOAD_PATH.fullmatch(path) else MOST_BODY


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
