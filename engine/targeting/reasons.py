"""Reasons: why an offer does not apply, for a program and for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: Every code, and what it means.
REASONS: Mapping[str, str] = {
    "not_yet_valid": "It begins later; `limit` says when.",
    "expired": "It has ended; `limit` says when.",
    "not_today": "It is for other days of the week, in the shop's zone.",
    "not_at_this_hour": "It is for other hours of the day, in the shop's zone.",
    "other_user": "The code was issued to somebody else.",
    "not_in_segment": "It is for segments that the user is not known to be in.",
    "not_in_tier": "It is for tiers that the user is not in.",
    "not_first_order": "It is for a first order, and this is none, or nobody knows.",
    "other_currency": "The basket is in another currency.",
    "same_offer": "The same offer applies already.",
    "exclusive": "It applies alone, or one that does is there.",
    "same_group": "Another one of its group applies already.",
    "never_with": "Its terms, or those of another, say never together.",
    "nothing_in_scope": "No line is within its scope.",
    "product_taken": "All lines within its scope have an offer that suffers no other one on its products.",
    "below_minimum_amount": "The basket is worth too little; `limit` and `used` say how much.",
    "below_minimum_quantity": "The basket holds too few pieces; `limit` and `used` say how many.",
    "profit_floor": "Nothing can be taken off without going below cost and floor.",
    "no_effect": "It gives this basket nothing.",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. `field` names the term, `limit` what it asks and `used` what there is."""

    code: str
    message: str
    field: str | None = None
    limit: int | str | None = None
    used: int | str | None = None
    offer_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}
