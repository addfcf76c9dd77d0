"""Listing: one list for one visit, from who asks to what is answered, remembered and logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from fastapi import Request

from engine.bundle import Bundle
from engine.recommend.answer import Answer, AnsweredItem, answer
from engine.recommend.control import NOTHING, Control, joined
from engine.recommend.placements import Placement
from engine.storage.live_documents import document_key
from serving.gate import refuse_naming_users, refuse_secrets
from serving.item_offers import offers_on
from serving.live_profile import Known
from serving.newcomer import introduced
from serving.runtime import Runtime
from serving.schemas import ListRequest
from serving.storefront.pages import keep_rest, served_row


@dataclass(frozen=True, slots=True)
class Ask:
    """One wish for a list, as it came over HTTP."""

    placement: str
    item_ids: Sequence[str] = ()
    limit: int = 20
    exclude_ids: Sequence[str] = ()
    explain: bool = False
    fields: Sequence[str] = ()
    wishes: Control = NOTHING
    pages: bool = False
    offers: bool = False

    def without(self, item_ids: Sequence[str]) -> Ask:
        """The same, which leaves these out too."""
        return replace(self, exclude_ids=[*self.exclude_ids, *item_ids])


def ask_of(body: ListRequest) -> Ask:
    """Raises BadInput for wishes that mean nothing."""
    return Ask(
        body.placement,
        item_ids=body.item_ids,
        limit=body.limit,
        exclude_ids=body.exclude,
        explain=body.explain,
        fields=body.fields,
        wishes=body.control(),
        pages=body.pages,
        offers=body.offers,
    )


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks, and of which bundle and moment all that is answered is. `keys` were read beside the profile."""

    user_id: str | None
    session_id: str | None
    now: float
    version: int
    bundle: Bundle
    known: Known
    keys: Sequence[str]
    degraded: bool


async def visited(
    runtime: Runtime, request: Request, user_id: str | None, session_id: str | None, asks: Sequence[Ask]
) -> Visit:
    """What is known of who asks, in one round trip. Raises what the caller may not ask."""
    if user_id is not None:
        refuse_naming_users(request)
    keys: list[str] = []
    for each in asks:
        refuse_secrets(request, each.wishes)
        control = joined(runtime.placements.find(each.placement).control, each.wishes)
        keys += [key for key in runtime.lists.keys(control, user_id, session_id) if key not in keys]
    live, now = runtime.serving(), runtime.now()  # once: the whole answer is of one bundle and one moment
    document = None
    if user_id is not None and not len(live.bundle.profile(user_id) or ()):
        document = document_key(runtime.home.shop, "users", user_id)
        keys += [] if document in keys else [document]
    known = introduced(await runtime.reader.read(live.bundle, user_id, session_id, keys), keys, document)
    bundle, obeyed = await runtime.catalog.obey(live.bundle, known.catalogue_version, now)
    degraded = known.degraded or not obeyed
    if degraded:
        runtime.metrics.degraded.inc()
    request.scope["hawker.bundle"] = live.version
    return Visit(user_id, session_id, now, live.version, bundle, known, keys, degraded)


async def listed(runtime: Runtime, request: Request, visit: Visit, ask: Ask) -> dict[str, Any]:
    """The answer in wire form."""
    placement = runtime.placements.find(ask.placement)
    told = runtime.lists.told(ask.wishes, visit.keys, visit.known.also, saved=placement.control, pages=ask.pages)
    found = answer(
        visit.bundle,
        placement,
        visit.known.profile,
        visit.now,
        item_ids=ask.item_ids,
        limit=ask.limit,
        exclude_ids=ask.exclude_ids,
        explain=ask.explain,
        fields=ask.fields,
        told=told,
    )
    request.scope["hawker.placement"] = placement.name  # after the answer: only names that exist become labels
    _count_unknown(runtime, visit, ask, found)
    content = _content(found, visit.version, degraded=visit.degraded)
    if _rotates(placement, ask):
        runtime.lists.note_shown(visit.user_id, visit.session_id, told, [each.id for each in found.items], visit.now)
    if found.rest:
        about = {"placement": placement.name, "user_id": visit.user_id, "session_id": visit.session_id}
        content["next"] = await keep_rest(runtime, content, found.rest, {**about, "fields": list(ask.fields)})
        content["degraded"] = visit.degraded or not content["next"]
    if ask.offers:
        given = await offers_on(runtime, _prices(visit.bundle, found), visit.user_id, visit.now)
        for each in content["items"]:
            each["offers"] = given.get(each["id"], [])
    runtime.served.note(served_row(content, placement.name, visit.user_id, visit.session_id, visit.now))
    return content


def _count_unknown(runtime: Runtime, visit: Visit, ask: Ask, found: Answer) -> None:
    """How many of those who ask, and of what they look at, are newer than the bundle: it ages."""
    asked = runtime.metrics.asked
    if visit.user_id is not None:
        asked.labels("user", "yes" if visit.bundle.users.row(visit.user_id) >= 0 else "no").inc()
    if ask.item_ids:
        missing = len(found.missing_ids)
        asked.labels("item", "yes").inc(len(ask.item_ids) - missing)
        asked.labels("item", "no").inc(missing)


def _rotates(placement: Placement, ask: Ask) -> bool:
    return bool(placement.control.rotation or ask.wishes.rotation)


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
        "overruled": [{"rule": each.rule, "by": each.by, "item_id": each.item_id} for each in found.overruled],
        "next": False,
    }


def _wire(item: AnsweredItem) -> dict[str, object]:
    return {
        "id": item.id,
        "score": item.score,
        "source": item.source,
        "reason": item.reason,
        "promoted": item.promoted,
        "fields": item.fields,
    }
