"""Redemptions as the ledger keeps them, for what is taken back of them (`engine/targeting/returns.py` says what)."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import NotAllowed, UnknownThing
from engine.storage.ledger import LedgerPool, at_once
from engine.targeting.returns import Redeemed, RedeemedCoupon, RedeemedLine

_STACK = """
SELECT s.order_id, s.user_id, s.currency, s.rollbacks, s.state,
    extract(epoch FROM clock_timestamp())::float8 + CAST(:offset AS float8), s.subtotal, s.discount,
    (SELECT jsonb_agg(jsonb_build_array(r.code, r.offer_id, r.discount, r.returned, r.holds) ORDER BY r.code)
     FROM redemptions r WHERE r.redemption_id = s.redemption_id),
    (SELECT jsonb_agg(jsonb_build_array(l.place, l.quantity, l.price, l.returned, l.shares) ORDER BY l.place)
     FROM redemption_lines l WHERE l.redemption_id = s.redemption_id)
FROM redemption_stacks s WHERE s.redemption_id = :id
"""


@dataclass(frozen=True, slots=True)
class Stack:
    """An order's redemption as of `now`; `rollbacks` tells one state of it from the next."""

    order_id: str
    user_id: str | None
    currency: str
    rollbacks: int
    now: float
    sold: Redeemed


def read_stack(ledger: LedgerPool, redemption_id: str, *, offset: float) -> Stack:
    """An order's redemption as it stands.

    Raises UnknownThing, and NotAllowed for one that went back whole or for what is itself a rollback.
    """
    rows = at_once(ledger, _STACK, id=redemption_id, offset=offset)
    if not rows:
        if at_once(ledger, "SELECT 1 FROM rollbacks WHERE rollback_id = :id", id=redemption_id):
            raise NotAllowed(
                "this is a rollback, which is not taken back; redeem anew", code="rollback_is_final", field="id"
            )
        raise UnknownThing("there is no such redemption", code="unknown_redemption", field="id")
    order_id, user_id, currency, rollbacks, state, now, subtotal, discount, coupons, lines = rows[0]
    if state != "redeemed":
        raise NotAllowed("this redemption was rolled back already", code="already_rolled_back", field="id")
    sold = Redeemed(
        subtotal,
        discount,
        tuple(RedeemedCoupon(*each) for each in coupons or ()),
        tuple(RedeemedLine(*each) for each in lines or ()),
    )
    return Stack(order_id, user_id, currency, rollbacks, now, sold)
