"""Events over HTTP: up to a thousand a call, a verdict for each."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from engine.errors import BadInput
from serving.actions.take_events import MOST_EVENTS, take_events
from serving.gate import check_browser_events
from serving.json_body import read_json_body
from serving.runtime import Runtime
from serving.schemas import EventVerdicts
from serving.storefront.event_schema import REQUEST_BODY
from serving.wire import JsonResponse

DryRun = Annotated[bool, Query(description="Say what would become of them, and store nothing.")]


def routes(runtime: Runtime) -> APIRouter:
    router = APIRouter(tags=["events"])

    # Read by hand: pydantic would cost more than all the rest of the path. The documentation is in event_schema.
    @router.post("/v1/events", response_model=EventVerdicts, openapi_extra={"requestBody": REQUEST_BODY})
    async def events(request: Request, dry_run: DryRun = False) -> JsonResponse:
        """Store what happened. An event stored before changes nothing: send again what was not answered."""
        wire_events, create_missing = _opened(await read_json_body(request))
        check_browser_events(request, wire_events)
        verdicts = await take_events(
            runtime, wire_events, now=runtime.now(), create_missing=create_missing, dry_run=dry_run
        )
        return JsonResponse(verdicts.as_json())

    return router


def _opened(body: Any) -> tuple[list[Any], bool]:
    if type(body) is not dict:
        raise BadInput("send a JSON object with the events in it", field="events")
    for name in body:
        if name not in ("events", "create_missing"):
            raise BadInput(f"{name}: nobody knows this field", code="unknown_field", field=name)
    wire_events, create_missing = body.get("events"), body.get("create_missing", True)
    if type(wire_events) is not list:
        raise BadInput("events: must be a list of events", field="events")
    if len(wire_events) > MOST_EVENTS:
        raise BadInput(f"events: at most {MOST_EVENTS} a call, not {len(wire_events)}", code="too_many", field="events")
    if type(create_missing) is not bool:
        raise BadInput("create_missing: must be true or false", field="create_missing")
    return wire_events, create_missing
