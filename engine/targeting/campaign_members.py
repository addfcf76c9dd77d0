"""Members: what became of each customer of a campaign's audience, as columns that its report is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ARMS = ("treatment", "holdout", "global_holdout")
TREATMENT, HOLDOUT, GLOBAL_HOLDOUT = range(3)

#: Of a customer: 1 where it happened, else 0; the rest are sums in the outcome window, money in minor units.
MEASURES = ("messaged", "exposed", "issued", "redeemed", "cost", "orders", "revenue", "margin")
#: What a campaign is to change. The others are what was done to the treated.
OUTCOMES = ("redeemed", "cost", "orders", "revenue", "margin")
MONEY = ("cost", "revenue", "margin")
#: The stages that customers go through, in this order.
STAGES = ("messaged", "exposed", "issued", "redeemed")


@dataclass(frozen=True, slots=True, eq=False)
class Later:
    """What was paid after joining: `value` minor units by the member in row `member`, `day` whole days later."""

    member: Ints
    day: Ints
    value: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """A row a customer [n]. `variant` and `segment` are places in their names, -1 for none.

    `measures` are [n] columns named as in MEASURES; margin is left out where it is not known. `before` are columns of
    what was known before the draw. `joined` and the times of `first` (by stage, NaN for never) are epoch seconds.
    """

    arm: Ints
    variant: Ints
    variants: tuple[str, ...]
    segment: Ints
    segments: tuple[str, ...]
    propensity: Floats
    joined: Floats
    measures: Mapping[str, Floats]
    before: Mapping[str, Floats]
    first: Mapping[str, Floats]
    later: Later
    #: The part of what was paid whose costs are known, and the part whose costs the items say; the rest of the known
    #: follows from the margin that the campaign says.
    known: float = 1.0
    by_items: float = 1.0

    def __len__(self) -> int:
        return len(self.arm)


@dataclass(frozen=True, slots=True)
class Design:
    """How the arms were drawn, as the campaign's document says; `shares` by variant, None where a plan chose.

    `is_limited`: of some offers there are so many pieces, so that fewer than their share were kept of a variant, in all
    arms alike.
    """

    window_days: int = 28
    assignment: str = "random"
    holdout: float = 0.0
    shares: Mapping[str, float] | None = None
    is_triggered: bool = False
    is_limited: bool = False

    @property
    def is_drawn(self) -> bool:
        return self.assignment == "random"


def design_of(document: Mapping[str, Any]) -> Design:
    """From a campaign's document."""
    assignment = document.get("assignment") or "random"
    return Design(
        int(document.get("window_days") or 28),
        assignment,
        float(document.get("holdout") or 0.0),
        _shares(document) if assignment == "random" else None,
        bool(document.get("trigger")),
        any(isinstance(each, Mapping) and each.get("pieces") is not None for each in document.get("offers") or ()),
    )


def offers_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of all offers that a campaign may give."""
    named = [each if isinstance(each, str) else each["offer_id"] for each in document.get("offers") or ()]
    named += [each["offer_id"] for each in document.get("variants") or () if each.get("offer_id")]
    return tuple(dict.fromkeys(named))


def _shares(document: Mapping[str, Any]) -> dict[str, float]:
    """Of the treated, by variant; without variants the offers in equal shares, without offers a message alone."""
    variants: Sequence[Mapping[str, Any]] = document.get("variants") or ()
    if variants:
        return {each["variant"]: float(each["share"]) for each in variants}
    offers = offers_of({"offers": document.get("offers")})
    return {each: 1 / len(offers) for each in offers} if offers else {"message": 1.0}
