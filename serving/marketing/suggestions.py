"""Suggestions over HTTP: which campaigns would be worth it, before anything is made or sent."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from engine.storage.suggestion_facts import suggest_campaigns
from engine.targeting.suggestion_goals import GOALS
from engine.targeting.suggestions import CHANNELS, Wish
from serving.json_body import StrictRoute
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import Whole
from serving.wire import JsonResponse


class WishBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    goal: str = Field(max_length=64, description="What it is for.", json_schema_extra={"enum": list(GOALS)})
    budget: Whole = Field(ge=0, description="What discounts may cost, minor units.")
    channel: str = Field(
        "email", max_length=64, description="How they are told.", json_schema_extra={"enum": list(CHANNELS)}
    )
    item_id: str | None = Field(None, min_length=1, max_length=512, description="Which item it is about.")
    category: str | None = Field(None, min_length=1, max_length=512, description="Which category it is about.")
    margin: float | None = Field(None, gt=0, le=1, description="The part of a price left after costs, if known.")
    limit: Whole = Field(10, ge=1, le=100)


class ProposalAnswer(BaseModel):
    name: str
    kind: str = Field(description="group, cluster, item or category.")
    offer_id: str | None = Field(description="null: a message without any discount.")
    size: int
    reachable: int
    contacted: int = Field(description="Without the holdout, as far as the budget goes.")
    cost: int
    profit: int = Field(description="Expected incremental profit, minor units.")
    low: int = Field(description="With high, 95 % of what is thought possible.")
    high: int
    reason: str
    missing: list[str] = Field(description="What was assumed for want of evidence.")
    campaign: dict[str, Any] = Field(description="A campaign document, to make a draft of.")


class Suggestions(BaseModel):
    proposals: list[ProposalAnswer] = Field(description="The one that is expected to earn most first.")


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["campaigns"], route_class=StrictRoute)

    @router.post("/v1/campaigns/suggestions", response_model=Suggestions)
    async def suggested(body: WishBody) -> JsonResponse:
        """Whom to talk to with which offer for a goal and a budget: cost, expected profit, what is not known."""
        wish = Wish(body.goal, body.budget, body.channel, body.item_id, body.category, body.margin, body.limit)
        now, thresholds = runtime.now(), runtime.settings.groups
        found = await runtime.doors.ledger.ask(
            lambda ledger: suggest_campaigns(runtime.home, ledger, wish, now=now, thresholds=thresholds)
        )
        return JsonResponse({"proposals": [each.as_json() for each in found]})

    return router
