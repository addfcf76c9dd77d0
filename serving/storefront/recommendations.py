"""Recommendations over HTTP: one long form with all options, and short forms for each placement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request

from serving.json_body import StrictRoute
from serving.runtime import Runtime
from serving.schemas import ListQuery, PathId, RecommendationAnswer, RecommendationRequest, SalesQuery, UserListQuery
from serving.storefront.listing import Ask, ask_of, listed, visited
from serving.wire import JsonResponse
from serving.wish_schema import read_once

Options = Annotated[ListQuery, Query()]
UserOptions = Annotated[UserListQuery, Query()]
SalesOptions = Annotated[SalesQuery, Query()]


def routes(runtime: Runtime) -> APIRouter:
    """All of them answer from `runtime`; what the caller did wrong is raised and mapped in one place."""
    router = APIRouter(tags=["recommendations"], route_class=StrictRoute)

    @router.post("/v1/recommendations", response_model=RecommendationAnswer)
    async def recommendations(body: RecommendationRequest, request: Request) -> JsonResponse:
        """A list for a placement, with all options."""
        return await recommended(runtime, request, body)

    @router.get("/v1/users/{user_id}/recommendations", response_model=RecommendationAnswer)
    async def for_user(user_id: PathId, request: Request, options: UserOptions) -> JsonResponse:
        """What to show a user."""
        return await _short(runtime, request, options.placement, options, user_id=user_id)

    @router.get("/v1/users/{user_id}/buy-again", response_model=RecommendationAnswer)
    async def buy_again(user_id: PathId, request: Request, options: Options) -> JsonResponse:
        """What a user bought before and is likely to need again."""
        return await _short(runtime, request, "buy-again", options, user_id=user_id)

    @router.get("/v1/users/{user_id}/recently-viewed", response_model=RecommendationAnswer)
    async def recently_viewed(user_id: PathId, request: Request, options: Options) -> JsonResponse:
        """What a user looked at, the latest first."""
        return await _short(runtime, request, "recently-viewed", options, user_id=user_id)

    @router.get("/v1/items/{item_id}/similar", response_model=RecommendationAnswer)
    async def similar(item_id: PathId, request: Request, options: Options) -> JsonResponse:
        """What could be taken instead of an item."""
        return await _short(runtime, request, "similar", options, item_ids=[item_id])

    @router.get("/v1/items/{item_id}/bought-together", response_model=RecommendationAnswer)
    async def bought_together(item_id: PathId, request: Request, options: Options) -> JsonResponse:
        """What stands in the same orders as an item."""
        return await _short(runtime, request, "bought-together", options, item_ids=[item_id])

    @router.get("/v1/trending", response_model=RecommendationAnswer)
    async def trending(request: Request, options: SalesOptions) -> JsonResponse:
        """What sells clearly better than it used to; within a window, to a segment, or of what passes a filter."""
        return await _short(runtime, request, "trending", options)

    @router.get("/v1/best-sellers", response_model=RecommendationAnswer)
    async def best_sellers(request: Request, options: SalesOptions) -> JsonResponse:
        """What sells best these weeks, or within a window, to a segment, or of a category with `filter`."""
        return await _short(runtime, request, "best-sellers", options)

    return router


async def recommended(runtime: Runtime, request: Request, body: RecommendationRequest) -> JsonResponse:
    """The list that a body asks for. Raises what the caller may not ask."""
    return await answered(runtime, request, ask_of(body), body.user_id, body.session_id)


async def _short(
    runtime: Runtime,
    request: Request,
    placement: str,
    options: ListQuery,
    *,
    user_id: str | None = None,
    item_ids: Sequence[str] = (),
) -> JsonResponse:
    return await answered(runtime, request, short_ask(placement, options, item_ids=item_ids), user_id, None)


def short_ask(placement: str, options: ListQuery, *, item_ids: Sequence[str] = ()) -> Ask:
    """Raises BadInput for a filter that means nothing."""
    return Ask(
        placement,
        item_ids=item_ids,
        limit=options.limit,
        explain=options.explain,
        fields=options.field_names(),
        wishes=read_once({"filter": options.filter, "fill": True}),
        offers=options.offers,
        window=getattr(options, "window", None),
        segment=getattr(options, "segment", None),
    )


async def answered(
    runtime: Runtime, request: Request, ask: Ask, user_id: str | None, session_id: str | None
) -> JsonResponse:
    """One list for who asks, as it leaves. Raises what the caller may not ask."""
    visit = await visited(runtime, request, user_id, session_id, [ask])
    return JsonResponse(await listed(runtime, request, visit, visit.wanted[0]))
