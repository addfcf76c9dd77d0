"""Caps: how often an offer may be used, and how much it may give away, counted over whom and per which period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.targeting.terms_reader import Part, choice, list_of, refuse, some_money, whole

PERIODS = ("total", "day", "week", "month")
#: Who is counted: everybody at the offer or at its campaign, or each customer at the offer or at its campaign.
COUNTED = ("offer", "campaign", "customer", "customer_campaign")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` uses, of all or of each customer, in a period of the shop's calendar."""

    of: str
    count: int
    per: str = "total"


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `amount` minor units of discounts, of all or of each customer, in a period of the shop's calendar."""

    amount: int
    of: str = "offer"
    per: str = "total"


def read_limit(value: Any, path: str) -> Limit:
    """One limit of its JSON form."""
    part = Part(value, path)
    found = Limit(
        part.need("of", choice(*COUNTED)),
        part.need("count", whole(1, 10**12)),
        part.may("per", choice(*PERIODS), "total"),
    )
    part.done()
    return found


def read_budgets(part: Part) -> tuple[Budget, ...]:
    """The budgets that an offer's JSON form names."""
    none: tuple[Budget, ...] = ()
    several = part.may("budgets", list_of(_budget, least=0), none)
    # One is written without a list.
    one = part.may("budget", _budget, None)
    if one is None:
        return several
    if several:
        refuse("budget", "say either budget or budgets")
    return (one,)


def _budget(value: Any, path: str) -> Budget:
    part = Part(value, path)
    found = Budget(
        part.need("amount", some_money),
        part.may("of", choice(*COUNTED), "offer"),
        part.may("per", choice(*PERIODS), "total"),
    )
    part.done()
    return found
