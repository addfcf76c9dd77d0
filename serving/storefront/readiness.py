"""Whether a storefront process is ready, and from which bundle it answers."""

from __future__ import annotations

from fastapi import APIRouter

from serving.runtime import Runtime
from serving.schemas import Readiness
from serving.wire import JsonResponse, iso


def routes(runtime: Runtime) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/health/ready", response_model=Readiness)
    async def ready() -> JsonResponse:
        """The process answers, from which bundle, and what is wrong. Before the first publish it takes events only."""
        serving = runtime.live
        return JsonResponse(
            {
                "status": "ready" if serving else "nothing published",
                "shop": runtime.home.shop,
                "bundle_version": serving.version if serving else None,
                "as_of": iso(serving.bundle.manifest.as_of) if serving else None,
                "now": iso(runtime.now()),
                "clock_offset_seconds": runtime.clock_offset,
                "problem": runtime.problem,
            }
        )

    return router
