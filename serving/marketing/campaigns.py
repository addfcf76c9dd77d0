"""Campaigns over HTTP: drafts, plans, approvals, and the moves from a launch to the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from engine.errors import NotAllowed
from engine.storage.campaign_launch import check_launch
from engine.storage.campaign_moves import (
    approve_campaign,
    complete_campaign,
    edit_campaign,
    pause_campaign,
    resume_campaign,
    unschedule_campaign,
)
from engine.storage.campaign_plan import plan_campaign
from engine.storage.campaigns import (
    StoredCampaign,
    campaign_changes,
    create_campaign,
    delete_campaign,
    find_campaign,
    list_campaigns,
)
from engine.storage.coupon_ledger import do_once
from engine.storage.jobs import LAUNCH, create_job, find_job, has_job
from engine.storage.ledger import LedgerConnection, LedgerPool
from engine.targeting.campaign_templates import templates_listed
from serving.actions.draft_campaign import changed_draft, check_changes, checked_draft, draft_of_template
from serving.gate import actor_of
from serving.idempotency import KEYED, again, once_of
from serving.json_body import StrictRoute
from serving.marketing.campaign_schema import (
    CampaignAnswer,
    CampaignEdit,
    CampaignList,
    CampaignMove,
    CampaignsQuery,
    ChangeList,
    NewCampaign,
    PlanAnswer,
    TemplateList,
)
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import Deleted, JobAnswer, StoredPathId, problems
from serving.wire import JsonResponse

_ONE = "/v1/campaigns/{campaign_id}"
_CONFLICT = problems((409, "Not as the campaign stands, or the same key is being answered."))
_KEPT: dict[str, Any] = {"openapi_extra": KEYED, "responses": _CONFLICT}
Effect = Callable[[LedgerConnection], dict[str, Any]]


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["campaigns"], route_class=StrictRoute)
    _looks(router, runtime)
    _drafts(router, runtime)
    _launches(router, runtime)
    moves = {"pause": pause_campaign, "resume": resume_campaign, "complete": complete_campaign}
    for name, move in (*moves.items(), ("unschedule", unschedule_campaign)):
        _moving(router, runtime, name, move)
    return router


def _looks(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.get("/v1/campaigns", response_model=CampaignList)
    async def listed(query: Annotated[CampaignsQuery, Query()]) -> JsonResponse:
        """Campaigns by their ids."""
        found = await ask(
            lambda ledger: list_campaigns(ledger, state=query.state, after=query.after, limit=query.limit + 1)
        )
        page = found[: query.limit]
        more = page[-1].id if len(found) > query.limit else None
        return JsonResponse({"campaigns": [each.as_json() for each in page], "next": more})

    @router.get("/v1/campaigns/templates", response_model=TemplateList)
    async def templates() -> JsonResponse:
        """What merchants are taught to do for each group and day, ready to be drafted by name."""
        return JsonResponse({"templates": templates_listed()})

    @router.get(_ONE, response_model=CampaignAnswer)
    async def one(campaign_id: StoredPathId) -> JsonResponse:
        """A campaign as it stands."""
        return JsonResponse((await ask(lambda ledger: find_campaign(ledger, campaign_id))).as_json())

    @router.get(f"{_ONE}/changes", response_model=ChangeList)
    async def changes(campaign_id: StoredPathId) -> JsonResponse:
        """All that was done to a campaign, by whom, when and why."""
        found = await ask(lambda ledger: campaign_changes(ledger, campaign_id))
        return JsonResponse({"changes": [each.as_json() for each in found]})

    @router.post(f"{_ONE}/plan", response_model=PlanAnswer, responses=_CONFLICT)
    async def plan(campaign_id: StoredPathId) -> JsonResponse:
        """Who would get what if it were launched now, what that would cost and earn, and what would stop it."""
        now = runtime.now()

        def look(ledger: LedgerPool) -> dict[str, Any]:
            stored = find_campaign(ledger, campaign_id)
            return plan_campaign(runtime.home, ledger, stored, runtime.settings, now=now).as_json()

        return JsonResponse(await ask(look))

    @router.get("/v1/jobs/{job_id}", response_model=JobAnswer)
    async def job(job_id: StoredPathId) -> JsonResponse:
        """How far a job is, such as a launch, and what came of it."""
        return JsonResponse((await ask(lambda ledger: find_job(ledger, job_id))).as_json())


def _drafts(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.post("/v1/campaigns", status_code=201, response_model=CampaignAnswer, **_KEPT)
    async def create(body: NewCampaign, request: Request) -> Response:
        """Make a draft, such as of the document of a suggestion or of a template."""
        name, words = body.template_name, runtime.words
        if name is None:
            campaign = await asyncio.to_thread(checked_draft, body.campaign, words)
        else:
            campaign = await asyncio.to_thread(draft_of_template, name, body.campaign, words)
        actor, now = actor_of(request), runtime.now()

        def effect(connection: LedgerConnection) -> dict[str, Any]:
            made = create_campaign(connection, campaign, campaign_id=body.campaign_id, actor=actor, now=now)
            return made.as_json()

        return await _once(runtime, request, effect, 201, "/v1/campaigns/{campaign_id}")

    @router.patch(_ONE, response_model=CampaignAnswer, responses=_CONFLICT)
    async def edit(campaign_id: StoredPathId, body: CampaignEdit, request: Request) -> JsonResponse:
        """Change a campaign. An approval is taken back; of a running one only what is safe may change."""
        actor, now, limit = actor_of(request), runtime.now(), runtime.settings.approval_budget
        check_changes(body.campaign)  # before it is asked which campaign

        def change(ledger: LedgerPool) -> StoredCampaign:
            found = find_campaign(ledger, campaign_id)
            campaign = changed_draft(found.document, body.campaign, runtime.words)
            # Fields that this edit does not name are those that were just read.
            seen = found.revision if body.revision is None else body.revision
            return edit_campaign(
                ledger, campaign_id, campaign, revision=seen, approval_budget=limit, actor=actor, now=now
            )

        return JsonResponse((await ask(change)).as_json())

    @router.delete(_ONE, response_model=Deleted, responses=_CONFLICT)
    async def delete(campaign_id: StoredPathId) -> JsonResponse:
        """Remove a campaign that was never launched."""
        await ask(lambda ledger: delete_campaign(ledger, campaign_id))
        return JsonResponse({"deleted": True})


def _launches(router: APIRouter, runtime: MarketingRuntime) -> None:
    @router.post(f"{_ONE}/approve", response_model=CampaignAnswer, **_KEPT)
    async def approve(campaign_id: StoredPathId, request: Request) -> Response:
        """Let it be launched as it stands now; neither its author nor who changed it last may."""
        actor, now = actor_of(request), runtime.now()
        return await _once(
            runtime, request, lambda held: approve_campaign(held, campaign_id, actor=actor, now=now).as_json()
        )

    @router.post(f"{_ONE}/launch", status_code=202, response_model=JobAnswer, **_KEPT)
    async def launch(campaign_id: StoredPathId, request: Request) -> Response:
        """Freeze the audience and start, or schedule it where it starts later; a job does it."""
        actor, now, settings = actor_of(request), runtime.now(), runtime.settings

        def effect(connection: LedgerConnection) -> dict[str, Any]:
            check_launch(find_campaign(connection, campaign_id, locked=True), settings, now=now)
            if has_job(connection, LAUNCH, campaign_id=campaign_id):
                told = "this campaign is being launched already; look at its job"
                raise NotAllowed(told, code="launch_under_way", field="campaign_id")
            return create_job(connection, LAUNCH, {"campaign_id": campaign_id}, actor=actor, now=now).as_json()

        return await _once(runtime, request, effect, 202, "/v1/jobs/{job_id}")


def _moving(router: APIRouter, runtime: MarketingRuntime, name: str, move: Callable[..., StoredCampaign]) -> None:
    @router.post(
        f"{_ONE}/{name}", name=f"{name}_campaign", description=_MOVES[name], response_model=CampaignAnswer, **_KEPT
    )
    async def do(campaign_id: StoredPathId, body: CampaignMove, request: Request) -> Response:
        actor, now = actor_of(request), runtime.now()
        return await _once(
            runtime,
            request,
            lambda held: move(held, campaign_id, reason=body.reason, actor=actor, now=now).as_json(),
        )


_MOVES = {
    "pause": "Send nothing more until it is resumed.",
    "resume": "Go on where it was paused; after its budget was raised only once somebody else approved.",
    "complete": "End it for good: what waits is not sent any more.",
    "unschedule": "Take a scheduled launch back; it stays approved.",
}


async def _once(
    runtime: MarketingRuntime, request: Request, effect: Effect, status: int = 200, location: str = ""
) -> Response:
    """The effect's answer, once a key."""
    once = await once_of(request)
    told, before = await runtime.doors.ledger.ask(lambda ledger: do_once(ledger, once, effect, status=status))
    if before:
        return again(told)
    headers = {"Location": location.format(**json.loads(told.answer))} if location else None
    return Response(told.answer.encode(), status, media_type="application/json", headers=headers)
