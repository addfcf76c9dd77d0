"""Quotes: what the coupons of a basket give, between the ledger's rows and the pure room that prices."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.storage.ledger import LedgerPool
from engine.storage.offer_ledger import StoredOffer, read_versions
from engine.targeting.counting import Scope, scope_of
from engine.targeting.settling import Coupon

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class BasketItem:
    item_id: str
    quantity: int
    price: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WantedBasket:
    currency: str
    lines: tuple[BasketItem, ...]
    shipping: int = 0


@dataclass(frozen=True, slots=True)
class Shopper:
    segments: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class KnownOffer:
    terms: Mapping[str, Any]
    wording: Mapping[str, Any]
    caps: Mapping[Scope, int]

    def window_reasons(self, coupon: Coupon, now: float) -> list[Mapping[str, Any]]:
        return []


class OfferBook:
    def __init__(self) -> None:
        self._known: dict[tuple[str, int], KnownOffer] = {}
        self._reading = threading.Lock()

    def read(self, ledger: LedgerPool, wanted: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], KnownOffer]:
        missing = {each for each in wanted if each not in self._known}
        if missing:
            found = read_versions(ledger, missing)
            with self._reading:
                if len(self._known) > _MOST_REMEMBERED:
                    self._known = {}
                self._known = self._known | {(each.offer_id, each.version): _opened(each) for each in found}
        known = self._known
        return {each: known[each] for each in wanted}


@dataclass(frozen=True, slots=True)
class Quote:
    subtotal: int
    discounts: Mapping[str, int]
    shares: Sequence[Mapping[str, int]]
    caps: Mapping[str, Mapping[Scope, int]]
    refused: Sequence[Mapping[str, Any]]

    def as_json(self, basket: WantedBasket) -> dict[str, Any]:
        discount = sum(self.discounts.values())
        return {
            "currency": basket.currency,
            "subtotal": self.subtotal,
            "discount": discount,
            "total": self.subtotal - discount,
        }


def quote(
    book: OfferBook,
    ledger: LedgerPool,
    basket: WantedBasket,
    coupons: Sequence[Coupon],
    user_id: str | None,
    shopper: Shopper,
    now: float,
    zone: str,
) -> Quote:
    offers = book.read(ledger, [(each.offer_id, each.version) for each in coupons])
    subtotal = sum(each.quantity * each.price for each in basket.lines)
    discounts = {each.code: min(offers[each.offer_id, each.version].terms["amount"], subtotal) for each in coupons}
    shares = [dict[str, int]() for each in basket.lines]
    shares[0] = discounts
    return Quote(
        subtotal, discounts, shares, {each.code: offers[each.offer_id, each.version].caps for each in coupons}, ()
    )


def _opened(stored: StoredOffer) -> KnownOffer:
    return KnownOffer(stored.terms, stored.wording, {scope_of(k): v for k, v in stored.terms.get("caps", {}).items()})
