"""Previews over HTTP: what a rule would find, before anybody saves it; who is in a segment; why one user is."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from engine.errors import BadInput
from engine.storage.live_segments import words_of
from engine.storage.segment_listing import explain_member, list_members
from engine.storage.segment_preview import MOST_SAMPLED, preview
from engine.targeting.segment_json import rule_to_json
from engine.targeting.segment_text import parse_rule, rule_to_text
from engine.targeting.segments import Rule
from engine.targeting.suggestions import CHANNELS
from serving.json_body import StrictRoute
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import StoredPathId
from serving.wire import JsonResponse

_LOOK_EVERY = 0.1  # seconds between two looks whether the caller is still there


class Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    definition: dict[str, Any] | None = Field(None, description="The rule as JSON.")
    text: str | None = Field(None, description="The rule as people write it.")
    sample: int = Field(10, ge=0, le=MOST_SAMPLED, description="How many of its users to name.")
    channel: str = Field("email", description="Reached on which channel.", json_schema_extra={"enum": list(CHANNELS)})
    overlap_with: list[str] = Field(default=[], max_length=20, description="Segments to compare with.")


class Preview(BaseModel):
    definition: dict[str, Any]
    text: str
    as_of: str
    traits_as_of: str
    size: int
    customers: int = Field(description="All customers of the shop.")
    reachable: int
    unreachable_by: dict[str, int] = Field(description="By the first reason that holds.")
    figures: dict[str, float | None] = Field(description="Orders and spend of a year, minor units.")
    sample: list[str]
    overlap: list[dict[str, Any]]


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    definition: dict[str, Any] | None = Field(None, description="The rule as JSON.")
    text: str | None = Field(None, description="The rule as people write it.")
    user_id: str = Field(min_length=1, max_length=512)


class Explained(BaseModel):
    user_id: str
    fits: bool
    leaves: list[dict[str, Any]] = Field(description="Each leaf, whether it holds, and whether it decided.")


class MembersQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    after: str = Field("", max_length=512, description="The last user_id of the page before.")
    limit: int = Field(100, ge=1, le=10_000)


class Members(BaseModel):
    segment_id: str
    as_of: str = Field(description="When the segment was evaluated.")
    size: int
    members: list[dict[str, str]] = Field(description="user_id, and since when.")
    next: str | None


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["segments"], route_class=StrictRoute)
    home, settings = runtime.home, runtime.settings

    def rule_of(wanted: Wanted | Asked) -> Rule:
        if (wanted.definition is None) == (wanted.text is None):
            raise BadInput("definition: say the rule, either as definition or as text", field="definition")
        if wanted.text is not None:
            return parse_rule(wanted.text, words_of(settings), field="text")
        return parse_rule(wanted.definition, words_of(settings), field="definition")

    @router.post("/v1/segments/preview", response_model=Preview)
    async def previewed(body: Wanted, request: Request) -> JsonResponse:
        """What a rule finds: size, reachable size by reason, orders, a sample, overlaps. Ends when the caller goes."""
        rule = rule_of(body)
        if body.channel not in CHANNELS:
            raise BadInput(f"channel: one of {', '.join(CHANNELS)}", field="channel")
        cap = None if body.channel == "storefront" else settings.messages_per_day or None
        running: list[Any] = []
        work = asyncio.create_task(
            asyncio.to_thread(
                preview,
                home,
                rule,
                now=runtime.now(),
                sample=body.sample,
                overlap_with=body.overlap_with,
                channel=body.channel,
                cap=cap,
                begun=running.append,
            )
        )
        while not (await asyncio.wait([work], timeout=_LOOK_EVERY))[0]:
            if await request.is_disconnected():
                for sql in running:
                    sql.interrupt()
        return JsonResponse({"definition": rule_to_json(rule), "text": rule_to_text(rule), **await work})

    @router.post("/v1/segments/explain", response_model=Explained)
    async def explained(body: Asked) -> JsonResponse:
        """Whether a rule fits one user, and which leaf decided."""
        found = await asyncio.to_thread(explain_member, home, rule_of(body), body.user_id, now=runtime.now())
        return JsonResponse(found)

    @router.get("/v1/segments/{segment_id}/members", response_model=Members)
    async def members(segment_id: StoredPathId, query: Annotated[MembersQuery, Query()]) -> JsonResponse:
        """Who is in a segment or ready-made group, as it was last evaluated."""
        found = await asyncio.to_thread(
            list_members, home, segment_id, now=runtime.now(), after=query.after, limit=query.limit
        )
        return JsonResponse(found)

    return router
