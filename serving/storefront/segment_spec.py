"""The HTTP API of Segment and RudderStack: a shop's existing client is pointed here and goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import APIRouter, HTTPException, Request

from engine.errors import BadInput
from engine.event_check import Refusal
from engine.segment_calls import Arrival, Meaning, clock_ahead, meaning_of
from serving.actions.change_documents import Change, as_refusal, change_documents
from serving.actions.merge_people import check_merge, merge_people
from serving.actions.take_events import MOST_EVENTS, take_events
from serving.gate import actor_of
from serving.json_body import read_json_body
from serving.runtime import Runtime
from serving.schemas import SegmentVerdicts
from serving.wire import JsonResponse, as_verdicts

#: Segment's own limits, bytes. Its clients fill a batch to 475,000 and then add one call more, so 500 kB are 512,000.
MOST_BATCH_BYTES = 512_000
MOST_CALL_BYTES = 32_768

_CALLS = ("track", "identify", "page", "screen", "alias", "group")
# Clients are many and old: what is of another type than the specification says is left aside, not refused.
_CALL: dict[str, Any] = {
    "type": "object",
    "description": "A call as Segment specifies it; it names a `userId`, an `anonymousId`, or both.",
    "properties": {
        "messageId": {"description": "Sent again, it changes nothing."},
        "event": {"description": "Of a track call: a name of the e-commerce spec, or a type of your own."},
        "userId": {"description": "The user_id."},
        "anonymousId": {"description": "The session_id."},
        "previousId": {"description": "Of an alias: who the user was before."},
        "timestamp": {"description": "ISO-8601; now, where it is missing."},
        "properties": {"description": "Of what happened."},
        "traits": {"description": "Of the user."},
        "context": {"description": "Page, campaign, device."},
    },
}
_BATCH: dict[str, Any] = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {"type": "array", "maxItems": MOST_EVENTS, "items": {"description": "A call with its `type`."}},
        "sentAt": {"description": "The sender's clock, by which `timestamp` is corrected."},
    },
}


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def routes(runtime: Runtime) -> APIRouter:
    router = APIRouter(tags=["segment"])

    # Its older clients (Ruby, PHP, Java with a slash) post their batches to `import`.
    @router.post("/segment/v1/batch", response_model=SegmentVerdicts, openapi_extra=_described(_BATCH))
    @router.post("/segment/v1/import", response_model=SegmentVerdicts, openapi_extra=_described(_BATCH))
    @router.post("/segment/v1/import/", include_in_schema=False)
    async def batch(request: Request) -> JsonResponse:
        """Many calls at once, a verdict for each that is refused."""
        body = await _read(request)
        calls = body.get("batch") if type(body) is dict else None
        if type(calls) is not list or len(calls) > MOST_EVENTS:
            raise BadInput(f"batch: must be a list of at most {MOST_EVENTS} calls", field="batch")
        return await _taken(runtime, request, calls, body.get("sentAt"))

    def one(kind: str) -> None:
        @router.post(
            f"/segment/v1/{kind}",
            name=f"segment_{kind}",
            response_model=SegmentVerdicts,
            openapi_extra=_described(_CALL),
        )
        async def call(request: Request) -> JsonResponse:
            body = await _read(request)
            if type(body) is not dict:
                raise BadInput("send a JSON object: one call", field="messageId")
            return await _taken(runtime, request, [{**body, "type": kind}], body.get("sentAt"))

        call.__doc__ = f"One {kind} call."

    for kind in _CALLS:
        one(kind)
    return router


async def _read(request: Request) -> Any:
    body = await read_json_body(request)
    if len(await request.body()) > MOST_BATCH_BYTES:
        raise HTTPException(413, f"a batch holds at most {MOST_BATCH_BYTES} bytes; send smaller ones")
    return body


async def _taken(runtime: Runtime, request: Request, calls: Sequence[Any], sent_at: Any) -> JsonResponse:
    now, actor = runtime.now(), actor_of(request)
    own = frozenset(each.name for each in runtime.settings.event_types)
    arrival = Arrival(now, clock_ahead(sent_at, now), own)
    measured = len(await request.body()) > MOST_CALL_BYTES
    said = [(place, _too_large(call, measured) or meaning_of(call, arrival)) for place, call in enumerate(calls)]
    meant = [(place, each) for place, each in said if isinstance(each, Meaning)]
    rejected = [(place, each) for place, each in said if isinstance(each, Refusal)]
    ignored = sum(each.ignored is not None for _, each in meant)
    runtime.metrics.events.labels("ignored").inc(ignored)
    runtime.metrics.events.labels("rejected").inc(len(rejected))
    accepted, duplicates, refused = await _events_taken(runtime, meant, now)
    rejected += refused
    rejected += await _told_of_users(runtime, meant, now, actor)
    rejected += await _merged(runtime, meant, now, actor)
    return JsonResponse(
        {
            "success": True,
            "accepted": accepted,
            "duplicates": duplicates,
            "ignored": ignored,
            # The lines of one order that lack the same are told of once.
            "rejected": as_verdicts(sorted(dict.fromkeys(rejected), key=lambda each: each[0])),
        }
    )


def _too_large(call: Any, measured: bool) -> Refusal | None:
    """Whether one call is longer than Segment takes; a small body holds no such call, and is not measured."""
    if not measured or _size(call) <= MOST_CALL_BYTES:
        return None
    parts = {name: _size(call[name]) for name in _CALL["properties"] if name in call} if type(call) is dict else {}
    field = max(parts, key=parts.__getitem__, default=None)
    told = f"a call holds at most {MOST_CALL_BYTES} bytes; send less"
    return Refusal("too_large", field, f"{field}: {told}" if field else told)


def _size(value: Any) -> int:
    try:
        return len(orjson.dumps(value))
    except TypeError:  # text that is none, or a number beyond 64 bits: the checks name it
        return 0


async def _events_taken(
    runtime: Runtime, meant: Sequence[tuple[int, Meaning]], now: float
) -> tuple[int, int, list[tuple[int, Refusal]]]:
    """As many events at once as a call of our own may hold: the lists of one batch can be long."""
    events = [(place, event) for place, each in meant for event in each.events]
    accepted, duplicates, rejected = 0, 0, []
    for first in range(0, max(len(events), 1), MOST_EVENTS):
        some = events[first : first + MOST_EVENTS]
        verdicts = await take_events(runtime, [event for _, event in some], now=now)
        accepted += verdicts.accepted
        duplicates += verdicts.duplicates
        rejected += [(some[place][0], why) for place, why in verdicts.rejected]
    return accepted, duplicates, rejected


async def _told_of_users(
    runtime: Runtime, meant: Sequence[tuple[int, Meaning]], now: float, actor: str | None
) -> list[tuple[int, Refusal]]:
    told = [(place, *each.user) for place, each in meant if each.user]
    if not told:
        return []
    changes = [Change(user, "merge", document) for _, user, document in told]
    changed = await change_documents(runtime, "users", changes, now=now, actor=actor)
    return [(told[place][0], as_refusal(why)) for place, why in changed.rejected]


async def _merged(
    runtime: Runtime, meant: Sequence[tuple[int, Meaning]], now: float, actor: str | None
) -> list[tuple[int, Refusal]]:
    """Clients identify on every page: of what is said of one id, the last word is carried out."""
    last = {(kind, source): (user, place) for place, each in meant for kind, source, user in each.merges}
    sound, rejected = [], []
    for (kind, source), (user, place) in last.items():
        try:
            check_merge(kind, source, user)
            sound.append((kind, source, user, place))
        except BadInput as error:
            rejected.append((place, as_refusal(error)))
    in_order = sorted(sound, key=lambda each: each[3])
    if in_order:
        await merge_people(runtime, [(kind, source, user) for kind, source, user, _ in in_order], now=now, actor=actor)
    return rejected
