"""Offers over HTTP, for marketers: terms and their versions, codes, publications, what became of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from engine.errors import BadInput
from engine.storage.coupon_issue import MOST_CODES, Issued, generate_codes, import_codes, publish
from engine.storage.coupon_ledger import do_once
from engine.storage.ledger import LedgerConnection, LedgerPool
from engine.storage.offer_documents import expiry_of, put_offer
from engine.storage.offer_ledger import (
    StoredOffer,
    disable_offer,
    find_offer,
    list_offers,
    list_versions,
    offer_stats,
)
from engine.targeting.codes import DEFAULT_PATTERN
from serving.coupon_schemas import StoredId
from serving.gate import actor_of
from serving.idempotency import KEYED, again, once_of
from serving.json_body import StrictRoute
from serving.marketing_runtime import MarketingRuntime
from serving.schemas import StoredPathId, Whole, problems
from serving.wire import JsonResponse, iso

_STRICT = ConfigDict(extra="forbid", strict=True)
_MOST_IMPORTED = 50_000  # codes of one call; the command line takes more
_CONFLICT = problems((409, "Not as the offer stands, or the same key is being answered."))


class OfferAnswer(BaseModel):
    offer_id: str
    campaign_id: str | None
    version: int
    state: str = Field(description="active or disabled.")
    terms: dict[str, Any]
    wording: dict[str, Any]
    actor: str | None = Field(description="Who wrote this version.")
    created_at: str
    version_at: str


class OfferList(BaseModel):
    offers: list[OfferAnswer]
    next: str | None = Field(description="The cursor of the next page, null on the last.")


class OfferVersions(BaseModel):
    versions: list[OfferAnswer] = Field(description="Newest first.")


class CodesRequest(BaseModel):
    model_config = _STRICT

    count: Whole = Field(ge=1, le=MOST_CODES)
    pattern: str = Field(DEFAULT_PATTERN, max_length=64, description="Each # becomes chance; at least 12 of them.")


class CodesMade(BaseModel):
    offer_id: str
    made: int


class CodesImport(BaseModel):
    model_config = _STRICT

    codes: list[str] = Field(min_length=1, max_length=_MOST_IMPORTED)
    generic: bool = Field(False, description="For everybody, held by the offer's limits alone.")


class CodesImported(BaseModel):
    offer_id: str
    new: int
    known: int = Field(description="Codes that the offer had already.")


class PublicationRequest(BaseModel):
    model_config = _STRICT

    user_id: StoredId
    source_id: StoredId | None = Field(None, description="What it is for; the same one always gets the same code.")
    join_once: bool = Field(True, description="Somebody who has a coupon of this offer gets that one.")


class Publication(BaseModel):
    code: str
    offer_id: str
    version: int
    user_id: str
    source_id: str | None
    expires_at: str | None
    fresh: bool = Field(description="False for a coupon that the user had before.")
    wording: dict[str, Any] = Field(description="What the customer is told, as of the version it was issued under.")


class OfferFigures(BaseModel):
    offer_id: str
    codes: int
    issued: int
    orders: int = Field(description="Redemptions that stand.")
    customers: int
    rolled_back: int
    discount: int = Field(description="Given and not taken back, minor units.")
    returned: int


def routes(runtime: MarketingRuntime) -> APIRouter:
    router = APIRouter(tags=["offers"], route_class=StrictRoute)
    _documents(router, runtime)
    _codes(router, runtime)
    return router


def _documents(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.get("/v1/offers", response_model=OfferList)
    async def offers(
        cursor: Annotated[StoredId, Query()] = "\x01", limit: Annotated[int, Query(ge=1, le=100)] = 50
    ) -> JsonResponse:
        """All offers with their newest versions, by their ids."""
        found = await ask(lambda ledger: list_offers(ledger, after=cursor, limit=limit + 1))
        more = found[limit - 1].offer_id if len(found) > limit else None
        return JsonResponse({"offers": [shown(each) for each in found[:limit]], "next": more})

    @router.put("/v1/offers/{id}", response_model=OfferAnswer, responses=_CONFLICT)
    async def put(id: StoredPathId, body: dict[str, Any], request: Request) -> JsonResponse:  # noqa: A002
        """Make an offer, or a new version of it; the same terms again change nothing. Issued coupons keep theirs."""
        if body.setdefault("offer_id", id) != id:
            raise BadInput("offer_id: is another one than the path's", field="offer_id")
        actor, now, zone = actor_of(request), runtime.now(), runtime.settings.zone
        return JsonResponse(shown(await ask(lambda ledger: put_offer(ledger, body, actor=actor, now=now, zone=zone))))

    @router.get("/v1/offers/{id}", response_model=OfferAnswer)
    async def one(id: StoredPathId) -> JsonResponse:  # noqa: A002
        """An offer's newest version."""
        return JsonResponse(shown(await ask(lambda ledger: find_offer(ledger, id))))

    @router.get("/v1/offers/{id}/versions", response_model=OfferVersions)
    async def versions(id: StoredPathId) -> JsonResponse:  # noqa: A002
        """All versions of an offer."""
        found = await ask(lambda ledger: list_versions(ledger, id))
        return JsonResponse({"versions": [shown(each) for each in found]})

    @router.post("/v1/offers/{id}/disable", response_model=OfferAnswer)
    async def disable(id: StoredPathId) -> JsonResponse:  # noqa: A002
        """End an offer: from the answer on none of its coupons is used. Again changes nothing."""
        return JsonResponse(shown(await ask(lambda ledger: disable_offer(ledger, id))))

    @router.get("/v1/offers/{id}/stats", response_model=OfferFigures)
    async def stats(id: StoredPathId) -> JsonResponse:  # noqa: A002
        """What became of an offer."""
        found = await ask(lambda ledger: offer_stats(ledger, id))
        return JsonResponse({"offer_id": id, **found.as_json()})


