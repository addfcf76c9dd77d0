"""Health and metrics of a storefront process."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Depends, Response

from engine.access import SCOPES
from serving.gate import Needs
from serving.metrics import CONTENT_TYPE
from serving.runtime import Runtime
from serving.schemas import KEY_PROBLEMS, Alive, Readiness
from serving.wire import JsonResponse


def routes(runtime: Runtime) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/health/live", response_model=Alive)
    async def live() -> JsonResponse:
        """The process runs."""
        return JsonResponse({"status": "alive"})

    @router.get("/health/ready", response_model=Readiness)
    async def ready() -> JsonResponse:
        """The process answers, from which bundle, and what is wrong. Before the first publish it takes events only."""
        serving = runtime.live
        return JsonResponse(
            {
                "status": "ready" if serving else "nothing published",
                "shop": runtime.home.shop,
                "bundle_version": serving.version if serving else None,
                "as_of": _iso(serving.bundle.manifest.as_of) if serving else None,
                "now": _iso(runtime.now()),
                "clock_offset_seconds": runtime.clock_offset,
                "problem": runtime.problem,
            }
        )

    scopes = set(SCOPES) - {"browser"}

    @router.get(
        "/metrics", response_class=Response, responses=KEY_PROBLEMS, dependencies=[Depends(Needs(*sorted(scopes)))]
    )
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(runtime.metrics.page(), media_type=CONTENT_TYPE)

    return router


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
