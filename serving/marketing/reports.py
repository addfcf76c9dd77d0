"""Reports over HTTP: what a campaign earned, as JSON or as one printable page."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, Response

from serving.actions.report_campaign import report_campaign
from serving.json_body import StrictRoute
from serving.marketing_runtime import MarketingRuntime
from serving.report_page import report_page
from serving.schemas import StoredPathId, problems
from serving.wire import JsonResponse


class EstimateAnswer(BaseModel):
    value: float | None = Field(description="null where it cannot be computed.")
    low: float | None = Field(description="With high, the 95 % interval.")
    high: float | None
    p: float | None = Field(description="The chance of as much where there is no effect.")
    error: float | None = Field(None, description="The standard error.")


class EffectAnswer(BaseModel):
    measure: str = Field(description="redeemed, cost, orders, revenue or margin.")
    treated_mean: float
    control_mean: float
    each: EstimateAnswer = Field(description="More a treated customer than held out, adjusted by what was before.")
    total: EstimateAnswer = Field(description="The same of all treated together.")
    relative: EstimateAnswer = Field(
        description="As a part of the mean of those held out; low and high are null while that mean may as well be 0."
    )


class PartAnswer(BaseModel):
    totals: dict[str, dict[str, float]] = Field(description="By arm: members, and sums of each measure.")
    effects: list[EffectAnswer] = Field(description="Empty where nobody was held out.")
    roi: EstimateAnswer | None = Field(description="Incremental margin for each unit of incremental discount.")


class VariantPart(PartAnswer):
    variant: str


class SegmentPart(PartAnswer):
    segment: str


class GroupAnswer(BaseModel):
    arm: str
    variant: str | None
    members: int
    expected: float


class SampleRatioAnswer(BaseModel):
    groups: list[GroupAnswer]
    chance: float = Field(description="Of arms at least as uneven, if all was drawn well.")
    alarm: bool = Field(description="Below .001: find out why before you trust any figure.")


class CumulativeAnswer(EstimateAnswer):
    day: int = Field(description="Days after joining.")


class ReportAnswer(PartAnswer):
    campaign_id: str
    name: str
    state: str
    launched_at: str
    completed_at: str | None
    as_of: str
    kept: bool = Field(description="The figures that were kept; they stay when customers are erased.")
    language: str
    sentences: list[str] = Field(description="What the figures say, and what they cannot.")
    intervals: str = Field(description="fixed or sequential.")
    currency: str | None
    messages: dict[str, Any] = Field(description="By state, and skipped_by reason.")
    members: dict[str, int] = Field(description="By arm: treatment, holdout, global_holdout.")
    window_days: int
    windows_over: float = Field(description="The part of the members whose outcome window is over.")
    assignment: str
    is_triggered: bool
    control: str | None = Field(description="holdout, else global_holdout, else null: nothing can be compared.")
    contacted_control: int = Field(description="Of the control, those who got a message or saw the offer all the same.")
    costs_known: float = Field(description="The part of what was paid whose costs are known; margin needs 0.95.")
    costs_by_items: float = Field(description="The part whose costs the items say.")
    sample_ratio: SampleRatioAnswer
    variants: list[VariantPart]
    segments: list[SegmentPart]
    days: list[dict[str, Any]] = Field(description="Treated customers who first came to each stage on a day.")
    cumulative: list[CumulativeAnswer] = Field(description="The effect until each day, of all treated together.")


_STATES: Any = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}},
    **problems((409, "Not launched yet, or the customers were not computed yet.")),
}


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["campaigns"], route_class=StrictRoute)

    @router.get("/v1/campaigns/{campaign_id}/report", response_model=ReportAnswer, responses=_STATES)
    async def report(
        campaign_id: StoredPathId,
        sequential: Annotated[bool, Query(description="Intervals that hold at all looks together.")] = False,
        language: Annotated[Literal["en", "zh"], Query()] = "en",
        format: Annotated[Literal["json", "html"], Query(description="html: one printable page.")] = "json",  # noqa: A002
    ) -> Response:
        """What a campaign truly earned: against those held out, with 95 % intervals, and what cannot be said."""
        now, zone = runtime.now(), runtime.settings.zone
        found = await runtime.doors.ledger.ask(
            lambda ledger: report_campaign(
                runtime.home, ledger, campaign_id, now=now, zone=zone, sequential=sequential, language=language
            )
        )
        return HTMLResponse(report_page(found)) if format == "html" else JsonResponse(found)

    return router
