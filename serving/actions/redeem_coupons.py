"""Redeem coupons: an order uses its codes, all of them or none, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.targeting.settling import Facts
from serving.actions.quotes import Quote
from serving.actions.till import Settled, Till, settle_basket
from serving.actions.use_plan import Ask
from serving.wire import iso


def redeem_coupons(till: Till, ask: Ask) -> Settled:
    """The answer is given only after the commit. Raises as `settle_basket` does."""

    def words(plan_id: str, facts: Facts, quoted: Quote) -> Mapping[str, Any]:
        return {
            "redemption_id": plan_id,
            "order_id": ask.order_id,
            "user_id": ask.user_id,
            "redeemed_at": iso(facts.now),
            "prices": quoted.as_json(),
        }

    return settle_basket(till, ask, "redeem", words, status=201)
