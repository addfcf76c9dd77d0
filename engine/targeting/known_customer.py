"""Known customer: what is known of who buys, as far as offers ask, and whose word counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shopper:
    """What is known of who buys, or said of them; None for what is not known."""

    segments: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    first_order: bool | None = None


@dataclass(frozen=True, slots=True)
class KnownCustomer:
    """Of the segments asked for, those that were evaluated; `ordered` None where nobody can know."""

    is_in: Mapping[str, bool]
    ordered: bool | None


def first_order_of(said: bool | None, ordered: bool | None) -> bool | None:
    """Whether an order would be the first. Without a known one the caller's word counts, and then what is known."""
    if ordered:
        return False
    return said if said is not None else (True if ordered is False else None)
