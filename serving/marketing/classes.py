"""Classes over HTTP: dimensions of exclusive classes, filled by rule or by hand; each assignment can be undone."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from engine.errors import BadInput
from engine.storage.class_batches import assign, by_hand, class_history, class_members, list_batches, undo
from engine.storage.class_scorecard import scorecard
from engine.storage.classes import (
    Classification,
    create_classification,
    delete_class,
    delete_classification,
    find_class,
    find_classification,
    list_classifications,
    put_class,
    rename_classification,
)
from engine.storage.ledger import LedgerPool
from engine.storage.segment_listing import list_members
from engine.storage.segments import is_storable
from engine.storage.set_aside import with_reasons
from engine.targeting.labels import checked_names, class_segment
from serving.actions.find_users import named_users
from serving.gate import actor_of
from serving.json_body import StrictRoute
from serving.marketing.class_schema import (
    Assignment,
    BatchAnswer,
    BatchList,
    ClassAnswer,
    ClassBody,
    ClassHistory,
    ClassificationAnswer,
    ClassificationChange,
    ClassificationList,
    ClassMembers,
    ClassPage,
    MembersQuery,
    NewClassification,
    Scorecard,
    ScorecardQuery,
)
from serving.marketing.previews import MembersQuery as PageQuery
from serving.marketing.segments import rule_of
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import DefinedPathId, Deleted, StoredPathId
from serving.wire import JsonResponse

_ONE = "/v1/classes/{classification_id}"
_CLASS = f"{_ONE}/classes/{{class_id}}"


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["classes"], route_class=StrictRoute)
    _classifications(router, runtime)
    _one_class(router, runtime)
    _assignments(router, runtime)
    _people(router, runtime)
    _scorecard(router, runtime)
    return router


def _classifications(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.get("/v1/classes", response_model=ClassificationList)
    async def listed() -> JsonResponse:
        """All classifications by their ids, without their classes."""
        return JsonResponse({"classifications": [each.as_json() for each in await ask(list_classifications)]})

    @router.post("/v1/classes", response_model=ClassificationAnswer, status_code=201)
    async def create(body: NewClassification, request: Request) -> JsonResponse:
        """A new dimension, still without classes."""
        names, actor, now = checked_names(body.names), actor_of(request), runtime.now()
        made = await ask(
            lambda ledger: create_classification(
                ledger, names, classification_id=body.classification_id, actor=actor, now=now
            )
        )
        return JsonResponse(made.as_json(), 201, headers={"Location": f"/v1/classes/{made.id}"})

    @router.get(_ONE, response_model=ClassificationAnswer)
    async def one(classification_id: StoredPathId) -> JsonResponse:
        """A classification with its classes and how many are in each by hand."""
        return JsonResponse(
            await ask(lambda ledger: _with_reasons(runtime, ledger, find_classification(ledger, classification_id)))
        )

    @router.patch(_ONE, response_model=ClassificationAnswer)
    async def rename(classification_id: StoredPathId, body: ClassificationChange, request: Request) -> JsonResponse:
        """Rename a classification."""
        names, actor, now = checked_names(body.names), actor_of(request), runtime.now()

        def change(ledger: LedgerPool) -> dict[str, Any]:
            found = rename_classification(ledger, classification_id, names, actor=actor, now=now)
            return _with_reasons(runtime, ledger, found)

        return JsonResponse(await ask(change))

    @router.delete(_ONE, response_model=Deleted)
    async def delete(classification_id: StoredPathId) -> JsonResponse:
        """Remove a classification with its classes and who is in them; 409 while a rule names one of these."""
        await ask(lambda ledger: delete_classification(ledger, classification_id))
        return JsonResponse({"deleted": True})


def _with_reasons(runtime: MarketingRuntime, ledger: LedgerPool, found: Classification) -> dict[str, Any]:
    told = found.as_json()
    return {**told, "classes": with_reasons(ledger, runtime.words, told["classes"])}


def _one_class(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.put(_CLASS, response_model=ClassAnswer)
    async def put(
        classification_id: StoredPathId, class_id: DefinedPathId, body: ClassBody, request: Request
    ) -> JsonResponse:
        """Make a class, or say anew what it is called and which rule fills it."""
        names = checked_names(body.names)
        definition = rule_of(runtime, body.definition, body.text)
        actor, now = actor_of(request), runtime.now()

        def store(ledger: LedgerPool) -> list[dict[str, Any]]:
            stored = put_class(
                ledger,
                classification_id,
                class_id,
                names=names,
                definition=definition,
                place=body.place,
                actor=actor,
                now=now,
            )
            return with_reasons(ledger, runtime.words, [stored.as_json()])

        return JsonResponse((await ask(store))[0])

    @router.delete(_CLASS, response_model=Deleted)
    async def delete(
        classification_id: StoredPathId,
        class_id: StoredPathId,
        request: Request,
        release: Annotated[bool, Query(description="Let go of who is in it by hand.")] = False,
    ) -> JsonResponse:
        """Remove a class; 409 while a rule names it, or while somebody is in it by hand, unless they are let go."""
        actor, now = actor_of(request), runtime.now()
        await ask(
            lambda ledger: delete_class(ledger, classification_id, class_id, release=release, actor=actor, now=now)
        )
        return JsonResponse({"deleted": True})


def _assignments(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.post(f"{_ONE}/assignments", response_model=BatchAnswer, status_code=201)
    async def put_in(classification_id: StoredPathId, body: Assignment, request: Request) -> JsonResponse:
        """Put users into a class by a list of ids, a condition or a static segment; all of them or none."""
        actor, now = actor_of(request), runtime.now()
        await ask(lambda ledger: find_classification(ledger, classification_id))
        found = await named_users(
            runtime,
            user_ids=body.user_ids,
            condition=body.filter,
            segment_id=body.segment_id,
            skip_unknown=body.skip_unknown,
        )
        made = await ask(
            lambda ledger: assign(
                ledger, classification_id, body.class_id, found.user_ids, reason=found.reason, actor=actor, now=now
            )
        )
        return JsonResponse(made.as_json(), 201)

    @router.get(f"{_ONE}/assignments", response_model=BatchList)
    async def batches(classification_id: StoredPathId) -> JsonResponse:
        """The last hundred assignments, newest first: who, when, why, how many."""
        found = await ask(lambda ledger: list_batches(ledger, classification_id))
        return JsonResponse({"assignments": [each.as_json() for each in found]})

    @router.post(f"{_ONE}/assignments/{{batch_id}}/undo", response_model=BatchAnswer)
    async def take_back(classification_id: StoredPathId, batch_id: StoredPathId, request: Request) -> JsonResponse:
        """Put its users back to where it found them; whom a later one moved stays there."""
        actor, now = actor_of(request), runtime.now()
        made = await ask(lambda ledger: undo(ledger, classification_id, batch_id, actor=actor, now=now))
        return JsonResponse(made.as_json())


def _scorecard(router: APIRouter, runtime: MarketingRuntime) -> None:
    @router.get(f"{_ONE}/scorecard", response_model=Scorecard)
    async def judged(classification_id: StoredPathId, query: Annotated[ScorecardQuery, Query()]) -> JsonResponse:
        """How its classes do: size, drift, revenue, repeat rate, response, overlap, and thresholds to change."""
        now, settings = runtime.now(), runtime.settings
        found = await runtime.doors.ledger.ask(
            lambda ledger: scorecard(
                runtime.home,
                ledger,
                classification_id,
                words=runtime.words,
                thresholds=settings.groups,
                now=now,
                since=query.since,
            )
        )
        return JsonResponse(found)


def _people(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.get(f"{_ONE}/members", response_model=ClassMembers)
    async def members(classification_id: StoredPathId, query: Annotated[MembersQuery, Query()]) -> JsonResponse:
        """Who was put into a class by hand, by user id, as of now."""
        if not is_storable(query.after + (query.class_id or "")):
            raise BadInput("after: names no user", field="after")
        found = await ask(
            lambda ledger: class_members(
                ledger, classification_id, class_id=query.class_id, after=query.after, limit=query.limit + 1
            )
        )
        page = found[: query.limit]
        more = page[-1]["user_id"] if len(found) > query.limit else None
        return JsonResponse({"members": page, "next": more})

    @router.get(f"{_CLASS}/members", response_model=ClassPage)
    async def in_class(
        classification_id: StoredPathId, class_id: StoredPathId, query: Annotated[PageQuery, Query()]
    ) -> JsonResponse:
        """Who is in a class by hand or by its rule, as it was last evaluated, and since when."""
        segment = class_segment(classification_id, class_id)
        await ask(lambda ledger: find_class(ledger, classification_id, class_id))
        found = await asyncio.to_thread(
            list_members, runtime.home, segment, now=runtime.now(), after=query.after, limit=query.limit
        )
        users = [each["user_id"] for each in found["members"]]
        hand = await ask(lambda ledger: by_hand(ledger, classification_id, class_id, users))
        for each in found["members"]:
            each["by_hand"] = each["user_id"] in hand
        return JsonResponse(found)

    @router.get(f"{_ONE}/users/{{user_id}}/history", response_model=ClassHistory)
    async def history(classification_id: StoredPathId, user_id: StoredPathId) -> JsonResponse:
        """Every assignment by hand that changed a user's class, newest first."""
        found = await ask(
            lambda ledger: class_history(ledger, classification_id, user_id) if is_storable(user_id) else []
        )
        return JsonResponse({"history": found})
