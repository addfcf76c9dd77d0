"""Further pages over HTTP: what follows a list, the same however often it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from engine.bundle import Bundle
from engine.recommend.answer import AnsweredItem
from engine.recommend.query import LIMIT
from serving.drawn_ids import drawn_id
from serving.item_offers import offers_on
from serving.json_body import StrictRoute
from serving.runtime import Runtime
from serving.schemas import PathId, RecommendationAnswer, Whole
from serving.wire import JsonResponse, iso


class Served(NamedTuple):
    """Which list it is, for whom, and by which experiment: the part of the people who see its variant."""

    placement: str
    user_id: str | None
    session_id: str | None
    experiment: str | None = None
    share: float | None = None


class NextPage(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    limit: Whole = Field(20, ge=1, le=LIMIT)


def routes(runtime: Runtime) -> APIRouter:
    router = APIRouter(tags=["recommendations"], route_class=StrictRoute)

    @router.post("/v1/recommendations/{recommendation_id}/next", response_model=RecommendationAnswer)
    async def next_page(recommendation_id: PathId, body: NextPage, request: Request) -> JsonResponse:
        """What follows a list that was asked for with `pages`; again the same within 30 minutes."""
        live, now = runtime.serving(), runtime.now()
        page = await runtime.lists.page(recommendation_id)
        bundle, obeyed = await runtime.catalog.obey(live.bundle, None, now)
        waiting = [each for each in page["items"] if _is_sold(each["id"], bundle)]
        shown, rest = waiting[: body.limit], waiting[body.limit :]
        content = {
            "recommendation_id": drawn_id(),
            "items": [{**each, "fields": _fields(each["id"], page["fields"], bundle)} for each in shown],
            "bundle_version": live.version,
            "variant": page["variant"],
            "personalized": page["personalized"],
            "degraded": not obeyed,
            "missing_ids": [],
            "overruled": [],
        }
        if page.get("offers"):
            await add_offers(runtime, content["items"], bundle, page["user_id"], now)
        content["next"] = bool(rest) and await runtime.lists.keep_page(
            content["recommendation_id"], {**page, "items": rest}
        )
        request.scope["hawker.placement"] = page["placement"]
        # A page that an older version kept tells of no experiment.
        about: dict[str, Any] = {each: page.get(each) for each in Served._fields}
        served = Served(**about)
        runtime.served.note(served_row(content, served, now))
        return JsonResponse(content)

    return router


async def keep_rest(
    runtime: Runtime, content: Mapping[str, Any], rest: Sequence[AnsweredItem], served: Served, asked: Mapping[str, Any]
) -> bool:
    """Keep what follows an answer, under its id; `asked` are the fields, and whether offers are shown."""
    told = {name: content[name] for name in ("variant", "personalized")}
    page = {**served._asdict(), **told, **asked, "items": [wire_item(each) for each in rest]}
    return bool(rest) and await runtime.lists.keep_page(content["recommendation_id"], page)


def wire_item(item: AnsweredItem) -> dict[str, Any]:
    """One place of a list, but for the fields, which are those of the moment when it is shown."""
    (told,) = wire_items((item,))
    del told["fields"]
    return told


def wire_items(items: Iterable[AnsweredItem]) -> list[dict[str, Any]]:
    """The places of a list, with the fields."""
    found: list[dict[str, Any]] = []
    for name, score, source, reason, shown, promoted, due_at, chance in items:
        told = {"id": name, "score": score, "source": source, "reason": reason, "promoted": promoted, "fields": shown}
        if due_at is not None:
            told |= {"due_at": iso(due_at), "chance": None if chance is None else round(chance, 4)}
        found.append(told)
    return found


async def add_offers(
    runtime: Runtime, items: Sequence[dict[str, Any]], bundle: Bundle, user_id: str | None, now: float
) -> None:
    """Tell of each item what one piece costs with the best offer, by the bundle's price."""
    prices = {each["id"]: bundle.catalog.fields(bundle.items.row(each["id"]))["price"] for each in items}
    given = await offers_on(runtime, prices, user_id, now)
    for each in items:
        each["offers"] = given.get(each["id"], [])


def served_row(
    content: Mapping[str, Any], served: Served, now: float, propensities: Sequence[float] | None = None
) -> dict[str, Any]:
    """The answer in the columns of the lake's table."""
    row = {
        "recommendation_id": content["recommendation_id"],
        "bundle_version": content["bundle_version"],
        "variant": content["variant"],
        "degraded": content["degraded"],
        "time": round(now * 1e6),
        "placement": served.placement,
        "user_id": served.user_id,
        "session_id": served.session_id,
        "item_ids": [each["id"] for each in content["items"]],
        "sources": [each["source"] for each in content["items"]],
    }
    if served.experiment is not None:
        row |= {"experiment": served.experiment, "variant_share": served.share}
    if propensities is not None:
        row["propensities"] = propensities
    return row


def _is_sold(item_id: str, bundle: Bundle) -> bool:
    row = bundle.items.row(item_id)
    return row >= 0 and bool(bundle.sellable[row])


def _fields(item_id: str, names: Sequence[str], bundle: Bundle) -> dict[str, Any]:
    facts = bundle.catalog.fields(bundle.items.row(item_id)) if names else {}
    return {name: facts[name] for name in names}
