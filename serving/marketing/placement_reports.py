"""Reports of placements over HTTP: clicks, conversions and revenue by variant and bundle, and what exploring found."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from engine.recommend.experiment_reader import NAME_PATTERN
from engine.storage.lake import Lake
from serving.actions.report_placement import DAYS, MOST_DAYS, report_placement
from serving.json_body import StrictRoute
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import StoredPathId
from serving.wire import JsonResponse


class AlwaysAnswer(BaseModel):
    value: float | None = Field(description="null where it cannot be computed.")
    error: float | None = Field(description="The standard error.")
    low: float | None = Field(description="With high, the 95 % interval that holds at all looks together.")
    high: float | None
    p: float | None = Field(description="The chance of as much, at any look, where there is no difference.")


class VariantEffect(BaseModel):
    measure: str = Field(description="click_through, conversion, revenue or spent.")
    difference: AlwaysAnswer = Field(description="From the control's.")
    relative: AlwaysAnswer = Field(description="As a part of the control's.")


class ResultTotals(BaseModel):
    people: int
    lists: float
    shown: float = Field(description="Items of lists that were shown.")
    clicks: float
    orders: float = Field(description="With something of these lists.")
    revenue: float = Field(description="Of what was bought of these lists, minor units.")
    click_through: float | None = Field(description="Clicks a shown item.")
    conversion: float | None = Field(description="The part of the people who bought something of their lists.")
    revenue_each: float | None = Field(description="A person, minor units.")
    spent_each: float | None = Field(description="All that a person bought since their first list, minor units.")
    effects: list[VariantEffect] = Field(description="Empty of the control, and where nothing can be compared.")


class VersionResults(ResultTotals):
    bundle_version: int


class VariantResults(ResultTotals):
    variant: str | None = Field(description="null without an experiment.")
    share: float | None = Field(description="The part of the people that it was to get.")
    versions: list[VersionResults] = Field(description="By the bundle that made the lists.")


class VariantGroup(BaseModel):
    variant: str
    people: int
    expected: float


class VariantRatio(BaseModel):
    groups: list[VariantGroup]
    chance: float = Field(description="Of variants ever as uneven, at any look, if all was drawn well.")
    alarm: bool = Field(description="Below .001: find out why before you trust any figure.")


class WhatIfAnswer(BaseModel):
    ips: AlwaysAnswer = Field(description="By inverse propensities.")
    snips: AlwaysAnswer = Field(description="The same, self-normalised.")
    doubly_robust: AlwaysAnswer | None
    covered: float = Field(description="The part of the wanted places that the log could have shown.")
    effective_places: float = Field(description="How many places the weighted ones are worth.")
    rewarded_places: int = Field(
        description="Weighted places that brought anything; of a few dozen errors are too small."
    )


class RewardAnswer(BaseModel):
    as_shown: AlwaysAnswer = Field(description="A list.")
    without: WhatIfAnswer = Field(description="A list, had nothing been explored.")
    lost_by_exploring: AlwaysAnswer = Field(description="A list.")


class ExplorationAnswer(BaseModel):
    lists: int
    people: int
    places: int
    explored: int = Field(description="Places that showed an alternative.")
    explored_click_through: float | None
    other_click_through: float | None
    clicks: RewardAnswer
    revenue: RewardAnswer


class PlacementReport(BaseModel):
    placement: str
    experiment: str | None = Field(description="null where none ran: then all lists together.")
    since: str
    until: str
    attribution_days: int = Field(description="So long after a click on it a purchase of an item is the list's.")
    language: str
    sentences: list[str] = Field(description="What the figures say, and what they cannot.")
    exposed: bool = Field(description="Whether the shop says what it shows; else what was asked for counts as shown.")
    crossed: int = Field(description="People who saw several variants; they count for the first.")
    reweighed: bool = Field(description="The weights were changed under the same name: nothing can be compared.")
    sample_ratio: VariantRatio | None
    variants: list[VariantResults]
    exploration: ExplorationAnswer | None = Field(description="null where nothing was left to chance.")


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["placements"], route_class=StrictRoute)

    @router.get("/v1/placements/{name}/report", response_model=PlacementReport)
    async def report(
        name: StoredPathId,
        days: Annotated[float, Query(gt=0, le=MOST_DAYS, description="Lists served within so many days.")] = DAYS,
        experiment: Annotated[
            str | None, Query(pattern=f"^{NAME_PATTERN}$", description="Which; the one that ran last.")
        ] = None,
        language: Annotated[Literal["en", "zh"], Query()] = "en",
    ) -> JsonResponse:
        """What became of a list's clicks and sales, by variant and bundle, with intervals that hold at all looks."""
        found = await asyncio.to_thread(
            report_placement,
            Lake(runtime.home),
            name,
            now=runtime.now(),
            days=days,
            experiment=experiment,
            language=language,
        )
        return JsonResponse(found)

    return router
