"""Jobs over HTTP: changes of many items or users by a condition, and how far they are."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request

from engine.shop_documents import Kind
from engine.storage.jobs import BY_FILTER, cancel_job, create_job, find_job
from serving.actions.change_by_filter import checked_wish
from serving.gate import Needs, actor_of
from serving.json_body import StrictRoute
from serving.runtime import Runtime
from serving.schemas import DeleteByFilter, JobAnswer, StoredPathId, UpdateByFilter
from serving.wire import JsonResponse

_TAKEN: dict[int | str, dict[str, Any]] = {202: {"model": JobAnswer, "description": "Taken as a job."}}


def routes(runtime: Runtime) -> APIRouter:
    router = APIRouter(tags=["jobs"], route_class=StrictRoute, dependencies=[Depends(Needs("ingest"))])

    async def take(request: Request, arguments: dict[str, Any]) -> JsonResponse:
        checked_wish(arguments)  # what is wrong is told now, not by a job that fails
        actor, now = actor_of(request), runtime.now()
        job = await runtime.doors.ledger.ask(
            lambda ledger: create_job(ledger, BY_FILTER, arguments, actor=actor, now=now)
        )
        return JsonResponse(job.as_json(), 202, headers={"Location": f"/v1/jobs/{job.id}"})

    def by_filter(kind: Kind) -> None:
        @router.post(f"/v1/{kind}/update-by-filter", name=f"update_{kind}", status_code=202, response_model=JobAnswer)
        async def update(body: UpdateByFilter, request: Request) -> JsonResponse:
            """Patch all that fulfil a condition; a job does it."""
            told = {"kind": kind, "filter": body.filter, "patch": body.patch, "dry_run": body.dry_run}
            return await take(request, told)

        @router.post(f"/v1/{kind}/delete-by-filter", name=f"remove_{kind}", status_code=202, response_model=JobAnswer)
        async def delete(body: DeleteByFilter, request: Request) -> JsonResponse:
            """Delete all that fulfil a condition; a job does it."""
            return await take(request, {"kind": kind, "filter": body.filter, "dry_run": body.dry_run})

        for verb in ("update", "delete"):
            # What is called so itself is reached percent-encoded.
            @router.api_route(
                f"/v1/{kind}/{verb}-by-filter", methods=["GET", "PUT", "PATCH", "DELETE"], include_in_schema=False
            )
            async def not_one() -> None:
                raise HTTPException(405)

    by_filter("items")
    by_filter("users")

    @router.get("/v1/jobs/{job_id}", response_model=JobAnswer)
    async def job(job_id: StoredPathId) -> JsonResponse:
        """How far a job is, and what came of it."""
        return JsonResponse((await runtime.doors.ledger.ask(lambda ledger: find_job(ledger, job_id))).as_json())

    @router.post("/v1/jobs/{job_id}/cancel", response_model=JobAnswer)
    async def cancel(job_id: StoredPathId) -> JsonResponse:
        """End a job: at once where it waits, after the batch in hand where it runs."""
        now = runtime.now()
        found = await runtime.doors.ledger.ask(lambda ledger: cancel_job(ledger, job_id, now=now))
        return JsonResponse(found.as_json())

    return router
