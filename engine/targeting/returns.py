"""Returns: which part of what was paid and given goes back when some pieces come back, to the cent in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import BadInput
from engine.targeting.money import dealt
from engine.targeting.pricing import Priced


@dataclass(frozen=True, slots=True)
class OfferBack:
    """What one offer gets back: `discounts` and `points` by line; `shipping` when everything is back."""

    offer_id: str
    code: str | None
    discounts: tuple[int, ...]
    points: tuple[int, ...]
    shipping: int

    @property
    def discount(self) -> int:
        return sum(self.discounts) + self.shipping


@dataclass(frozen=True, slots=True)
class Returned:
    """What one return gives back. `refunds` by line is what had been paid for the pieces; `whole`: nothing is left."""

    refunds: tuple[int, ...]
    offers: tuple[OfferBack, ...]
    shipping: int
    whole: bool


def given_back(amounts: Sequence[int], quantity: int, *, before: int, more: int) -> tuple[int, ...]:
    """Parts of the amounts of one line (one for each offer, in the stored order) for `more` of its pieces, when
    `before` of them came back earlier.

    The units of all amounts are dealt out piece by piece, so that no part is negative, the parts of one piece are never
    above its price where all amounts together are not above that of the line, and all parts add up to the amounts.
    """
    if not (before >= 0 and more >= 0 and before + more <= quantity):
        raise BadInput(
            f"quantity: {before} of {quantity} pieces are back already; {more} more cannot be", field="quantity"
        )
    found, start = [], 0
    for amount in amounts:
        end = start + amount
        # Of the units from start to end, those of the pieces from before to before + more.
        parts = [dealt(end, quantity, each) - dealt(start, quantity, each) for each in (before, before + more)]
        found.append(parts[1] - parts[0])
        start = end
    return tuple(found)


def returned(sold: Priced, before: Sequence[int], more: Sequence[int]) -> Returned:
    """What `more` pieces by line give back, when `before` of them came back earlier. Raises BadInput for too many.

    Each discount and each point goes back with its pieces; the shipping, what was paid of it and what was not, with
    the last piece. Whether an offer's minimum still holds for the rest is not asked: a promise kept is kept.
    """
    lines = sold.basket.lines
    given = [each for each in sold.offers if each.applied]
    off = [
        given_back([each.discounts[place] for each in given], line.quantity, before=before[place], more=more[place])
        for place, line in enumerate(lines)
    ]
    points = [
        tuple(
            given_back([each.points[place]], line.quantity, before=before[place], more=more[place])[0] for each in given
        )
        for place, line in enumerate(lines)
    ]
    left = sum(line.quantity for line in lines) - sum(before)
    whole = 0 < left == sum(more)
    return Returned(
        tuple(line.unit_price * more[place] - sum(off[place]) for place, line in enumerate(lines)),
        tuple(
            OfferBack(
                each.offer.offer_id,
                each.issue.code,
                tuple(row[place] for row in off),
                tuple(row[place] for row in points),
                each.shipping if whole else 0,
            )
            for place, each in enumerate(given)
        ),
        sold.basket.shipping - sold.shipping_discount if whole else 0,
        whole,
    )
