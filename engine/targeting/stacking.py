"""Stacking: in which order offers are asked, which of them go together, and how much each may take."""

from __future__ import annotations

from collections.abc import Sequence

from engine.targeting.eligibility import Issue
from engine.targeting.gains import Gain, Reach
from engine.targeting.money import shares, spread
from engine.targeting.offers import Offer
from engine.targeting.reasons import Reason

Given = tuple[Offer, Issue]


def in_order(given: Sequence[Given]) -> list[int]:
    """Places of the offers in the order in which they are asked: high priority first, then what is about single pieces
    before what is about the whole, then by id. The order in which the caller names them changes nothing."""

    def turn(place: int) -> tuple[int, int, str, str, float, int]:
        offer, issue = given[place]
        told = (offer.offer_id, issue.code or "", issue.issued_at or 0.0)
        return (-offer.stacking.priority, offer.benefit.rules.phase, *told, place)

    return sorted(range(len(given)), key=turn)


def clash(offer: Offer, applied: Sequence[Offer]) -> tuple[Reason, ...]:
    """Why an offer does not go with those that apply already."""
    return tuple(reason for other in applied for reason in _between(offer, other))


def _between(offer: Offer, other: Offer) -> list[Reason]:
    there = other.offer_id
    if _names(offer.stacking.without, other) or _names(other.stacking.without, offer):
        return [Reason("never_with", f"is never used with {there!a}", "stacking.without", offer_id=there)]
    if _names(offer.stacking.with_, other) or _names(other.stacking.with_, offer):
        return []
    if offer.offer_id == there:
        return [Reason("same_offer", "the same offer applies already", "stacking.with", offer_id=there)]
    if offer.stacking.exclusive or other.stacking.exclusive:
        return [Reason("exclusive", f"is not used with {there!a}", "stacking.exclusive", offer_id=there)]
    if offer.stacking.group is not None and offer.stacking.group == other.stacking.group:
        told = f"one of {offer.stacking.group!a} is enough, and {there!a} applies"
        return [Reason("same_group", told, "stacking.group", limit=1, used=1, offer_id=there)]
    return []


def _names(names: Sequence[str], offer: Offer) -> bool:
    return offer.offer_id in names or (offer.stacking.group is not None and f"group:{offer.stacking.group}" in names)


def held_back(offer: Offer, gain: Gain, reach: Reach, floor: int | None) -> Gain:
    """The gain without what would cost too much: nothing below 0, below the profit floor (minor units above the cost of
    each piece; None knows no floor), or above the offer's largest discount."""
    room = tuple(
        max(0, left if floor is None or kind.cost is None else left - (kind.cost + floor) * kind.quantity)
        for left, kind in zip(reach.left, reach.pieces, strict=True)
    )
    off = gain.off or (0,) * len(room)
    if offer.benefit.rules.moves:
        inside = tuple(free if is_in else 0 for free, is_in in zip(room, reach.inside, strict=True))
        off = spread(sum(off), reach.weights(), inside)
    else:
        off = tuple(map(min, off, room))
    shipping, most = min(gain.shipping, reach.shipping), offer.largest_discount
    if most is not None:
        if sum(off) > most:
            off = shares(most, off)
        shipping = min(shipping, most - sum(off))
    return Gain(off, shipping, gain.gifts, gain.points)
