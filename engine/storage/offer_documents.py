"""Offer documents: an offer as a marketer writes it, checked and stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.storage.ledger import Ledger
from engine.storage.offer_ledger import StoredOffer


def put_offer(ledger: Ledger, document: Mapping[str, Any], *, actor: str | None, now: float, zone: str) -> StoredOffer:
    raise NotImplementedError


def expiry_of(offer: StoredOffer, now: float) -> float | None:
    return None
