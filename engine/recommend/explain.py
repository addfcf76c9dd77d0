"""Explain: why an item stands in a list, in one true sentence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.declared import SOURCE
from engine.learned import Neighbours
from engine.recommend.query import Query, Recommendation
from engine.recommend.sources import ANCHORS, DAY


def reason(found: Recommendation, query: Query, bundle: Bundle) -> str:
    """The evidence of the source that proposed the item; it names only what the profile or the context holds."""
    source = found.source
    if source == "own":
        return _bought(found.row, query)
    if source in ("browsed", "viewed"):
        return "you looked at it lately"
    if source == "neighbours":
        anchor = _strongest_caller(found.row, query, bundle)
        return f"because you took {name(anchor, bundle)}" if anchor >= 0 else "goes with what you took"
    if source in ("similar_items", "bought_together"):
        near = bundle.neighbours if source == "similar_items" else bundle.baskets
        shown = name(max(map(int, query.items), key=lambda item: _weight_between(item, found.row, near)), bundle)
        return f"others take it like {shown}" if source == "similar_items" else f"bought together with {shown}"
    if source in ("category", "same_category"):
        return f"popular in {bundle.catalog.category_names[int(bundle.catalog.category[found.row])]}"
    if source in ("new_for_you", "new_alike"):
        return "new, and like what you take" if source == "new_for_you" else "new, and like it"
    if source == "peers":
        return _popular_with(found.row, query, bundle)
    return {
        "similar_users": "people who buy like you buy it",
        "factors": "fits your taste",
        "trending": "sells better than it used to",
        "popular": "popular now",
        "pinned": "chosen by the shop",
    }[source]


def _popular_with(row: int, query: Query, bundle: Bundle) -> str:
    """Of what the customer declared, that which speaks most for the item: others who declared it buy it oftener."""
    known = bundle.peers
    place = int(np.searchsorted(known.items, row))
    rows = {word: found for word in query.profile.declared if (found := known.words.row(word)) >= 0}
    best = max(rows, key=lambda word: float(known.bend[rows[word], place]), default="")
    what, _, value = best.partition("=")
    if not best or known.bend[rows[best], place] <= 0:
        return "popular now"
    if what == SOURCE:
        return f"popular with customers who came by {value}"
    # Nobody wants to read their age or sex beside a cup.
    return f"popular in {value}" if what == "region" else "popular with customers like you"


def name(row: int, bundle: Bundle) -> str:
    """What to call an item: its name, else its id."""
    return bundle.catalog.names[row] or bundle.items.ids[row]


def _bought(row: int, query: Query) -> str:
    times = query.profile.times[query.profile.purchases & (query.profile.items == row)]
    days = int((query.now - times.max()) // DAY)
    count = len(np.unique(times))
    often = {1: "once", 2: "twice"}.get(count, f"{count} times")
    when = "today" if days <= 0 else "yesterday" if days == 1 else f"{days} days ago"
    return f"you bought it {often}, last {when}"


def _strongest_caller(row: int, query: Query, bundle: Bundle) -> int:
    """The item of the profile that speaks most for `row`, -1 when none calls it."""
    rows, weights = bundle.interests(query.profile, query.now)
    best, anchor = 0.0, -1
    for caller, weight in zip(rows[:ANCHORS], weights[:ANCHORS], strict=True):
        strength = float(weight) * _weight_between(int(caller), row, bundle.neighbours)
        if strength > best:
            best, anchor = strength, int(caller)
    return anchor


def _weight_between(caller: int, row: int, near: Neighbours) -> float:
    items, weights = near.of(caller)
    at: NDArray[np.int64] = np.flatnonzero(items == row)
    return float(weights[at[0]]) if len(at) else 0.0
