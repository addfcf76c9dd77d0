"""More kinds of lists over HTTP: a given list reordered, several lists of one page, shelves."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from engine.recommend.answer import FIELDS, Told, controlled
from engine.recommend.control import NOTHING, Control
from engine.recommend.explain import reason
from engine.recommend.given import AS_GIVEN, ranked_given
from engine.recommend.placements import placement
from engine.recommend.query import LIMIT
from engine.recommend.query import Query as ListWish
from engine.recommend.shelves import shelves
from serving.json_body import StrictRoute
from serving.runtime import Runtime
from serving.schemas import Id, ListRequest, PathId, RecommendationAnswer
from serving.storefront.listing import Ask, Visit, ask_of, listed, visited
from serving.wire import JsonResponse
from serving.wish_schema import BOOST, CONDITION, read_once

MOST_LISTS = 10


class RankRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    item_ids: list[Id] = Field(min_length=1, max_length=LIMIT, description="The list, best first as it is now.")
    user_id: Id | None = Field(None, description="For whom; for somebody unknown by recent sales.")
    session_id: Id | None = Field(None, description="The visit it is for.")
    strength: float = Field(0.5, ge=0, le=1, description="0 keeps the order, 1 leaves it to what is known of the user.")
    filter: Any = Field(None, description="What an item must fulfil to stay.", json_schema_extra=CONDITION)
    boost: Any = Field(None, description="Factors on how much an item fits.", json_schema_extra=BOOST)
    fields: list[Literal[FIELDS]] = Field([], max_length=20, description="What to show of each item.")  # type: ignore[valid-type]
    explain: bool = Field(False, description="Say why each item stands where it does.")

    def control(self) -> Control:
        """Raises BadInput with field and place."""
        return read_once({"filter": self.filter, "boost": self.boost, "fill": True})


class RankedItem(BaseModel):
    id: str
    score: float = Field(description="Falls along the list; comparable within this list only.")
    source: str = Field(description="Who knows the item best; given where nobody does.")
    reason: str | None
    position: int = Field(description="Its place in the list that was given, from 1.")
    fields: dict[str, Any]


class RankAnswer(BaseModel):
    items: list[RankedItem] = Field(description="All given ones that pass the filter, each once; unknown ones last.")
    bundle_version: int
    personalized: bool = Field(description="What is known of the user had a say.")
    degraded: bool
    missing_ids: list[str] = Field(description="Those that are not known here; no filter speaks of them.")
    filtered_ids: list[str] = Field(description="Those that the filter left out.")


class PageRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    user_id: Id | None = Field(None, description="For whom.")
    session_id: Id | None = Field(None, description="The visit it is for.")
    lists: list[ListRequest] = Field(
        min_length=1, max_length=MOST_LISTS, description="The lists of the page, the most important first."
    )


class PageAnswer(BaseModel):
    lists: list[RecommendationAnswer] = Field(description="In the order asked for; no item comes twice.")


class ShelfQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(10, ge=1, le=LIMIT)


class ShelfTold(BaseModel):
    name: str
    share: float = Field(description="Of the user's interest; of recent sales where that says nothing.")
    personalized: bool


class ShelfAnswer(BaseModel):
    shelves: list[ShelfTold] = Field(description="Best first.")
    bundle_version: int
    degraded: bool


def routes(runtime: Runtime) -> APIRouter:
    router = APIRouter(tags=["recommendations"], route_class=StrictRoute)

    @router.post("/v1/rank", response_model=RankAnswer)
    async def rank(body: RankRequest, request: Request) -> JsonResponse:
        """A list that was given, such as a search's results, in the order that fits the user."""
        return await ranked(runtime, request, body)

    @router.post("/v1/recommendations/batch", response_model=PageAnswer)
    async def page(body: PageRequest, request: Request) -> JsonResponse:
        """Several lists of one page in one call; what a list shows, those after it leave out."""
        asks = [ask_of(each) for each in body.lists]
        visit = await visited(runtime, request, body.user_id, body.session_id, asks)
        told: list[dict[str, Any]] = []
        for each in visit.wanted:
            shown = [item["id"] for one in told for item in one["items"]]
            told.append(await listed(runtime, request, visit, each.without(shown)))
        return JsonResponse({"lists": told})

    @router.get("/v1/users/{user_id}/categories", response_model=ShelfAnswer)
    async def categories(user_id: PathId, request: Request, query: Annotated[ShelfQuery, Query()]) -> JsonResponse:
        """The categories that a user cares for, then those that sell best."""
        visit = await visited(runtime, request, user_id, None, [])
        return JsonResponse(_shelves("categories", visit, query.limit))

    @router.get("/v1/users/{user_id}/brands", response_model=ShelfAnswer)
    async def brands(user_id: PathId, request: Request, query: Annotated[ShelfQuery, Query()]) -> JsonResponse:
        """The brands that a user cares for, then those that sell best."""
        visit = await visited(runtime, request, user_id, None, [])
        return JsonResponse(_shelves("brands", visit, query.limit))

    return router


async def ranked(runtime: Runtime, request: Request, body: RankRequest) -> JsonResponse:
    """What was given, in the order that fits the user. Raises what the caller may not ask."""
    wishes = body.control()
    visit = await visited(runtime, request, body.user_id, body.session_id, [Ask("home", wishes=wishes)])
    told = runtime.lists.told(wishes, visit.keys, visit.known.also, saved=NOTHING, pages=False)
    return JsonResponse(_ranked(visit, body, told))


def _ranked(visit: Visit, body: RankRequest, told: Told) -> dict[str, Any]:
    bundle = visit.bundle
    given = list(dict.fromkeys(body.item_ids))
    place = {name: at for at, name in enumerate(given, start=1)}
    rows = bundle.items.rows(given)
    # Reasons, filters and boosts speak of the profile: the given items are no items in view.
    about = ListWish(placement("home"), visit.known.profile, visit.now, control=told.control)
    about = about if told.control is NOTHING else controlled(about, told, bundle)
    found = ranked_given(replace(about, items=rows[rows >= 0]), bundle, body.strength)
    items: list[dict[str, Any]] = []
    for name, each in zip(bundle.items.ids.texts(np.array([each.row for each in found], np.int64)), found, strict=True):
        why = None
        if body.explain:
            why = "as it was given" if each.source == AS_GIVEN else reason(each, about, bundle)
        facts = bundle.catalog.fields(each.row) if body.fields else {}
        items.append(
            {
                "id": name,
                "score": each.score,
                "source": each.source,
                "reason": why,
                "position": place[name],
                "fields": {field: facts[field] for field in body.fields},
            }
        )
    missing = [name for name, row in zip(given, rows, strict=True) if row < 0]
    stays = {each["id"] for each in items}.union(missing)
    unknown = {"score": 0.0, "source": AS_GIVEN, "reason": "nobody knows it here" if body.explain else None}
    items += [{"id": name, **unknown, "position": place[name], "fields": {}} for name in missing]
    return {
        "items": items,
        "bundle_version": visit.version,
        "personalized": bool(len(visit.known.profile)) and body.strength > 0,
        "degraded": visit.degraded,
        "missing_ids": missing,
        "filtered_ids": [name for name in given if name not in stays],
    }


def _shelves(kind: str, visit: Visit, limit: int) -> dict[str, Any]:
    found = shelves(kind, visit.known.profile, visit.bundle, visit.now, limit)
    told = [{"name": each.name, "share": each.share, "personalized": each.personalized} for each in found]
    return {"shelves": told, "bundle_version": visit.version, "degraded": visit.degraded}
