"""Net prices: what one piece of an item costs with the single best offer that asks for no more than one piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.targeting.basket import Basket, Line
from engine.targeting.eligibility import Facts, Issue, ends_at, who_and_when
from engine.targeting.offers import Offer
from engine.targeting.pricing import priced


@dataclass(frozen=True, slots=True)
class NetPrice:
    """`net_price` in minor units; `ends_at` in epoch seconds, None for never."""

    offer_id: str
    net_price: int
    ends_at: float | None


def usable(offers: Sequence[tuple[Offer, Issue]], facts: Facts, now: float) -> list[tuple[Offer, Issue]]:
    """Those that this user may use now, whatever is in the basket: asked once for all items of a list."""
    return [(offer, issue) for offer, issue in offers if not who_and_when(offer, issue, facts, now)]


def net_price(
    item: Mapping[str, Any], offers: Sequence[tuple[Offer, Issue]], facts: Facts, now: float
) -> NetPrice | None:
    """The best of the offers for one piece of an item (its document); None where none makes it cheaper.

    Of two that take off the same, the one that ends first is told, since the other one waits.
    """
    price = item.get("price")
    if price is None:
        return None
    line = Line(item["item_id"], 1, price, item.get("list_price"), item.get("cost"), item)
    found = []
    for offer, issue in offers:
        # A shop has one currency, so that an item that names none is in that of the offer.
        basket = Basket((line,), item.get("currency") or offer.currency or "")
        (given,) = priced(basket, [(offer, issue)], facts, now).offers
        if sum(given.discounts):
            found.append(NetPrice(offer.offer_id, price - sum(given.discounts), ends_at(offer, issue)))
    return min(found, key=_rank, default=None)


def _rank(found: NetPrice) -> tuple[int, float, str]:
    return found.net_price, float("inf") if found.ends_at is None else found.ends_at, found.offer_id
