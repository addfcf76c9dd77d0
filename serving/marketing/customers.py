"""Customers over HTTP: one from all sides, the ready-made groups with their sizes, and what traits there are."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

from engine.storage.group_sizes import group_moves, group_sizes
from engine.storage.portrait import portrait
from engine.targeting.calendar import holidays
from engine.targeting.groups import ACTIONS, DIMENSIONS, groups
from engine.targeting.traits import TRAITS
from engine.thresholds import THRESHOLDS
from serving.json_body import StrictRoute
from serving.marketing.customer_schema import GroupList, Moves, MovesQuery, TraitList, UserView
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import StoredPathId
from serving.wire import JsonResponse


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["customers"], route_class=StrictRoute)
    home, settings = runtime.home, runtime.settings

    @router.get("/v1/users/{user_id}/view", response_model=UserView)
    async def view(user_id: StoredPathId) -> JsonResponse:
        """The 360-degree view: traits, interests with what they rest on, segments, predictions, the last events."""
        found = await asyncio.to_thread(portrait, home, user_id, now=runtime.now(), thresholds=settings.groups)
        return JsonResponse(found)

    @router.get("/v1/traits", response_model=TraitList)
    async def traits() -> JsonResponse:
        """Every trait with its meaning, unit, window and formula."""
        rows = [
            {
                "name": each.name,
                "kind": each.kind,
                "part": each.group,
                "unit": each.unit,
                "meaning": each.meaning,
                "formula": each.formula,
                "window_days": each.window,
            }
            for each in TRAITS
        ]
        return JsonResponse({"traits": rows})

    @router.get("/v1/groups", response_model=GroupList)
    async def all_groups() -> JsonResponse:
        """The ready-made groups: their rules, sizes and usual actions; regions, interests; the next holidays."""
        sizes = await asyncio.to_thread(group_sizes, home, runtime.now())
        return JsonResponse({**_told(settings.groups, sizes), **_calendar(runtime)})

    @router.get("/v1/groups/moves", response_model=Moves)
    async def moves(query: Annotated[MovesQuery, Query()]) -> JsonResponse:
        """How many went from which group of a dimension to which, between two moments."""
        found = await asyncio.to_thread(
            group_moves,
            home,
            query.dimension,
            since=query.since,
            until=query.until,
            now=runtime.now(),
            zone=settings.zone,
            thresholds=settings.groups,
        )
        return JsonResponse(found)

    return router


def _told(thresholds: Any, sizes: Any) -> dict[str, Any]:
    rows = [
        {
            "id": each.id,
            "dimension": each.dimension,
            "name": each.name,
            "meaning": each.meaning,
            "definition": each.rule,
            "size": sizes.segments.get(each.id, 0),
            "actions": [{"template": name, "name": ACTIONS[name]} for name in each.actions],
            "ask_why": each.ask_why,
        }
        for each in groups(thresholds)
    ]
    told = [
        {"name": each.name, "value": thresholds[each.name], "unit": each.unit, "meaning": each.meaning}
        for each in THRESHOLDS
    ]
    return {
        "as_of": sizes.as_of,
        "customers": sizes.customers,
        "dimensions": DIMENSIONS,
        "groups": rows,
        "regions": sizes.regions,
        "interests": sizes.interests,
        "clusters": sizes.clusters,
        "thresholds": told,
    }


def _calendar(runtime: MarketingRuntime) -> dict[str, Any]:
    zone = ZoneInfo(runtime.settings.zone)
    coming = holidays(datetime.fromtimestamp(runtime.now(), zone).date(), days=60)
    return {"holidays": [{"id": each.id, "name": each.name, "day": each.day.isoformat()} for each in coming]}