def _codes(router: APIRouter, runtime: MarketingRuntime) -> None:
    ask = runtime.doors.ledger.ask

    @router.post(
        "/v1/offers/{id}/codes", status_code=201, response_model=CodesMade, openapi_extra=KEYED, responses=_CONFLICT
    )
    async def make(id: StoredPathId, body: CodesRequest, request: Request) -> Response:  # noqa: A002
        """Make codes for one use each, which wait to be given out."""
        once, now = await once_of(request), runtime.now()

        def effect(connection: LedgerConnection) -> dict[str, Any]:
            return {"offer_id": id, "made": generate_codes(connection, id, body.count, body.pattern, now=now)}

        told, before = await ask(lambda ledger: do_once(ledger, once, effect))
        return again(told) if before else Response(told.answer.encode(), 201, media_type="application/json")

    @router.post("/v1/offers/{id}/codes/import", response_model=CodesImported, responses=_CONFLICT)
    async def take(id: StoredPathId, body: CodesImport) -> JsonResponse:  # noqa: A002
        """Take over codes made elsewhere; again changes nothing."""
        now, uses = runtime.now(), None if body.generic else 1
        new, known = await ask(lambda ledger: import_codes(ledger, id, body.codes, max_uses=uses, now=now))
        return JsonResponse({"offer_id": id, "new": new, "known": known})

    @router.post("/v1/offers/{id}/publications", response_model=Publication, responses=_CONFLICT)
    async def give(id: StoredPathId, body: PublicationRequest) -> JsonResponse:  # noqa: A002
        """Give a user a coupon of the offer; the same source_id always gets the same code."""
        now = runtime.now()

        def hand_out(ledger: LedgerPool) -> tuple[Issued, StoredOffer]:
            issued = publish(
                ledger, id, body.user_id, body.source_id, join_once=body.join_once, expiry=expiry_of, now=now
            )
            return issued, find_offer(ledger, id, issued.version)

        given, offer = await ask(hand_out)
        return JsonResponse(
            {
                "code": given.code,
                "offer_id": id,
                "version": given.version,
                "user_id": given.user_id,
                "source_id": given.source_id,
                "expires_at": None if given.expires_at is None else iso(given.expires_at),
                "fresh": given.fresh,
                "wording": offer.wording,
            }
        )


def shown(stored: StoredOffer) -> dict[str, Any]:
    """A version of an offer as answers have it."""
    return {
        "offer_id": stored.offer_id,
        "campaign_id": stored.campaign_id,
        "version": stored.version,
        "state": stored.state,
        "terms": stored.terms,
        "wording": stored.wording,
        "actor": stored.actor,
        "created_at": iso(stored.created_at),
        "version_at": iso(stored.version_at),
    }
