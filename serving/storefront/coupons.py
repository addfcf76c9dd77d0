"""The till over HTTP: what coupons would give, holding them, using them, taking it back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from engine.errors import BadInput, StoreUnavailable
from engine.storage.live_documents import LiveDocuments
from engine.targeting.basket import Basket, Line
from engine.targeting.groups import groups
from engine.targeting.known_customer import KnownCustomer, Shopper
from serving.actions.quotes import OfferBook
from serving.actions.redeem_coupons import redeem_coupons
from serving.actions.reserve_coupons import release, reserve_coupons
from serving.actions.roll_back_coupons import roll_back_coupons
from serving.actions.till import Settled, Till
from serving.actions.use_plan import Ask
from serving.actions.validate_coupons import validate_coupons
from serving.coupon_schemas import (
    RedemptionAnswer,
    RedemptionRequest,
    ReleaseAnswer,
    ReleaseRequest,
    ReservationAnswer,
    ReservationRequest,
    RollbackAnswer,
    RollbackRequest,
    ValidationAnswer,
    ValidationRequest,
)
from serving.gate import Needs
from serving.idempotency import KEYED, again, asker_of, once_of
from serving.json_body import StrictRoute
from serving.runtime import Runtime
from serving.schemas import StoredPathId, problems
from serving.wire import JsonResponse

MOST_SECONDS = 7 * 86_400
_UNITS = {"S": 1, "M": 60, "H": 3_600, "D": 86_400}
_REFUSED = problems((409, "The coupons do not apply; `reasons` say why. Or the same key is being answered."))
#: How a route uses the till: in a thread, with a connection of its own.
AtTill = Callable[[Callable[[Till], Any]], Coroutine[Any, Any, Any]]


def routes(runtime: Runtime) -> APIRouter:
    """All of them need the scope redeem; those that move money need an Idempotency-Key."""
    router = APIRouter(tags=["coupons"], route_class=StrictRoute, dependencies=[Depends(Needs("redeem"))])
    at_till = till_of(runtime)

    @router.post("/v1/coupons/validations", response_model=ValidationAnswer)
    async def validate(body: ValidationRequest, request: Request) -> JsonResponse:
        """What these codes would give for a basket; nothing changes."""
        ask = await _ask(runtime, body, request)
        return JsonResponse(await at_till(lambda till: validate_coupons(till, ask)))

    @router.post(
        "/v1/coupons/reservations",
        status_code=201,
        response_model=ReservationAnswer,
        openapi_extra=KEYED,
        responses=_REFUSED,
    )
    async def reserve(body: ReservationRequest, request: Request) -> Response:
        """Hold codes for a while; they count as used until then."""
        seconds = _seconds(body.ttl)
        ask = await _ask(runtime, body, request, once=True)
        return _told(await at_till(lambda till: reserve_coupons(till, ask, seconds=seconds)))

    @router.delete("/v1/coupons/reservations", response_model=ReleaseAnswer)
    async def give_up(body: ReleaseRequest) -> JsonResponse:
        """Give back what a reservation holds; again changes nothing."""
        now = runtime.now()
        return JsonResponse(await at_till(lambda till: release(till, body.reservation_id, now=now)))

    _redemptions(router, runtime, at_till)
    return router


def _redemptions(router: APIRouter, runtime: Runtime, at_till: AtTill) -> None:
    @router.post(
        "/v1/coupons/redemptions",
        status_code=201,
        response_model=RedemptionAnswer,
        openapi_extra=KEYED,
        responses=_REFUSED,
    )
    async def redeem(body: RedemptionRequest, request: Request) -> Response:
        """Use codes for an order, all of them or none; answered after the commit."""
        ask = await _ask(runtime, body, request, once=True)
        return _told(await at_till(lambda till: redeem_coupons(till, ask)))

    @router.post(
        "/v1/coupons/redemptions/{id}/rollbacks",
        status_code=201,
        response_model=RollbackAnswer,
        openapi_extra=KEYED,
        responses=_REFUSED,
    )
    async def roll_back(id: StoredPathId, body: RollbackRequest, request: Request) -> Response:  # noqa: A002
        """Take an order's redemption back, whole or line by line; uses and budget return once."""
        once = await once_of(request)
        pieces = None if body.lines is None else [(each.line, each.quantity) for each in body.lines]
        return _told(await at_till(lambda till: roll_back_coupons(till, id, pieces, once)))


def till_of(runtime: Runtime) -> AtTill:
    """The till of this process."""
    book = OfferBook()
    ready_made = frozenset(each.id for each in groups(runtime.settings.groups))

    async def at_till(use: Callable[[Till], Any]) -> Any:
        offset, zone, loop = runtime.clock_offset, runtime.settings.zone, asyncio.get_running_loop()

        def knows(user_id: str, segments: Collection[str]) -> KnownCustomer:
            asked = asyncio.run_coroutine_threadsafe(runtime.customers.known(user_id, segments), loop)
            return asked.result()

        def items(item_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | None:
            return asyncio.run_coroutine_threadsafe(_documents(runtime, item_ids), loop).result()

        return await runtime.doors.till.ask(
            lambda ledger: use(Till(ledger, offset, zone, book, knows, ready_made, items))
        )

    return at_till


async def _ask(runtime: Runtime, body: ValidationRequest, request: Request, *, once: bool = False) -> Ask:
    known = await once_of(request) if once else None
    lines = tuple(Line(each.item_id, each.quantity, each.unit_price) for each in body.basket.lines)
    basket = Basket(lines, body.basket.currency, body.basket.shipping)
    told = body.customer
    return Ask(
        asker_of(request),
        body.codes,
        basket,
        body.user_id,
        body.reservation_id,
        body.order_id if isinstance(body, RedemptionRequest) else None,
        known,
        Shopper(frozenset(told.segments), frozenset(told.tiers), told.first_order),
    )


async def _documents(runtime: Runtime, item_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | None:
    """What the shop said of the items, which scopes and profit floors ask for; None while that cannot be read."""
    if runtime.doors.live is None:
        return None
    try:
        found = await LiveDocuments(runtime.doors.live, runtime.settings.shop).get("items", item_ids)
    except StoreUnavailable:
        return None
    return {name: each for name, each in zip(item_ids, found, strict=True) if each is not None}


def _seconds(text: str) -> float:
    found = re.fullmatch(r"PT?([1-9]\d*)([SMHD])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= seconds <= MOST_SECONDS or ("T" in text) == (text[-1] == "D"):
        raise BadInput("ttl: a duration of up to 7 days, such as PT30M or P1D", field="ttl")
    return seconds


def _told(settled: Settled) -> Response:
    if settled.replayed:
        return again(settled.told)
    return Response(settled.told.answer.encode(), settled.told.status, media_type="application/json")
