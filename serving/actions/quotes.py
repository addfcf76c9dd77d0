"""Quotes: what the codes of a basket give, between the ledger's rows and the pure room of offers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from engine.errors import StoreUnavailable
from engine.storage.ledger import LedgerPool
from engine.storage.offer_documents import caps_of
from engine.storage.offer_ledger import StoredOffer, read_versions
from engine.targeting.basket import Basket, Pieces, alike
from engine.targeting.counting import Scope
from engine.targeting.gains import Gain, Gift, Reach
from engine.targeting.money import spread
from engine.targeting.offers import WEEKDAYS, Offer, checked_offer
from engine.targeting.reasons import REASONS
from engine.targeting.settling import Coupon

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Shopper:
    """What the shop says of who buys; None for what it does not know."""

    segments: frozenset[str] = frozenset()
    tier: str | None = None
    first_order: bool | None = None


@dataclass(frozen=True, slots=True)
class KnownOffer:
    """A version of an offer, read and checked once."""

    offer: Offer
    terms: Mapping[str, Any]
    wording: Mapping[str, Any]
    caps: Mapping[Scope, int]

    @property
    def asks_of_items(self) -> bool:
        """Whether the terms depend on what the shop said of its items."""
        return self.offer.scope is not None or self.offer.profit_floor is not None


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
    """The coupons in their order of priority. Raises StoreUnavailable where an offer asks what nobody knows now."""
    known = {each.code: offers[each.offer_id, each.version] for each in coupons}
    if not items_known and any(each.asks_of_items for each in known.values()):
        raise StoreUnavailable("what the shop said of these items cannot be read, and an offer depends on it")
    caps = {code: each.caps for code, each in known.items()}
    pieces = alike(basket)
    left, shipping = [each.subtotal for each in pieces], basket.shipping
    taken = [0] * len(pieces)
    given: list[Given] = []
    applied: list[Offer] = []
    refused = []
    for coupon in sorted(coupons, key=lambda each: _turn(known[each.code].offer)):
        offer = known[coupon.code].offer
        reach = _reach(offer, pieces, left, shipping)
        why = _why_not(offer, basket, reach, shopper, now, zone) or _clash(offer, applied)
        gain = Gain() if why else _bounded(offer, offer.benefit.rules.compute(offer.benefit.terms, reach), reach)
        if why is None and gain.is_nothing:
            why = "no_effect"
        if why:
            refused.append({"code": why, "message": REASONS[why], "coupon": coupon.code})
            continue
        off = [0] * len(basket.lines)
        for place, amount in enumerate(gain.off):
            for line, share in pieces[place].to_lines(taken[place], amount):
                off[line] += share
            taken[place] += amount
            left[place] -= amount
        shipping -= gain.shipping
        applied.append(offer)
        spent = sum(off) + gain.shipping + sum(each.quantity * each.value for each in gain.gifts)
        given.append(
            Given(
                coupon.code, coupon.offer_id, coupon.version, tuple(off), gain.shipping, gain.gifts, gain.points, spent
            )
        )
    return Quote(basket, tuple(given), caps, refused)


def window_fault(offer: Offer, now: float, zone: str) -> str | None:
    """The reason for which the offer cannot be used at this moment, whoever asks."""
    at = datetime.fromtimestamp(now, ZoneInfo(zone))
    valid = offer.valid
    if valid.from_ is not None and at < valid.from_:
        return "not_yet_valid"
    if valid.until is not None and at >= valid.until:
        return "expired"
    if valid.weekdays and WEEKDAYS[at.weekday()] not in valid.weekdays:
        return "not_today"
    clock = at.strftime("%H:%M")
    if valid.hours and not any(
        low <= clock < high if low < high else clock >= low or clock < high for low, high in valid.hours
    ):
        return "not_at_this_hour"
    return None


def _opened(stored: StoredOffer) -> KnownOffer:
    offer = checked_offer(dict(stored.terms))
    return KnownOffer(offer, stored.terms, stored.wording, caps_of(offer))


def _turn(offer: Offer) -> tuple[bool, int, int]:
    rules = offer.benefit.rules
    return rules.last, -offer.stacking.priority, rules.phase


def _reach(offer: Offer, pieces: tuple[Pieces, ...], left: Sequence[int], shipping: int) -> Reach:
    everything = (True,) * len(pieces)
    reach = Reach(pieces, tuple(left), everything, everything, shipping)
    return Reach(pieces, tuple(left), everything, reach.within(offer.scope), shipping)


def _why_not(offer: Offer, basket: Basket, reach: Reach, shopper: Shopper, now: float, zone: str) -> str | None:
    if why := window_fault(offer, now, zone):
        return why
    if offer.currency is not None and offer.currency != basket.currency:
        return "other_currency"
    wanted = offer.eligible
    if wanted.segments and not shopper.segments & set(wanted.segments):
        return "not_in_segment"
    if wanted.tiers and shopper.tier not in wanted.tiers:
        return "not_in_tier"
    if wanted.first_order and shopper.first_order is not True:
        return "not_first_order"
    if not any(reach.inside):
        return "nothing_in_scope"
    minimum = offer.minimum
    inside = reach.inside if minimum.of == "scope" else (True,) * len(reach.pieces)
    some = [place for place, is_in in enumerate(inside) if is_in]
    before = sum(reach.pieces[place].subtotal for place in some)
    worth = before if minimum.when == "before" else sum(reach.left[place] for place in some)
    if minimum.amount is not None and worth < minimum.amount:
        return "below_minimum_amount"
    if minimum.quantity is not None and sum(reach.pieces[place].quantity for place in some) < minimum.quantity:
        return "below_minimum_quantity"
    return None


def _clash(offer: Offer, applied: Sequence[Offer]) -> str | None:
    for other in applied:
        if other.offer_id == offer.offer_id:
            return "same_offer"
        if offer.stacking.exclusive or other.stacking.exclusive:
            return "exclusive"
        if offer.stacking.group is not None and offer.stacking.group == other.stacking.group:
            return "same_group"
        if _names(offer, other) or _names(other, offer):
            return "never_with"
    return None


def _names(offer: Offer, other: Offer) -> bool:
    return other.offer_id in offer.stacking.without or f"group:{other.stacking.group}" in offer.stacking.without


def _bounded(offer: Offer, gain: Gain, reach: Reach) -> Gain:
    """The gain within the largest discount, and above cost and floor of each piece where that is known."""
    off = list(gain.off) or [0] * len(reach.pieces)
    room = list(reach.left)
    if offer.profit_floor is not None:
        room = [
            left if piece.cost is None else max(0, left - piece.quantity * (piece.cost + offer.profit_floor))
            for piece, left in zip(reach.pieces, reach.left, strict=True)
        ]
    off = [min(one, free) for one, free in zip(off, room, strict=True)]
    shipping = min(gain.shipping, reach.shipping)
    if offer.largest_discount is not None:
        most = offer.largest_discount
        off = list(spread(min(sum(off), most), off, off))
        shipping = min(shipping, most - sum(off))
    return Gain(tuple(off), shipping, gain.gifts, gain.points)
