"""Quotes: what the codes of a basket give, between the ledger's rows and the pure room of offers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import StoreUnavailable
from engine.storage.ledger import LedgerPool
from engine.storage.offer_documents import caps_of
from engine.storage.offer_ledger import StoredOffer, read_versions
from engine.targeting.basket import Basket, Line
from engine.targeting.counting import Scope
from engine.targeting.eligibility import Facts, Issue
from engine.targeting.gains import Gift
from engine.targeting.known_customer import Shopper
from engine.targeting.offers import Offer, checked_offer
from engine.targeting.pricing import PricedOffer, priced
from engine.targeting.settling import Coupon

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class KnownOffer:
    """A version of an offer, read and checked once."""

    offer: Offer
    terms: Mapping[str, Any]
    wording: Mapping[str, Any]
    caps: Mapping[Scope, int]


class OfferBook:
    """Versions that were read before; they never change, so that none is read twice."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], KnownOffer] = {}
        self._reading = threading.Lock()

    def read(self, ledger: LedgerPool, wanted: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], KnownOffer]:
        """These versions. Raises StoreUnavailable."""
        known = self._known
        missing = {each for each in wanted if each not in known}
        if missing:
            found = {(each.offer_id, each.version): _opened(each) for each in read_versions(ledger, missing)}
            with self._reading:
                kept = self._known if len(self._known) < _MOST_REMEMBERED else {}
                self._known = kept | found
            known = known | found
        return {each: known[each] for each in wanted}


@dataclass(frozen=True, slots=True)
class Given:
    """What one code gives: `off` of each line of the basket, and of the shipping, minor units; gifts; points."""

    code: str
    offer_id: str
    version: int
    off: tuple[int, ...]
    shipping: int
    gifts: tuple[Gift, ...]
    points: int
    spent: int

    @property
    def discount(self) -> int:
        return sum(self.off) + self.shipping


@dataclass(frozen=True, slots=True)
class Quote:
    """What all codes give together. `refused` are reasons, each with its coupon; then nothing else counts."""

    basket: Basket
    given: tuple[Given, ...]
    caps: Mapping[str, Mapping[Scope, int]]
    refused: Sequence[Mapping[str, Any]] = ()

    @property
    def subtotal(self) -> int:
        return self.basket.subtotal + self.basket.shipping

    @property
    def discounts(self) -> Mapping[str, int]:
        return {each.code: each.discount for each in self.given}

    @property
    def spent(self) -> Mapping[str, int]:
        """What each code costs the budgets: its discount, and the value of its gifts."""
        return {each.code: each.spent for each in self.given}

    @property
    def shares(self) -> list[Mapping[str, int]]:
        """Of each line, what each code takes off."""
        return [
            {each.code: each.off[place] for each in self.given if each.off[place]}
            for place in range(len(self.basket.lines))
        ]

    def as_json(self) -> dict[str, Any]:
        basket, discount = self.basket, sum(self.discounts.values())
        return {
            "currency": basket.currency,
            "subtotal": basket.subtotal,
            "shipping": basket.shipping,
            "discount": discount,
            "shipping_discount": sum(each.shipping for each in self.given),
            "total": self.subtotal - discount,
            "coupons": [
                {
                    "code": each.code,
                    "offer_id": each.offer_id,
                    "version": each.version,
                    "discount": each.discount,
                    "points": each.points,
                    "gifts": [{"item_id": gift.item_id, "quantity": gift.quantity} for gift in each.gifts],
                }
                for each in self.given
            ],
            "lines": [
                {
                    "line": place,
                    "item_id": line.item_id,
                    "subtotal": line.subtotal,
                    "discount": sum(shares.values()),
                    "total": line.subtotal - sum(shares.values()),
                    "discounts": [{"code": code, "amount": amount} for code, amount in shares.items()],
                }
                for place, (line, shares) in enumerate(zip(basket.lines, self.shares, strict=True))
            ],
        }


def quote(
    offers: Mapping[tuple[str, int], KnownOffer],
    basket: Basket,
    coupons: Sequence[Coupon],
    shopper: Shopper,
    now: float,
    zone: str,
    *,
    items_known: bool,
) -> Quote:
    """What the coupons give together. Raises StoreUnavailable where an offer asks what nobody knows now."""
    known = {each.code: offers[each.offer_id, each.version] for each in coupons}
    if not items_known and any(each.offer.asks_of_items for each in known.values()):
        raise StoreUnavailable("what the shop said of these items cannot be read, and an offer depends on it")
    facts = Facts(None, shopper.segments, shopper.tiers, shopper.first_order, zone)
    # Whose a code is and when it ends is the ledger's to say: it knows the issue.
    found = priced(basket, [(known[each.code].offer, Issue(each.code)) for each in coupons], facts, now).offers
    return Quote(
        basket,
        tuple(_given(coupon, each) for coupon, each in zip(coupons, found, strict=True) if each.applied),
        {code: each.caps for code, each in known.items()},
        [
            {**reason.as_json(), "coupon": coupon.code}
            for coupon, each in zip(coupons, found, strict=True)
            for reason in each.reasons
        ],
    )


def with_documents(basket: Basket, documents: Mapping[str, Mapping[str, Any]]) -> Basket:
    """The basket with what the shop said of its items, by their ids. Raises BadInput for a cost that is none."""
    return replace(basket, lines=tuple(_with_document(each, documents.get(each.item_id, {})) for each in basket.lines))


def _with_document(line: Line, document: Mapping[str, Any]) -> Line:
    return replace(line, list_price=document.get("list_price"), cost=document.get("cost"), fields=document)


def _given(coupon: Coupon, found: PricedOffer) -> Given:
    return Given(
        coupon.code,
        coupon.offer_id,
        coupon.version,
        found.discounts,
        found.shipping,
        found.gifts,
        sum(found.points),
        found.cost,
    )


def _opened(stored: StoredOffer) -> KnownOffer:
    offer = checked_offer(dict(stored.terms))
    return KnownOffer(offer, stored.terms, stored.wording, caps_of(offer))
