"""Roll a redemption back: an order is cancelled, or some of it comes back; uses and budget return once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from engine.errors import NotAllowed, Overloaded
from engine.storage.coupon_ledger import give_back, read_answer
from engine.storage.coupon_returns import Stack, read_stack
from engine.targeting.returns import Pieces, Return, returned
from engine.targeting.settling import Once, Told
from serving.actions.till import Settled, Till
from serving.actions.use_plan import lake_event
from serving.wire import iso

_MOST_TURNS = 8


def roll_back_coupons(till: Till, redemption_id: str, pieces: Sequence[Pieces] | None, once: Once) -> Settled:
    """Take these pieces back, None for all that is left.

    Raises UnknownThing, NotAllowed for what went back already, BadInput, StoreUnavailable.
    """
    told = read_answer(till.ledger, once)
    if told is not None:
        return Settled(told, replayed=True)
    for _ in range(_MOST_TURNS):
        try:
            stack = read_stack(till.ledger, redemption_id, offset=till.offset)
            back = returned(stack.sold, pieces)
        except NotAllowed:
            told = read_answer(till.ledger, once)  # it may be this very request that took it back a moment ago
            if told is not None:
                return Settled(told, replayed=True)
            raise
        rollback_id = uuid4().hex
        text = json.dumps(_words(rollback_id, redemption_id, stack, back), ensure_ascii=False)
        outcome = give_back(till.ledger, _plan(rollback_id, redemption_id, stack, back), once, text)
        if outcome.kind == "done":
            return Settled(Told(201, text))
        if outcome.kind == "replay":
            assert outcome.told is not None
            return Settled(outcome.told, replayed=True)
    raise Overloaded("this redemption is being changed; ask again in a moment", code="coupon_busy")


def _words(rollback_id: str, redemption_id: str, stack: Stack, back: Return) -> dict[str, Any]:
    return {
        "rollback_id": rollback_id,
        "redemption_id": redemption_id,
        "order_id": stack.order_id,
        "whole": back.whole,
        "amount": back.amount,
        "refund": back.refund,
        "currency": stack.currency,
        "coupons": [{"code": code, "amount": amount} for code, amount in back.amounts.items()],
        "lines": [
            {"line": each.place, "quantity": each.quantity, "amount": each.amount, "refund": each.refund}
            for each in back.lines
        ],
        "rolled_back_at": iso(stack.now),
    }


def _plan(rollback_id: str, redemption_id: str, stack: Stack, back: Return) -> dict[str, Any]:
    offers = {each.code: each.offer_id for each in stack.sold.coupons}
    return {
        "id": rollback_id,
        "redemption_id": redemption_id,
        "rollbacks": stack.rollbacks,
        "whole": back.whole,
        "amount": back.amount,
        "at": stack.now,
        "status": 201,
        "uses": [{"code": each.code, "amount": back.amounts.get(each.code, 0)} for each in stack.sold.coupons],
        "lines": [{"line": each.place, "quantity": each.quantity} for each in back.lines],
        "holds": [{"key": key, "add": add} for key, add in back.holds],
        "events": [
            lake_event(
                "coupon_rollback",
                f"rollback {rollback_id} {code}",
                stack.now,
                stack.user_id,
                stack.order_id,
                code,
                stack.currency,
                {"offer_id": offers[code], "custom": {"discount": amount, "whole": back.whole}},
            )
            for code, amount in back.amounts.items()
        ],
    }
