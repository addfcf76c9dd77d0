"""Offers of a user over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from serving.actions.offers_of_user import offers_of_user
from serving.actions.till import Till
from serving.coupon_schemas import UserOffers
from serving.gate import Needs
from serving.json_body import StrictRoute
from serving.runtime import Runtime
from serving.schemas import StoredPathId
from serving.storefront.coupons import till_of
from serving.wire import JsonResponse


def routes(runtime: Runtime) -> APIRouter:
    """They come before the users themselves, whose paths are shorter."""
    router = APIRouter(tags=["coupons"], route_class=StrictRoute, dependencies=[Depends(Needs("redeem"))])
    at_till = till_of(runtime)

    @router.get("/v1/users/{user_id}/offers", response_model=UserOffers)
    async def offers(user_id: StoredPathId) -> JsonResponse:
        """The user's coupons and the codes for everybody, with what speaks against each."""

        def look(till: Till) -> list[dict[str, object]]:
            return offers_of_user(till, user_id)

        return JsonResponse({"offers": await at_till(look)})

    return router
