"""Contrast of a class: how many more of its members bought because campaigns talked to them, over several campaigns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Arms:
    """Members of a class in one campaign, by arm, and those of them who bought in its outcome window."""

    treated: int
    held_out: int
    treated_bought: int
    held_out_bought: int


@dataclass(frozen=True, slots=True)
class Contrast:
    """Over `campaigns` with both arms: `difference` is the part of the treated who bought and would not have, with its
    95 % interval.
    """

    campaigns: int
    treated: int
    held_out: int
    treated_bought: int
    held_out_bought: int
    difference: float
    low: float
    high: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def contrast(campaigns: Sequence[Arms]) -> Contrast | None:
    """The mean of the differences within campaigns, each weighed by those treated; None where none has both arms.

    Campaigns are never pooled before they are compared: they hold out different parts of different customers. The
    interval is that of Agresti and Caffo (2000) in each campaign, whose variances add up by the squared weights.
    """
    both = [each for each in campaigns if each.treated and each.held_out]
    if not both:
        return None
    treated = sum(each.treated for each in both)
    difference = variance = middle = 0.0
    for each in both:
        weight = each.treated / treated
        difference += weight * (each.treated_bought / each.treated - each.held_out_bought / each.held_out)
        one, other = (each.treated_bought + 1) / (each.treated + 2), (each.held_out_bought + 1) / (each.held_out + 2)
        middle += weight * (one - other)
        variance += weight**2 * (one * (1 - one) / (each.treated + 2) + other * (1 - other) / (each.held_out + 2))
    wide = _Z * math.sqrt(variance)
    return Contrast(
        campaigns=len(both),
        treated=treated,
        held_out=sum(each.held_out for each in both),
        treated_bought=sum(each.treated_bought for each in both),
        held_out_bought=sum(each.held_out_bought for each in both),
        difference=difference,
        low=max(middle - wide, -1.0),
        high=min(middle + wide, 1.0),
    )
