"""Counting: which counters a use of an offer moves. Limits and budgets are caps on them.

A counter belongs to an offer or a campaign, for everybody or for one customer, in total or in the shop's day, week or
month. Once a version of an offer limits something, every later use of it is counted there, whichever version it is of.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from engine.errors import BadInput

KINDS = ("uses", "money")
OF = ("offer", "campaign", "customer", "customer_campaign")
PERIODS = ("total", "day", "week", "month")


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """What is counted: `kind` uses or money (minor units), `of` whom, and `per` which period."""

    kind: str
    of: str
    per: str

    def __post_init__(self) -> None:
        for name, value, known in (("kind", self.kind, KINDS), ("of", self.of, OF), ("per", self.per, PERIODS)):
            if value not in known:
                raise BadInput(f"{name}: {value!r} is none of {', '.join(known)}", field=name)

    @property
    def text(self) -> str:
        return f"{self.kind} {self.of} {self.per}"

    @property
    def of_campaign(self) -> bool:
        return self.of in ("campaign", "customer_campaign")

    @property
    def of_customer(self) -> bool:
        return self.of in ("customer", "customer_campaign")


@dataclass(frozen=True, slots=True)
class Hold:
    """One use's part of a counter; `cap` None counts without limiting."""

    key: str
    add: int
    cap: int | None = None


def scope_of(text: str) -> Scope:
    return Scope(*text.split(" "))


def owner_of(scope: Scope, offer_id: str, campaign_id: str | None) -> str:
    """Whose counter it is, as a name in the ledger. Raises BadInput for a campaign's limit without one."""
    if not scope.of_campaign:
        return offer_owner(offer_id)
    if campaign_id is None:
        raise BadInput("limits: the offer belongs to no campaign; name its campaign_id", field="campaign_id")
    return campaign_owner(campaign_id)


def offer_owner(offer_id: str) -> str:
    return f"offer {offer_id}"


def campaign_owner(campaign_id: str) -> str:
    return f"campaign {campaign_id}"


def day_of(moment: float, zone: str) -> date:
    """The shop's day; `moment` in epoch seconds."""
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).date()


def counter_key(scope: Scope, owner: str, user_id: str | None, day: date) -> str:
    """The counter's name; ids may hold any character, so it is a JSON text."""
    week = day.isocalendar()
    period = {
        "total": "",
        "day": day.isoformat(),
        "week": f"{week.year}-W{week.week:02}",
        "month": f"{day.year}-{day.month:02}",
    }[scope.per]
    return json.dumps([scope.text, owner, user_id if scope.of_customer else None, period], ensure_ascii=False)


def holds_of(
    offer_id: str,
    campaign_id: str | None,
    user_id: str | None,
    *,
    caps: Mapping[Scope, int],
    counted: Collection[Scope],
    discount: int,
    day: date,
) -> tuple[Hold, ...]:
    """What one use moves: the scopes that its own version limits (`caps`), and those that other versions do.

    Raises BadInput when something is limited for each customer and nobody is named.
    """
    holds = []
    for scope in sorted({*caps, *counted}):
        if scope.of_customer and user_id is None:
            if scope in caps:
                raise BadInput("user_id: this offer is limited for each customer; name the user", field="user_id")
            continue
        key = counter_key(scope, owner_of(scope, offer_id, campaign_id), user_id, day)
        holds.append(Hold(key, 1 if scope.kind == "uses" else discount, caps.get(scope)))
    return tuple(holds)
