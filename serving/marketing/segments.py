"""Segments over HTTP: define, read, version, archive, and upload the members of a static one."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request

from engine.errors import BadInput
from engine.storage.known_users import known_users
from engine.storage.ledger import LedgerPool
from engine.storage.member_upload import MOST_TOLD, read_upload
from engine.storage.segment_edits import archive_segment, create_segment, delete_segment, edit_segment
from engine.storage.segment_members import change_members, checked_mode
from engine.storage.segments import Segment, dependents, find_segment, list_segments, segment_versions
from engine.storage.set_aside import with_reasons
from engine.targeting.definition import Definition, read_definition
from engine.targeting.labels import checked_names
from serving.gate import actor_of
from serving.json_body import StrictRoute
from serving.marketing.segment_schema import (
    NewSegment,
    SegmentAnswer,
    SegmentChange,
    SegmentDetails,
    SegmentList,
    SegmentsQuery,
    UploadAnswer,
    UploadQuery,
    VersionList,
)
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import Deleted, StoredPathId
from serving.wire import JsonResponse

#: Bytes of an upload: two million ids of thirty.
MOST_UPLOAD = 64 * 2**20
UPLOAD_PATH = re.compile(r"/v1/segments/[^/]+/members")
_ONE = "/v1/segments/{segment_id}"
_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string", "examples": ["user_id\nu1\nu2\n"]}}},
    }
}


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["segments"], route_class=StrictRoute)
    ask = runtime.doors.ledger.ask
    _changes(router, runtime)
    _endings(router, runtime)
    _uploads(router, runtime)

    @router.get("/v1/segments", response_model=SegmentList)
    async def listed(query: Annotated[SegmentsQuery, Query()]) -> JsonResponse:
        """Segments by their ids."""
        found = await ask(
            lambda ledger: list_segments(ledger, archived=query.archived, after=query.after, limit=query.limit + 1)
        )
        page = found[: query.limit]
        more = page[-1].id if len(found) > query.limit else None
        return JsonResponse({"segments": await _told(runtime, *page), "next": more})

    @router.get(_ONE, response_model=SegmentDetails)
    async def one(segment_id: StoredPathId) -> JsonResponse:
        """A segment, and what names it."""

        def look(ledger: LedgerPool) -> dict[str, Any]:
            (found,) = with_reasons(ledger, runtime.words, [find_segment(ledger, segment_id).as_json()])
            return {**found, "dependents": dependents(ledger, segment_id)}

        return JsonResponse(await ask(look))

    @router.get(f"{_ONE}/versions", response_model=VersionList)
    async def versions(segment_id: StoredPathId) -> JsonResponse:
        """Every version that it had, newest first."""
        found = await ask(lambda ledger: segment_versions(ledger, segment_id))
        return JsonResponse({"versions": [each.as_json() for each in found]})

    return router


def _changes(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.post("/v1/segments", response_model=SegmentAnswer, status_code=201)
    async def create(body: NewSegment, request: Request) -> JsonResponse:
        """Define a segment by a rule, or an empty list."""
        names = checked_names(body.names)
        if body.kind not in ("rule", "static"):
            raise BadInput("kind: must be rule or static", field="kind")
        definition = rule_of(runtime, body.definition, body.text)
        if body.kind == "static" and definition is not None:
            raise BadInput("definition: a static segment has none; upload its members", field="definition")
        if body.kind == "rule" and definition is None:
            raise BadInput("definition: say the rule, here as JSON or in text", field="definition")
        actor, now = actor_of(request), runtime.now()

        def make(ledger: LedgerPool) -> Segment:
            return create_segment(
                ledger, names, definition=definition, segment_id=body.segment_id, actor=actor, now=now
            )

        made = await ask(make)
        (told,) = await _told(runtime, made)
        return JsonResponse(told, 201, headers={"Location": f"/v1/segments/{made.id}"})

    @router.patch(_ONE, response_model=SegmentAnswer)
    async def edit(segment_id: StoredPathId, body: SegmentChange, request: Request) -> JsonResponse:
        """Rename a segment, or give it another rule, which becomes its next version."""
        names = None if body.names is None else checked_names(body.names)
        definition = rule_of(runtime, body.definition, body.text)
        actor, now = actor_of(request), runtime.now()

        def change(ledger: LedgerPool) -> Segment:
            return edit_segment(
                ledger,
                segment_id,
                names=names,
                definition=definition,
                version=body.version,
                actor=actor,
                now=now,
            )

        return JsonResponse((await _told(runtime, await ask(change)))[0])


def _endings(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.delete(_ONE, response_model=Deleted)
    async def delete(segment_id: StoredPathId) -> JsonResponse:
        """Remove a segment with its versions and its list for good; 409 while others name it."""
        await ask(lambda ledger: delete_segment(ledger, segment_id))
        return JsonResponse({"deleted": True})

    for verb, archived in (("archive", True), ("restore", False)):
        _archiving(router, runtime, verb, archived=archived)


def _archiving(router: APIRouter, runtime: MarketingRuntime, verb: str, *, archived: bool) -> None:
    told = "Take a segment out of use; 409 while others name it." if archived else "Use an archived segment again."

    @router.post(f"{_ONE}/{verb}", name=f"{verb}_segment", description=told, response_model=SegmentAnswer)
    async def archive(segment_id: StoredPathId, request: Request) -> JsonResponse:
        actor, now = actor_of(request), runtime.now()
        found = await runtime.doors.ledger.ask(
            lambda ledger: archive_segment(ledger, segment_id, archived=archived, actor=actor, now=now)
        )
        return JsonResponse((await _told(runtime, found))[0])


def _uploads(router: APIRouter, runtime: MarketingRuntime) -> None:
    @router.post(f"{_ONE}/members", response_model=UploadAnswer, openapi_extra=_UPLOAD_BODY)
    async def upload(
        segment_id: StoredPathId, query: Annotated[UploadQuery, Query()], request: Request
    ) -> JsonResponse:
        """Change the list of a static segment by a CSV with a column `user_id`; all of it is taken or nothing."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/csv":
            raise HTTPException(415, "send the file as it is, with the content type text/csv")
        mode = checked_mode(query.mode)
        content = await request.body()
        actor, now = actor_of(request), runtime.now()
        skip = [each.strip() for each in query.skip.split(",") if each.strip()]
        await runtime.doors.ledger.ask(lambda ledger: find_segment(ledger, segment_id))
        read = await asyncio.to_thread(
            read_upload,
            content,
            lambda ids: known_users(runtime.home, runtime.settings.redis_url, ids),
            skip=skip,
        )
        stored = await runtime.doors.ledger.ask(
            lambda ledger: change_members(
                ledger, segment_id, read.user_ids, mode=mode, version=query.version, actor=actor, now=now
            )
        )
        told = [each.as_json() for each in read.refused[:MOST_TOLD]]
        return JsonResponse(
            {
                "segment": (await _told(runtime, stored))[0],
                "users": len(read.user_ids),
                "skipped": len(read.refused),
                "refused": told,
            }
        )


async def _told(runtime: MarketingRuntime, *segments: Segment) -> list[dict[str, Any]]:
    told = [each.as_json() for each in segments]
    return await runtime.doors.ledger.ask(lambda ledger: with_reasons(ledger, runtime.words, told))


def rule_of(runtime: MarketingRuntime, definition: Any, text: str | None) -> Definition | None:
    """The rule that a body says in one of both ways, None where it says none."""
    if definition is not None and text is not None:
        raise BadInput("definition: say the rule once, as definition or as text", field="definition")
    if text is not None:
        return read_definition(text, runtime.words, field="text")
    return None if definition is None else read_definition(definition, runtime.words)
