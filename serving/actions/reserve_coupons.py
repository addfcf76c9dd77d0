"""Reserve coupons: they count as used until the time is over, they are released, or the order redeems them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.storage.coupon_ledger import release_reservation
from engine.targeting.settling import Facts
from serving.actions.quotes import Quote
from serving.actions.till import Settled, Till, settle_basket
from serving.actions.use_plan import Ask
from serving.wire import iso


def reserve_coupons(till: Till, ask: Ask, *, seconds: float) -> Settled:
    """Hold the codes for `seconds`. Raises as `settle_basket` does."""

    def words(plan_id: str, facts: Facts, quoted: Quote) -> Mapping[str, Any]:
        return {
            "reservation_id": plan_id,
            "expires_at": iso(facts.now + seconds),
            "prices": quoted.as_json(),
        }

    return settle_basket(till, ask, "reserve", words, seconds=seconds, status=201)


def release(till: Till, reservation_id: str, *, now: float) -> Mapping[str, Any]:
    """Give back what is held; again changes nothing."""
    return {"released": release_reservation(till.ledger, reservation_id, now=now)}
