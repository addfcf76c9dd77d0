"""Retrainings over HTTP: when the shop's bundle is trained anew, what came of it, and asking for one now."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from engine.storage.jobs import Job, cancel_job
from engine.storage.retrainings import Plan, Seen, ask_for_retraining, find_retraining, list_retrainings, next_due
from serving.gate import actor_of
from serving.json_body import StrictRoute
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import StoredPathId
from serving.staleness import look_at_lake
from serving.wire import JsonResponse, iso

_SHOWN = 20


class Retraining(BaseModel):
    job_id: str
    state: str = Field(description="queued, running, done, failed or cancelled.")
    because: str = Field(description="schedule, events or asked.")
    recipe: str
    actor: str | None = Field(description="The name of the key that asked for it.")
    stage: str | None = Field(description="What it is at while it runs.")
    outcome: str | None = Field(description="published, refused at a gate, failed or cancelled; null until it is over.")
    version: int | None = Field(description="What was trained.")
    failed_gates: list[str] = Field(description="Which gates refused it; `gates` has their figures.")
    gates: list[dict[str, Any]]
    error: str | None = Field(description="Why it failed: the limit that was reached, or what was wrong.")
    seconds: float | None
    peak_mib: float | None = Field(description="The most memory that it had.")
    created_at: str
    started_at: str | None
    finished_at: str | None


class Retrainings(BaseModel):
    schedule: str | None = Field(description="As HAWKER_RETRAIN says it; null for none.")
    events: int = Field(description="New events that make one due; 0: never.")
    recipe: str
    next_at: str | None = Field(description="When the schedule asks for the next one, if anything is new by then.")
    bundle_version: int | None = Field(description="What is served.")
    as_of: str | None = Field(description="The first moment that the served bundle does not know.")
    age_seconds: float | None = Field(description="How long ago that is.")
    events_since: int = Field(description="Events that it does not know.")
    retrainings: list[Retraining] = Field(description=f"The last {_SHOWN}, newest first.")


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["retrainings"], route_class=StrictRoute)
    ask, settings = runtime.doors.ledger.ask, runtime.settings

    @router.get("/v1/retrainings", response_model=Retrainings)
    async def listed() -> JsonResponse:
        """When the bundle is trained anew, how old it is, and what came of the last trainings."""
        now = runtime.now()
        seen = await asyncio.to_thread(look_at_lake, runtime.home)
        found = await ask(lambda ledger: list_retrainings(ledger, most=_SHOWN))
        plan = Plan.of(settings)
        due = next_due(plan, seen, found[0] if found else None, now)
        return JsonResponse(
            {
                "schedule": plan.schedule.text if plan.schedule else None,
                "events": plan.events,
                "recipe": settings.retrain_recipe,
                "next_at": None if due is None else iso(due),
                **_served(seen, now),
                "retrainings": [_told(each) for each in found],
            }
        )

    _changes(router, runtime)

    @router.get("/v1/retrainings/{job_id}", response_model=Retraining)
    async def one(job_id: StoredPathId) -> JsonResponse:
        """How far a retraining is, and what came of it."""
        return JsonResponse(_told(await ask(lambda ledger: find_retraining(ledger, job_id))))

    return router


def _changes(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask, settings = runtime.doors.ledger.ask, runtime.settings

    @router.post("/v1/retrainings", response_model=Retraining, status_code=202)
    async def wanted(request: Request) -> JsonResponse:
        """Train anew now, and publish what passes the gates; the one that waits or runs where there is one."""
        actor, now = actor_of(request), runtime.now()
        seen = await asyncio.to_thread(look_at_lake, runtime.home)
        job = await ask(
            lambda ledger: ask_for_retraining(
                ledger, recipe=settings.retrain_recipe, events=seen.events, actor=actor, now=now
            )
        )
        return JsonResponse(_told(job), 202, headers={"Location": f"/v1/retrainings/{job.id}"})

    @router.post("/v1/retrainings/{job_id}/cancel", response_model=Retraining)
    async def cancel(job_id: StoredPathId) -> JsonResponse:
        """End a retraining: at once where it waits, within seconds where it runs. What is served stays."""
        now = runtime.now()

        def end(ledger: Any) -> Job:
            return cancel_job(ledger, find_retraining(ledger, job_id).id, now=now)

        return JsonResponse(_told(await ask(end)))


def _served(seen: Seen, now: float) -> dict[str, Any]:
    there = seen.version > 0
    return {
        "bundle_version": seen.version if there else None,
        "as_of": iso(seen.as_of) if there else None,
        "age_seconds": max(0.0, now - seen.as_of) if there else None,
        "events_since": seen.events_since,
    }


def _told(job: Job) -> dict[str, Any]:
    result, is_over = job.result or {}, job.state not in ("queued", "running")
    told = job.as_json()
    return {
        **{name: told[name] for name in ("job_id", "state", "actor", "error", "created_at", "started_at")},
        "finished_at": told["finished_at"],
        "because": job.arguments.get("because", "asked"),
        "recipe": job.arguments.get("recipe", ""),
        "stage": (job.checkpoint or {}).get("stage") if job.state == "running" else None,
        "outcome": result.get("outcome", job.state) if is_over else None,
        "version": result.get("version"),
        "failed_gates": result.get("failed_gates", []),
        "gates": result.get("gates", []),
        "seconds": result.get("seconds"),
        "peak_mib": result.get("peak_mib"),
    }
