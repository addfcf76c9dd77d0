"""Shelves: the categories and brands that a user cares for, as things to recommend themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.bundle import Bundle
from engine.profile import Profile


@dataclass(frozen=True, slots=True)
class Shelf:
    """`share` of the user's interest, or of recent sales where nothing is known of the user."""

    name: str
    share: float
    personalized: bool


def shelves(kind: str, profile: Profile, bundle: Bundle, now: float, limit: int) -> list[Shelf]:
    """The best categories (most specific ones) or brands for a user, then the best-selling ones; at most `limit`."""
    catalog = bundle.catalog
    codes, names = (
        (catalog.category, catalog.category_names) if kind == "categories" else (catalog.brand, catalog.brand_names)
    )
    rows, weights = bundle.interests(profile, now)
    sold = bundle.sellable & (codes >= 0)
    found: list[Shelf] = []
    for of, worth, personal in ((rows, weights, True), (np.flatnonzero(sold), bundle.statistics.recent[sold], False)):
        known = codes[of] >= 0
        total = np.bincount(codes[of][known], worth[known], minlength=len(names))
        # A shelf on which nothing is sold now is no place to send somebody.
        total[np.bincount(codes[sold], minlength=len(names)) == 0] = 0
        told = {each.name for each in found}
        best = [code for code in np.argsort(-total, kind="stable")[: 2 * limit].tolist() if total[code] > 0]
        found += [
            Shelf(names[code], float(total[code] / total.sum()), personal) for code in best if names[code] not in told
        ]
    return found[:limit]
