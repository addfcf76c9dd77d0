"""Audiences over HTTP: who would want an item, and who resembles a segment's members."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from engine.bundle import Bundle
from engine.errors import BadInput
from engine.storage import releases
from engine.storage.home import Home
from engine.storage.item_audiences import WhoWants, who_wants
from engine.storage.lookalikes import MOST_ALIKE, find_lookalikes, keep_lookalikes
from engine.targeting.labels import ID_PATTERN, checked_id, checked_names
from serving.gate import actor_of
from serving.json_body import StrictRoute
from serving.marketing.segment_schema import NAMES_OR_NONE, SegmentAnswer
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import StoredPathId, Whole
from serving.wire import JsonResponse, iso

#: Users that one answer names.
_MOST_NAMED = 10_000


class AudienceQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(100, ge=1, le=_MOST_NAMED)
    new_only: bool = Field(False, description="Leave out who bought it already.")


class Wanting(BaseModel):
    user_id: str
    score: float = Field(description="Fused ranks; 1 where every source puts the user first.")
    ranks: dict[str, int | None] = Field(description="The place that each source gives, null where it says nothing.")


class AudienceAnswer(BaseModel):
    item_id: str
    bundle_version: int
    as_of: str = Field(description="Until when the bundle has seen events.")
    sources: list[str]
    prediction: str | None = Field(description="The category's prediction that had a say.")
    users: list[Wanting] = Field(description="The likeliest first.")


class LookalikeWish(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: Whole = Field(ge=1, le=MOST_ALIKE, description=f"How many; over {_MOST_NAMED:,} only with `names`.")
    names: Any = Field(
        None,
        description="What a static segment of them is called; none is made without.",
        json_schema_extra=NAMES_OR_NONE,
    )
    segment_id: str | None = Field(
        None, description="Its id; made of the English name.", json_schema_extra={"pattern": f"^{ID_PATTERN}$"}
    )


class Alike(BaseModel):
    user_id: str
    likeness: float = Field(description="0 to 1; at 0.5 as much like the members as like the others.")


class LookalikeAnswer(BaseModel):
    source: str
    as_of: str = Field(description="When the members and traits were computed.")
    members: int = Field(description="Whom they resemble.")
    size: int
    users: list[Alike] = Field(description="The likest first; empty where a segment was made of them.")
    segment: SegmentAnswer | None


class _Published:
    """The published bundle, opened and checked once a version."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._opened: tuple[int, Bundle] | None = None

    def bundle(self) -> tuple[int, Bundle]:
        """Raises UnknownThing where nothing is published, BundleUnusable."""
        pointer = releases.current(self._home)
        if pointer is None or self._opened is None or self._opened[0] != pointer.version:
            bundle = releases.open_bundle(self._home, None if pointer is None else pointer.version)
            assert pointer is not None  # or nothing would have opened
            self._opened = pointer.version, bundle
        return self._opened


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["customers"], route_class=StrictRoute)
    published, home = _Published(runtime.home), runtime.home
    # One question at a time walks over all users, which bounds the memory.
    turn = asyncio.Lock()

    @router.get("/v1/items/{item_id}/audience", response_model=AudienceAnswer)
    async def audience(item_id: StoredPathId, query: Annotated[AudienceQuery, Query()]) -> JsonResponse:
        """The users who would want an item: its buyers, those of its neighbours, by taste and by the predictions."""
        now = runtime.now()

        def ask() -> dict[str, Any]:
            version, bundle = published.bundle()
            found = who_wants(home, bundle, item_id, limit=query.limit, now=now, new_only=query.new_only)
            return {"bundle_version": version, "as_of": iso(bundle.manifest.as_of), **_told(found)}

        async with turn:
            return JsonResponse(await asyncio.to_thread(ask))

    @router.post("/v1/segments/{segment_id}/lookalike", response_model=LookalikeAnswer)
    async def lookalike(segment_id: StoredPathId, body: LookalikeWish, request: Request) -> JsonResponse:
        """The customers who resemble the members of a segment, group or class most; with `names` a new static segment
        of them.
        """
        if body.names is None and (body.size > _MOST_NAMED or body.segment_id is not None):
            raise BadInput(f"names: say what the segment is called, or ask for at most {_MOST_NAMED:,}", field="names")
        if body.names is not None:  # what cannot be is said before the work
            checked_names(body.names)
        if body.segment_id is not None:
            checked_id(body.segment_id, "segment_id")
        actor, now = actor_of(request), runtime.now()
        async with turn:
            found = await asyncio.to_thread(find_lookalikes, home, segment_id, size=body.size, now=now)
        told = {
            "source": found.segment,
            "as_of": found.as_of,
            "members": found.members,
            "size": found.found.num_rows,
        }
        if body.names is None:
            return JsonResponse({**told, "users": found.found.to_pylist(), "segment": None})
        made = await runtime.doors.ledger.ask(
            lambda ledger: keep_lookalikes(ledger, found, body.names, segment_id=body.segment_id, actor=actor, now=now)
        )
        return JsonResponse({**told, "users": [], "segment": made.as_json()})

    return router


def _told(found: WhoWants) -> dict[str, Any]:
    users = [
        {
            "user_id": row["user_id"],
            "score": row["score"],
            "ranks": {name: row[f"{name}_rank"] for name in found.sources},
        }
        for row in found.users.to_pylist()
    ]
    return {
        "item_id": found.item_id,
        "sources": list(found.sources),
        "prediction": found.prediction,
        "users": users,
    }
