"""Returns: what of an order's discounts goes back when some of its pieces do, to the cent in any order.

The one arithmetic of returns: a redemption as the ledger keeps it comes in, what is taken back goes out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput, NotAllowed
from engine.targeting.money import dealt

#: Which line, by its place from 0, and how many pieces of it.
Pieces = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RedeemedCoupon:
    """Money in minor units, `returned` of the `discount`; `holds` are the counters that the use moved."""

    code: str
    offer_id: str
    discount: int
    returned: int
    holds: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RedeemedLine:
    """`price` of a piece, before coupons; `shares` are each code's part of the line's discount; `returned` pieces."""

    place: int
    quantity: int
    price: int
    returned: int
    shares: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Redeemed:
    """All that an order redeemed. `subtotal` holds the shipping, too; `discount` is off it, minor units."""

    subtotal: int
    discount: int
    coupons: tuple[RedeemedCoupon, ...]
    lines: tuple[RedeemedLine, ...]

    @property
    def shipping_paid(self) -> int:
        """What was paid for sending: what neither the lines nor the discount account for."""
        lines = sum(each.price * each.quantity - sum(each.shares.values()) for each in self.lines)
        return self.subtotal - self.discount - lines


@dataclass(frozen=True, slots=True)
class ReturnedLine:
    """`amount` of its discount that is taken back; `refund` is what had been paid for the pieces."""

    place: int
    quantity: int
    amount: int
    refund: int


@dataclass(frozen=True, slots=True)
class Return:
    """What is taken back: of each code, of each line, and from which counters. `shipping` is what was paid of it."""

    whole: bool
    amounts: Mapping[str, int]
    lines: tuple[ReturnedLine, ...]
    holds: tuple[tuple[str, int], ...]
    shipping: int

    @property
    def amount(self) -> int:
        return sum(self.amounts.values())

    @property
    def refund(self) -> int:
        return sum(each.refund for each in self.lines) + self.shipping


def given_back(amounts: Sequence[int], quantity: int, *, before: int, more: int) -> tuple[int, ...]:
    """Parts of the amounts of one line (one for each code, in the stored order) for `more` of its pieces, when
    `before` of them came back earlier.

    The units of all amounts are dealt out piece by piece, so that no part is negative, the parts of one piece are never
    above its price where all amounts together are not above that of the line, and all parts add up to the amounts.
    """
    found, start = [], 0
    for amount in amounts:
        end = start + amount
        # Of the units from start to end, those of the pieces from before to before + more.
        parts = [dealt(end, quantity, each) - dealt(start, quantity, each) for each in (before, before + more)]
        found.append(parts[1] - parts[0])
        start = end
    return tuple(found)


def returned(sold: Redeemed, pieces: Sequence[Pieces] | None) -> Return:
    """What goes back for these pieces; None for all that is left.

    Each share of a discount goes back with its piece. With the last piece go the uses, what lay on no line (free
    shipping) and what gifts took from a budget. Whether an offer's minimum still holds for the rest is not asked: a
    promise kept is kept. Raises NotAllowed for what went back already, BadInput for lines that the order does not have.
    """
    left = {each.place: each.quantity - each.returned for each in sold.lines}
    if not any(left.values()):
        raise NotAllowed("nothing of this redemption can go back", code="nothing_to_return", field="id")
    wanted = left if pieces is None else _checked(pieces, left)
    whole = all(wanted.get(place, 0) == number for place, number in left.items())
    amounts: Counter[str] = Counter()
    lines = []
    for line in sold.lines:
        if number := wanted.get(line.place, 0):
            parts = given_back(tuple(line.shares.values()), line.quantity, before=line.returned, more=number)
            amounts.update(dict(zip(line.shares, parts, strict=True)))
            lines.append(ReturnedLine(line.place, number, sum(parts), line.price * number - sum(parts)))
    if whole:  # also what lies on no line
        amounts = Counter({each.code: each.discount - each.returned for each in sold.coupons})
    return Return(
        whole, dict(amounts), tuple(lines), _holds(sold, amounts, whole=whole), sold.shipping_paid if whole else 0
    )


def _holds(sold: Redeemed, amounts: Mapping[str, int], *, whole: bool) -> tuple[tuple[str, int], ...]:
    """What each counter gets back. Of money all that the use took, in the end, the value of gifts included."""
    found = []
    for coupon in sold.coupons:
        for hold in coupon.holds:
            if str(json.loads(hold["key"])[0]).startswith("uses "):
                found.append((hold["key"], 1 if whole else 0))
            else:
                rest = hold["add"] - coupon.returned
                found.append((hold["key"], rest if whole else amounts.get(coupon.code, 0)))
    return tuple((key, back) for key, back in found if back)


def _checked(pieces: Sequence[Pieces], left: Mapping[int, int]) -> Mapping[int, int]:
    wanted: Counter[int] = Counter()
    for at, (line, number) in enumerate(pieces):
        if line not in left:
            raise BadInput(f"lines: the order has no line {line}", field="lines", position=at)
        if number < 1:
            raise BadInput("lines: at least one piece goes back", field="lines", position=at)
        wanted[line] += number
        if wanted[line] > left[line]:
            raise NotAllowed(
                f"lines: of the line {line} only {left[line]} can go back",
                code="returned_already",
                field="lines",
                position=at,
            )
    if not wanted:
        raise BadInput("lines: name at least one, or leave them out to take all back", field="lines")
    return wanted
