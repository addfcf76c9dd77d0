"""Pricing: what offers give to a basket, to the cent, and why those that give nothing do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.expression_row import matches
from engine.targeting.basket import Basket, alike
from engine.targeting.eligibility import Facts, Issue, too_little, who_and_when
from engine.targeting.gains import Gift, Reach
from engine.targeting.money import shares
from engine.targeting.offers import Offer
from engine.targeting.reasons import Reason
from engine.targeting.stacking import clash, held_back, in_order

__all__ = ["Facts", "Issue", "Priced", "PricedOffer", "priced"]


@dataclass(frozen=True, slots=True)
class PricedOffer:
    """What became of one offer: `discounts` and `points` by line of the basket, minor units; `reasons` if refused."""

    offer: Offer
    issue: Issue
    applied: bool
    discounts: tuple[int, ...]
    shipping: int = 0
    gifts: tuple[Gift, ...] = ()
    points: tuple[int, ...] = ()
    reasons: tuple[Reason, ...] = ()

    @property
    def discount(self) -> int:
        """What it takes off in all, shipping included."""
        return sum(self.discounts) + self.shipping

    @property
    def cost(self) -> int:
        """What it takes from budgets: the discount, and what its gifts are worth."""
        return self.discount + sum(each.quantity * each.value for each in self.gifts)

    def as_json(self) -> dict[str, Any]:
        return {
            "offer_id": self.offer.offer_id,
            **({} if self.issue.code is None else {"code": self.issue.code}),
            "applied": self.applied,
            "discount": self.discount,
            "shipping_discount": self.shipping,
            "points": sum(self.points),
            "gifts": [{"item_id": each.item_id, "quantity": each.quantity} for each in self.gifts],
            "reasons": [each.as_json() for each in self.reasons],
        }


@dataclass(frozen=True, slots=True)
class Priced:
    """A basket with what its offers give; `offers` in the order in which they were named."""

    basket: Basket
    offers: tuple[PricedOffer, ...]

    @property
    def line_discounts(self) -> tuple[int, ...]:
        found = [0] * len(self.basket.lines)
        for each in self.offers:
            found = [one + other for one, other in zip(found, each.discounts, strict=True)]
        return tuple(found)

    @property
    def shipping_discount(self) -> int:
        return sum(each.shipping for each in self.offers)

    @property
    def discount(self) -> int:
        """What all offers take off in all, shipping included."""
        return sum(each.discount for each in self.offers)

    @property
    def points(self) -> int:
        return sum(sum(each.points) for each in self.offers)

    @property
    def total(self) -> int:
        """What is to be paid, shipping included."""
        return self.basket.subtotal + self.basket.shipping - self.discount

    def as_json(self) -> dict[str, Any]:
        off = self.line_discounts
        return {
            "currency": self.basket.currency,
            "subtotal": self.basket.subtotal,
            "shipping": self.basket.shipping,
            "discount": self.discount,
            "shipping_discount": self.shipping_discount,
            "total": self.total,
            "points": self.points,
            "lines": [self._line(place, off[place]) for place in range(len(off))],
            "offers": [each.as_json() for each in self.offers],
        }

    def _line(self, place: int, off: int) -> dict[str, Any]:
        line = self.basket.lines[place]
        given = [each for each in self.offers if each.discounts[place]]
        return {
            "item_id": line.item_id,
            "quantity": line.quantity,
            "unit_price": line.unit_price,
            "subtotal": line.subtotal,
            "discount": off,
            "total": line.subtotal - off,
            "discounts": [
                {
                    "offer_id": each.offer.offer_id,
                    **({} if each.issue.code is None else {"code": each.issue.code}),
                    "amount": each.discounts[place],
                }
                for each in given
            ],
        }


def priced(basket: Basket, applied: Sequence[tuple[Offer, Issue]], facts: Facts, now: float) -> Priced:
    """The basket with each offer applied or refused at `now` (epoch seconds, the shop's time).

    Neither the order of lines nor of offers changes a total, nor does cutting one line into two. No line falls below 0.
    """
    till = _Till(basket, facts, now)
    found: dict[int, PricedOffer] = {}
    for place in in_order(applied):
        found[place] = till.ask(*applied[place])
    for place in found:
        # What is counted from what is paid is counted in the end.
        if found[place].applied and applied[place][0].benefit.rules.last:
            found[place] = till.again(found[place])
    return Priced(basket, tuple(found[place] for place in range(len(applied))))


class _Till:
    """One basket while its offers are asked in turn."""

    def __init__(self, basket: Basket, facts: Facts, now: float) -> None:
        self._basket, self._facts, self._now = basket, facts, now
        self._pieces = alike(basket)
        self._left = [each.subtotal for each in self._pieces]
        self._shipping = basket.shipping
        self._applied: list[Offer] = []
        self._made_cheaper: set[int] = set()
        self._closed: set[int] = set()
        self._floor: int | None = None

    def ask(self, offer: Offer, issue: Issue) -> PricedOffer:
        reasons = who_and_when(offer, issue, self._facts, self._now)
        if offer.currency not in (None, self._basket.currency):
            told = f"is in {offer.currency}, the basket in {self._basket.currency}"
            reasons += (Reason("other_currency", told, "currency", offer.currency, self._basket.currency),)
        reasons = reasons or clash(offer, self._applied)
        scope = self._scope(offer)
        if not any(scope):
            reasons += (Reason("nothing_in_scope", "no line is of its scope", "scope"),)
        elif not reasons:
            reasons = self._too_little(offer, scope)
        if reasons:
            return self._refused(offer, issue, reasons)
        return self._try(offer, issue, self._reach(offer, scope))

    def again(self, given: PricedOffer) -> PricedOffer:
        offer = given.offer
        gain = offer.benefit.rules.compute(offer.benefit.terms, self._reach(offer, self._scope(offer)))
        if gain.is_nothing:
            return self._refused(offer, given.issue, (Reason("no_effect", "gives this basket nothing", "benefit"),))
        return replace(given, points=self._points(offer, gain.points))

    def _try(self, offer: Offer, issue: Issue, reach: Reach) -> PricedOffer:
        if not any(reach.inside):
            told = "another offer on all products of its scope suffers no second one"
            return self._refused(offer, issue, (Reason("product_taken", told, "stacking.one_per_product"),))
        full = offer.benefit.rules.compute(offer.benefit.terms, reach)
        floors = [each for each in (self._floor, offer.profit_floor) if each is not None]
        gain = held_back(offer, full, reach, max(floors, default=None))
        if gain.is_nothing:
            reason = Reason("no_effect", "gives this basket nothing", "benefit")
            if not full.is_nothing:
                reason = Reason(
                    "profit_floor", "would go below cost and profit floor", "profit_floor", offer.profit_floor
                )
            return self._refused(offer, issue, (reason,))
        self._floor = max(floors, default=None)
        self._applied.append(offer)
        discounts = [0] * len(self._basket.lines)
        for place, amount in enumerate(gain.off):
            before = self._pieces[place].subtotal - self._left[place]
            for line, share in self._pieces[place].to_lines(before, amount):
                discounts[line] = share
            self._left[place] -= amount
            if amount:
                self._made_cheaper.add(place)
                if offer.stacking.one_per_product:
                    self._closed.add(place)
        self._shipping -= gain.shipping
        points = self._points(offer, gain.points)
        return PricedOffer(offer, issue, True, tuple(discounts), gain.shipping, gain.gifts, points)

    def _scope(self, offer: Offer) -> tuple[bool, ...]:
        return tuple(offer.scope is None or matches(offer.scope, each.row) for each in self._pieces)

    def _reach(self, offer: Offer, scope: tuple[bool, ...]) -> Reach:
        closed = self._made_cheaper if offer.stacking.one_per_product else self._closed
        if offer.benefit.rules.last:
            closed = set()
        is_open = tuple(place not in closed for place in range(len(self._pieces)))
        inside = tuple(one and other for one, other in zip(scope, is_open, strict=True))
        return Reach(self._pieces, tuple(self._left), is_open, inside, self._shipping)

    def _too_little(self, offer: Offer, scope: tuple[bool, ...]) -> tuple[Reason, ...]:
        minimum = offer.minimum
        amounts = self._left if minimum.when == "after" else [each.subtotal for each in self._pieces]
        counted = [place for place, is_in in enumerate(scope) if is_in or minimum.of == "basket"]
        quantity = sum(self._pieces[place].quantity for place in counted)
        return too_little(minimum, sum(amounts[place] for place in counted), quantity)

    def _points(self, offer: Offer, points: int) -> tuple[int, ...]:
        """The points by line, as what is paid for each; what is free counts when all is."""
        found = [0] * len(self._basket.lines)
        scope = self._scope(offer)
        weights = [left if is_in else 0 for left, is_in in zip(self._left, scope, strict=True)]
        if not any(weights):
            weights = [each.quantity if is_in else 0 for each, is_in in zip(self._pieces, scope, strict=True)]
        if points:
            for kind, share in zip(self._pieces, shares(points, weights), strict=True):
                for line, part in kind.to_lines(0, share):
                    found[line] = part
        return tuple(found)

    def _refused(self, offer: Offer, issue: Issue, reasons: tuple[Reason, ...]) -> PricedOffer:
        none = (0,) * len(self._basket.lines)
        return PricedOffer(offer, issue, False, none, points=none, reasons=reasons)
