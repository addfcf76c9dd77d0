"""Recommendations over HTTP: one long form with all options, and short forms for each placement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query, Request

from engine.bundle import Bundle
from engine.recommend.answer import Answer, AnsweredItem, answer
from serving.gate import refuse_naming_users
from serving.item_offers import offers_on
from serving.json_body import StrictRoute
from serving.runtime import Runtime
from serving.schemas import ListQuery, PathId, RecommendationAnswer, RecommendationRequest, UserListQuery
from serving.wire import JsonResponse

Options = Annotated[ListQuery, Query()]
UserOptions = Annotated[UserListQuery, Query()]


def routes(runtime: Runtime) -> APIRouter:
    """All of them answer from `runtime`; what the caller did wrong is raised and mapped in one place."""
    router = APIRouter(tags=["recommendations"], route_class=StrictRoute)

    @router.post("/v1/recommendations", response_model=RecommendationAnswer)
    async def recommendations(body: RecommendationRequest, request: Request) -> JsonResponse:
        """A list for a placement, with all options."""
        return await _answered(
            runtime,
            request,
            body.placement,
            user_id=body.user_id,
            session_id=body.session_id,
            item_ids=body.item_ids,
            limit=body.limit,
            exclude_ids=body.exclude,
            explain=body.explain,
            fields=body.fields,
            offers=body.offers,
        )

    @router.get("/v1/users/{user_id}/recommendations", response_model=RecommendationAnswer)
    async def for_user(user_id: PathId, request: Request, options: UserOptions) -> JsonResponse:
        """What to show a user."""
        return await _short(runtime, request, options.placement, options, user_id=user_id)

    @router.get("/v1/users/{user_id}/buy-again", response_model=RecommendationAnswer)
    async def buy_again(user_id: PathId, request: Request, options: Options) -> JsonResponse:
        """What a user bought before and is likely to need again."""
        return await _short(runtime, request, "buy-again", options, user_id=user_id)

    @router.get("/v1/items/{item_id}/similar", response_model=RecommendationAnswer)
    async def similar(item_id: PathId, request: Request, options: Options) -> JsonResponse:
        """What could be taken instead of an item."""
        return await _short(runtime, request, "similar", options, item_ids=[item_id])

    @router.get("/v1/items/{item_id}/bought-together", response_model=RecommendationAnswer)
    async def bought_together(item_id: PathId, request: Request, options: Options) -> JsonResponse:
        """What stands in the same orders as an item."""
        return await _short(runtime, request, "bought-together", options, item_ids=[item_id])

    @router.get("/v1/trending", response_model=RecommendationAnswer)
    async def trending(request: Request, options: Options) -> JsonResponse:
        """What sells clearly better than it used to."""
        return await _short(runtime, request, "trending", options)

    return router


async def _short(
    runtime: Runtime,
    request: Request,
    placement: str,
    options: ListQuery,
    *,
    user_id: str | None = None,
    item_ids: Sequence[str] = (),
) -> JsonResponse:
    return await _answered(
        runtime,
        request,
        placement,
        user_id=user_id,
        item_ids=item_ids,
        limit=options.limit,
        explain=options.explain,
        fields=options.field_names(),
        offers=options.offers,
    )


async def _answered(
    runtime: Runtime,
    request: Request,
    placement: str,
    *,
    user_id: str | None,
    item_ids: Sequence[str],
    limit: int,
    explain: bool,
    fields: Sequence[str],
    offers: bool,
    session_id: str | None = None,
    exclude_ids: Sequence[str] = (),
) -> JsonResponse:
    if user_id is not None:
        refuse_naming_users(request)
    live, now = runtime.serving(), runtime.now()  # once: the whole answer is of one bundle and one moment
    known = await runtime.reader.read(live.bundle, user_id, session_id)
    bundle, obeyed = await runtime.catalog.obey(live.bundle, known.catalogue_version, now)
    degraded = known.degraded or not obeyed
    if degraded:
        runtime.metrics.degraded.inc()
    found = answer(
        bundle,
        placement,
        known.profile,
        now,
        item_ids=item_ids,
        limit=limit,
        exclude_ids=exclude_ids,
        explain=explain,
        fields=fields,
    )
    request.scope["hawker.placement"] = placement  # after the answer: only names that exist become labels
    request.scope["hawker.bundle"] = live.version
    content = _content(found, live.version, degraded=degraded)
    if offers:
        given = await offers_on(runtime, _prices(bundle, found), user_id, now)
        for each in content["items"]:
            each["offers"] = given.get(each["id"], [])
    runtime.served.note(_served(content, placement, user_id, session_id, now))
    return JsonResponse(content)


def _prices(bundle: Bundle, found: Answer) -> dict[str, int | None]:
    """What one piece of each item costs by the bundle, minor units."""
    return {each.id: bundle.catalog.fields(bundle.items.row(each.id))["price"] for each in found.items}


def _content(found: Answer, version: int, *, degraded: bool) -> dict[str, Any]:
    return {
        "recommendation_id": uuid4().hex,
        "items": [_wire(each) for each in found.items],
        "bundle_version": version,
        "variant": None,  # experiments on placements do not exist yet
        "personalized": found.personalized,
        "degraded": degraded,
        "missing_ids": found.missing_ids,
    }


def _served(
    content: dict[str, Any], placement: str, user_id: str | None, session_id: str | None, now: float
) -> dict[str, Any]:
    """The answer in the columns of the lake's table."""
    return {
        **{name: content[name] for name in ("recommendation_id", "bundle_version", "variant", "degraded")},
        "time": round(now * 1e6),
        "placement": placement,
        "user_id": user_id,
        "session_id": session_id,
        "item_ids": [each["id"] for each in content["items"]],
        "sources": [each["source"] for each in content["items"]],
    }


def _wire(item: AnsweredItem) -> dict[str, object]:
    return {
        "id": item.id,
        "score": item.score,
        "source": item.source,
        "reason": item.reason,
        "promoted": False,  # no promotions exist yet
        "fields": item.fields,
    }
