"""Listing: one list for one visit, from who asks to what is answered, remembered and logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from fastapi import Request

from engine.bundle import Bundle
from engine.errors import HawkerError, UnknownThing
from engine.learned import Sales
from engine.recommend.answer import Answer, Told, answer
from engine.recommend.control import NOTHING, Control, joined
from engine.recommend.exploring import seed_of
from engine.recommend.last_resort import last_resort
from engine.recommend.placements import Placement, Seen, seen_by
from engine.recommend.windows import window_of
from engine.storage.live_documents import document_key
from serving.drawn_ids import drawn_id
from serving.gate import refuse_naming_users, refuse_secrets, refuse_segments
from serving.live_profile import Known
from serving.losses import Losses
from serving.newcomer import introduced
from serving.runtime import Runtime
from serving.schemas import ListRequest
from serving.stages import mark_of
from serving.storefront.pages import Served, add_offers, keep_rest, served_row, wire_items


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
    window: str | None = None
    segment: str | None = None


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
        window=body.window,
        segment=body.segment,
    )


class Wanted(NamedTuple):
    """A wish with the placement that this person sees, and the window that it is about, if about one.

    Both are looked up once: a placement may be defined anew while the live store is asked.
    """

    ask: Ask
    seen: Seen
    window: tuple[str, str | None] | None

    def without(self, item_ids: Sequence[str]) -> Wanted:
        """The same, which leaves these out too."""
        return self._replace(ask=replace(self.ask, exclude_ids=[*self.ask.exclude_ids, *item_ids]))


class Visit(NamedTuple):
    """Who asks for what, and of which bundle and moment the whole answer is. `keys` were read beside the profile."""

    wanted: Sequence[Wanted]
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
    wanted: list[Wanted] = []
    for each in asks:
        refuse_secrets(request, each.wishes)
        refuse_segments(request, each.segment)
        seen = seen_by(runtime.placements.find(each.placement), user_id, session_id)
        control = joined(seen.placement.control, each.wishes)
        keys += [key for key in runtime.lists.keys(control, user_id, session_id) if key not in keys]
        window = window_of(seen.placement, each.window, each.segment)
        keys += [] if window is None or (key := runtime.sales.key(*window)) in keys else [key]
        wanted.append(Wanted(each, seen, window))
    live, now = runtime.serving(), runtime.now()  # once: the whole answer is of one bundle and one moment
    document, stored = None, live.bundle.profile(user_id) if user_id is not None else None
    if user_id is not None and not len(stored or ()):
        document = document_key(runtime.home.shop, "users", user_id)
        keys += [] if document in keys else [document]
    known = await runtime.reader.read(live.bundle, user_id, session_id, keys, stored=stored)
    known = introduced(known, keys, document)
    bundle, obeyed = await runtime.catalog.obey(live.bundle, known.catalogue_version, now)
    mark_of(request)("profile")
    degraded = known.degraded or not obeyed
    if degraded:
        runtime.metrics.degraded.inc()
    request.scope["hawker.bundle"] = live.version
    return Visit(wanted, user_id, session_id, now, live.version, bundle, known, keys, degraded)


async def listed(runtime: Runtime, request: Request, visit: Visit, wanted: Wanted) -> dict[str, Any]:
    """The answer in wire form."""
    ask, seen, asked = wanted.ask, wanted.seen, wanted.window
    placement, recommendation_id = seen.placement, drawn_id()
    mark, losses = mark_of(request), Losses(runtime.metrics)
    wished = runtime.lists.told(ask.wishes, visit.keys, visit.known.also, saved=placement.control, pages=ask.pages)
    sales = None if asked is None else _sales(runtime, visit, *asked)
    told = Told(wished.control, wished.user, wished.shown, wished.pages, sales, mark, losses)
    if placement.exploration is not None:
        told = replace(told, seed=seed_of(recommendation_id), tried=runtime.tried.of(placement.name))
    without = visit.degraded or (asked is not None and told.sales is None)
    found = _found(visit, placement, ask, told, losses)
    degraded = without or losses.any
    request.scope["hawker.placement"] = placement.name  # after the answer: only names that exist become labels
    _count_unknown(runtime, visit, ask, found)
    content = _content(recommendation_id, found, visit.version, variant=seen.variant, degraded=degraded)
    mark("answer")
    served = Served(placement.name, visit.user_id, visit.session_id, seen.experiment, seen.share)
    if _rotates(placement, ask):
        runtime.lists.note_shown(visit.user_id, visit.session_id, told, [each.id for each in found.items], visit.now)
    if found.rest:
        about = {"fields": list(ask.fields), "offers": ask.offers}
        content["next"] = await keep_rest(runtime, content, found.rest, served, about)
        content["degraded"] = degraded or not content["next"]
    if ask.offers:
        await add_offers(runtime, content["items"], visit.bundle, visit.user_id, visit.now)
    runtime.served.note(served_row(content, served, visit.now, found.propensities))
    mark("log")
    return content


def _found(visit: Visit, placement: Placement, ask: Ask, told: Told, losses: Losses) -> Answer:
    try:
        return answer(
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
    except HawkerError:
        raise  # the caller's affair
    except Exception as problem:
        losses("answer", problem)
        return last_resort(visit.bundle, ask.limit, ask.exclude_ids)


def _sales(runtime: Runtime, visit: Visit, window: str, segment: str | None) -> Sales | None:
    """What sold within the window; None, and what the bundle knows instead, where that is not to be had now.

    Raises UnknownThing for a segment that has no lists although the live store answers.
    """
    if visit.known.degraded or runtime.doors.live is None:
        return None
    raw = dict(zip(visit.keys, visit.known.also, strict=True))[runtime.sales.key(window, segment)]
    if raw:
        return runtime.sales.read(raw, visit.bundle, window, segment)
    if segment is None:
        return None
    told = f"no published segment is called {segment[:80]!a}; a new one counts within a minute"
    raise UnknownThing(f"segment: {told}", code="unknown_segment", field="segment")


def _count_unknown(runtime: Runtime, visit: Visit, ask: Ask, found: Answer) -> None:
    """How many of those who ask, and of what they look at, are newer than the bundle: it ages."""
    asked, tallies = runtime.metrics.asked, runtime.metrics.tallies
    if visit.user_id is not None:
        tallies.count(asked, ("user", "yes" if visit.known.profile.row >= 0 else "no"))
    if ask.item_ids:
        missing = len(found.missing_ids)
        tallies.count(asked, ("item", "yes"), len(ask.item_ids) - missing)
        tallies.count(asked, ("item", "no"), missing)


def _rotates(placement: Placement, ask: Ask) -> bool:
    return bool(placement.control.rotation or ask.wishes.rotation)


def _content(
    recommendation_id: str, found: Answer, version: int, *, variant: str | None, degraded: bool
) -> dict[str, Any]:
    return {
        "recommendation_id": recommendation_id,
        "items": wire_items(found.items),
        "bundle_version": version,
        "variant": variant,
        "personalized": found.personalized,
        "degraded": degraded,
        "missing_ids": found.missing_ids,
        "overruled": [{"rule": each.rule, "by": each.by, "item_id": each.item_id} for each in found.overruled],
        "next": False,
    }
