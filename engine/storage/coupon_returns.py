"""Returns: what of an order's discounts is taken back, whole or line by line, and what that gives back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput, NotAllowed, UnknownThing
from engine.storage.ledger import LedgerPool, at_once

#: Which line, by its place from 0, and how many pieces of it.
Pieces = tuple[int, int]

_STACK = """
SELECT s.order_id, s.user_id, s.currency, s.discount, s.returned, s.rollbacks, s.state,
    extract(epoch FROM clock_timestamp())::float8 + CAST(:offset AS float8),
    (SELECT jsonb_agg(jsonb_build_array(r.code, r.offer_id, r.discount, r.returned, r.holds) ORDER BY r.code)
     FROM redemptions r WHERE r.redemption_id = s.redemption_id),
    (SELECT jsonb_agg(jsonb_build_array(l.place, l.quantity, l.returned, l.shares) ORDER BY l.place)
     FROM redemption_lines l WHERE l.redemption_id = s.redemption_id)
FROM redemption_stacks s WHERE s.redemption_id = :id
"""


@dataclass(frozen=True, slots=True)
class RedeemedCoupon:
    """Money in minor units; `holds` are the counters that the use moved."""

    code: str
    offer_id: str
    discount: int
    returned: int
    holds: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RedeemedLine:
    """`shares` are each code's part of the line's discount, `returned` pieces."""

    place: int
    quantity: int
    returned: int
    shares: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Stack:
    """All that an order redeemed, as of `now`; `rollbacks` tells one state of it from the next."""

    order_id: str
    user_id: str | None
    currency: str
    discount: int
    returned: int
    rollbacks: int
    state: str
    now: float
    coupons: tuple[RedeemedCoupon, ...]
    lines: tuple[RedeemedLine, ...]


@dataclass(frozen=True, slots=True)
class Return:
    """What is taken back: of each code, of each line (pieces, money), and from which counters."""

    whole: bool
    amounts: Mapping[str, int]
    lines: tuple[tuple[int, int, int], ...]
    holds: tuple[tuple[str, int], ...]

    @property
    def amount(self) -> int:
        return sum(self.amounts.values())


def read_stack(ledger: LedgerPool, redemption_id: str, *, offset: float) -> Stack:
    """An order's redemption as it stands. Raises UnknownThing."""
    rows = at_once(ledger, _STACK, id=redemption_id, offset=offset)
    if not rows:
        raise UnknownThing("there is no such redemption", code="unknown_redemption", field="id")
    *told, coupons, lines = rows[0]
    told.append(tuple(RedeemedCoupon(*each) for each in coupons or ()))
    told.append(tuple(RedeemedLine(*each) for each in lines or ()))
    return Stack(*told)


def returned_share(share: int, quantity: int, before: int, pieces: int) -> int:
    """What `pieces` more of a line take back of its share, `before` having gone back already.

    However a line is returned, piece by piece or at once, its whole share goes back to the cent.
    """
    return share * (before + pieces) // quantity - share * before // quantity


def decide_return(stack: Stack, pieces: Sequence[Pieces] | None) -> Return:
    """What goes back for these pieces; None for all that is left. Uses are given back with the last of it.

    Raises NotAllowed for what went back already, BadInput for lines that the order does not have.
    """
    if stack.state != "redeemed":
        raise NotAllowed("this redemption was rolled back already", code="already_rolled_back", field="id")
    left = {each.place: each.quantity - each.returned for each in stack.lines}
    wanted = _checked(pieces, left) if pieces is not None else left
    whole = all(wanted.get(each, 0) == number for each, number in left.items())
    amounts: Counter[str] = Counter()
    lines = []
    for line in stack.lines:
        if number := wanted.get(line.place, 0):
            back = {
                code: returned_share(share, line.quantity, line.returned, number) for code, share in line.shares.items()
            }
            amounts.update(back)
            lines.append((line.place, number, sum(back.values())))
    if whole:  # also what lies on no line, such as free shipping
        amounts = Counter({each.code: each.discount - each.returned for each in stack.coupons})
    holds = [
        (hold["key"], 1 if whole else 0) if _counts_uses(hold["key"]) else (hold["key"], amounts[each.code])
        for each in stack.coupons
        for hold in each.holds
    ]
    return Return(whole, dict(amounts), tuple(lines), tuple((key, back) for key, back in holds if back))


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


def _counts_uses(key: str) -> bool:
    return str(json.loads(key)[0]).startswith("uses ")
