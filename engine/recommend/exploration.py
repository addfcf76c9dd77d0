"""Exploration: how much of a placement's list is left to chance, to learn what would else never be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput

BY = ("chance", "results")
#: With more of it a list would be a lottery; and what the ranking says must be shown often enough to be compared.
MOST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Exploration:
    """`share` is the chance of each place to be explored; `by` chooses alternatives all alike, or by their results."""

    share: float
    by: str = BY[0]


def exploration_of(given: Any) -> Exploration | None:
    """From the word of a placement: a share, or a table of `share` and `by`; None for none. Raises BadInput."""
    told: Mapping[str, Any] = given if isinstance(given, Mapping) else {"share": given}
    if odd := [f"{each!a}" for each in told if each not in ("share", "by")]:
        raise BadInput(f"explore: has share and by, not {odd[0]}", field="explore")
    share: Any = told.get("share")
    by = told.get("by", BY[0])
    if type(share) not in (int, float) or not 0 <= share <= MOST_SHARE:
        raise BadInput(f"explore: share must be a number of 0 to {MOST_SHARE}", field="explore.share")
    if by not in BY:
        raise BadInput(f"explore: by must be {' or '.join(BY)}, not {by!a}", field="explore.by")
    return Exploration(float(share), str(by)) if share else None
