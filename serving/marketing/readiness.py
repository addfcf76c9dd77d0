"""Whether the marketing process is ready, and whether what people define can be read."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from engine.errors import StoreUnavailable
from engine.storage.ledger import LedgerPool, connection_of, rows_of
from serving.marketing_runtime import MarketingRuntime
from serving.wire import JsonResponse, iso


class MarketingReadiness(BaseModel):
    status: str = Field(description="ready, or waiting while the ledger is away.")
    shop: str
    now: str = Field(description="The shop's time.")
    clock_offset_seconds: float
    problem: str | None = Field(description="What is wrong.")


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/health/ready", response_model=MarketingReadiness)
    async def ready() -> JsonResponse:
        """The process answers, and what is wrong. It needs the ledger."""
        problem = runtime.problem
        try:
            await runtime.doors.ledger.ask(_look)
        except StoreUnavailable as error:
            problem = error.message
        return JsonResponse(
            {
                "status": "ready" if problem is None else "waiting",
                "shop": runtime.home.shop,
                "now": iso(runtime.now()),
                "clock_offset_seconds": runtime.clock_offset,
                "problem": problem,
            }
        )

    return router


def _look(ledger: LedgerPool) -> None:
    with connection_of(ledger) as connection:
        rows_of(connection, "SELECT 1")
