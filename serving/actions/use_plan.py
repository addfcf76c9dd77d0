"""The plan of a use: what an order's coupons give and which counters they move, as the ledger is asked to settle it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

from engine.targeting.basket import Basket
from engine.targeting.counting import day_of, holds_of, owner_of
from engine.targeting.known_customer import Shopper
from engine.targeting.settling import Coupon, Facts, Line, Mode, Once, Plan, Use
from serving.actions.quotes import Quote


@dataclass(frozen=True, slots=True)
class Ask:
    """Who wants which codes for what. `asker` is the key that asks; `once` None where nothing is changed."""

    asker: str
    codes: Sequence[str]
    basket: Basket
    user_id: str | None = None
    reservation_id: str | None = None
    order_id: str | None = None
    once: Once | None = None
    shopper: Shopper = field(default_factory=Shopper)


def plan_of(
    ask: Ask,
    facts: Facts,
    found: Quote,
    mode: Mode,
    *,
    at: float,
    offset: float,
    zone: str,
    seconds: float,
    status: int,
) -> Plan:
    """What should become true, priced `at` a moment (epoch seconds), with the clock's `offset` and `zone` of the shop.

    A reservation holds for `seconds`; `status` is what is answered where it comes true.
    """
    coupons = [facts.coupons[code] for code in ask.codes]
    uses = tuple(_use(each, ask, found, day=day_of(at, zone)) for each in coupons)
    plan_id = uuid4().hex
    scopes = {(owner_of(scope, each.offer_id, each.campaign_id), scope) for each in coupons for scope in each.scopes}
    return Plan(
        mode,
        plan_id,
        facts.now,
        offset,
        uses,
        tuple(sorted({owner for each in coupons for owner in each.owners})),
        len(scopes),
        ask.user_id,
        ask.once,
        ask.order_id,
        ask.basket.currency,
        found.subtotal,
        sum(found.discounts.values()),
        tuple(
            Line(place, each.item_id, each.quantity, each.unit_price, shares)
            for place, (each, shares) in enumerate(zip(ask.basket.lines, found.shares, strict=True))
        ),
        ask.reservation_id,
        facts.now + seconds if mode == "reserve" else None,
        status,
        tuple(_event(plan_id, ask, facts, each) for each in uses) if mode == "redeem" else (),
    )


def _use(coupon: Coupon, ask: Ask, found: Quote, *, day: date) -> Use:
    holds = holds_of(
        coupon.offer_id,
        coupon.campaign_id,
        ask.user_id,
        caps=found.caps[coupon.code],
        counted=coupon.scopes,
        discount=found.spent[coupon.code],
        day=day,
    )
    discount = found.discounts[coupon.code]
    return Use(coupon.code, coupon.offer_id, coupon.version, coupon.newest, coupon.campaign_id, discount, holds)


def _event(plan_id: str, ask: Ask, facts: Facts, use: Use) -> Mapping[str, Any]:
    """The redemption as the lake's table of events has it."""
    return lake_event(
        "coupon_redeem",
        f"redemption {plan_id} {use.code}",
        facts.now,
        ask.user_id,
        ask.order_id,
        use.code,
        ask.basket.currency,
        {"offer_id": use.offer_id, "custom": {"discount": use.discount, "version": use.version}},
    )


def lake_event(
    kind: str,
    event_id: str,
    now: float,
    user_id: str | None,
    order_id: str | None,
    code: str,
    currency: str,
    properties: Mapping[str, Any],
) -> Mapping[str, Any]:
    """One row of the lake's events. A session stands in for a customer without a name: every event is somebody's."""
    row = {
        "event_id": event_id, "type": kind, "time": round(now * 1e6), "quantity": 1.0, "user_id": user_id,
        "session_id": None if user_id is not None else f"order {order_id}", "order_id": order_id,
        "coupon_code": code, "currency": currency, "properties": json.dumps(properties),
    }  # fmt: skip
    return {name: value for name, value in row.items() if value is not None}
