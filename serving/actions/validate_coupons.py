"""Validate coupons: what a redemption would say now, by the same steps, and nothing changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import CouponRefused
from engine.targeting.settling import Facts
from serving.actions.quotes import Quote
from serving.actions.till import Till, settle_basket
from serving.actions.use_plan import Ask


def validate_coupons(till: Till, ask: Ask) -> Mapping[str, Any]:
    """Whether the codes hold for the basket, with the prices or the reasons. Raises as `settle_basket` does."""
    found: list[Quote] = []

    def words(_plan_id: str, _facts: Facts, quoted: Quote) -> Mapping[str, Any]:
        found[:] = [quoted]
        return {}

    try:
        settle_basket(till, ask, "validate", words)
    except CouponRefused as refused:
        return {"valid": False, "reasons": list(refused.reasons), "prices": None}
    return {"valid": True, "reasons": [], "prices": found[0].as_json()}
