"""Offer documents: an offer as a marketer writes it, checked and stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.storage.ledger import Ledger
from engine.storage.offer_ledger import StoredOffer, create_offer
from engine.targeting.counting import scope_of


def put_offer(ledger: Ledger, document: Mapping[str, Any], *, actor: str | None, now: float, zone: str) -> StoredOffer:
    caps = {f"uses {each['of']} {each['per']}": each["count"] for each in document["limits"]}
    caps |= {f"money {each['of']} {each['per']}": each["amount"] for each in document["budgets"]}
    return create_offer(
        ledger,
        document["offer_id"],
        {"amount": document["benefit"]["amount"], "caps": caps},
        {},
        [scope_of(each) for each in caps],
        campaign_id=document["campaign_id"],
        actor=actor,
        now=now,
        zone=zone,
    )


def expiry_of(offer: StoredOffer, now: float) -> float | None:
    return None
