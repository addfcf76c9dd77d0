"""Health and metrics of a process that answers over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response

from engine.access import SCOPES
from serving.gate import Needs
from serving.metrics import CONTENT_TYPE, RequestMetrics
from serving.schemas import KEY_PROBLEMS, Alive
from serving.wire import JsonResponse


def routes(figures: RequestMetrics) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/health/live", response_model=Alive)
    async def live() -> JsonResponse:
        """The process runs."""
        return JsonResponse({"status": "alive"})

    scopes = set(SCOPES) - {"browser"}

    @router.get(
        "/metrics", response_class=Response, responses=KEY_PROBLEMS, dependencies=[Depends(Needs(*sorted(scopes)))]
    )
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(figures.page(), media_type=CONTENT_TYPE)

    return router
