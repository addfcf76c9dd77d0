"""Explain: why an item stands in a list, in one true sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.declared import SOURCE
from engine.learned import Neighbours
from engine.recommend.onward import visit_of
from engine.recommend.query import Query, Recommendation
from engine.recommend.said import ANCHORS
from engine.summed import DAY
from engine.visits import Followers, Recent


def reason(found: Recommendation, query: Query, bundle: Bundle) -> str:
    """The evidence of the source that proposed the item; it names only what the profile or the context holds."""
    told = _evidence(found, query, bundle)
    return f"tried out; {told}" if found.explored else told


def _evidence(found: Recommendation, query: Query, bundle: Bundle) -> str:
    source = found.source
    if source == "own":
        return _bought(found.row, query)
    if source == "due":
        return f"{_due(found, query)}: {_bought(found.row, query)}"
    if source in ("browsed", "viewed"):
        return "you looked at it lately"
    if source == "neighbours":
        anchor = _strongest_caller(found.row, query, bundle)
        return f"because you took {name(anchor, bundle)}" if anchor >= 0 else "goes with what you took"
    if source in ("similar_items", "bought_together"):
        near = bundle.neighbours if source == "similar_items" else bundle.baskets
        shown = name(max(map(int, query.items), key=lambda item: _weight_between(item, found.row, near)), bundle)
        return f"others take it like {shown}" if source == "similar_items" else f"bought together with {shown}"
    if source == "onward":
        return _went_on(found.row, query, bundle)
    if source in ("selling", "rising"):
        return _sold(found.row, rises=source == "rising", bundle=bundle)
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


def _sold(row: int, *, rises: bool, bundle: Bundle) -> str:
    sales = bundle.sales
    assert sales is not None
    at = int(np.flatnonzero(sales.items == row)[0])
    days = "day" if sales.days == 1 else f"{sales.days} days"
    told = f"bought {_times(sales.sold[at])} in the last {days}"
    told += f", {_times(sales.before[at])} in the {days} before" if rises else ""
    return told if sales.segment is None else f"{told} by {sales.segment}"


def _times(count: float) -> str:
    return {1: "once", 2: "twice"}.get(int(count), f"{int(count)} times")


def _due(found: Recommendation, query: Query) -> str:
    """With the day in UTC; a moment that nobody computed stays unsaid."""
    if found.due_at is None:
        return "due again"
    since = "since" if found.due_at <= query.now else "on"
    return f"due again {since} {datetime.fromtimestamp(found.due_at, UTC):%Y-%m-%d}"


def _bought(row: int, query: Query) -> str:
    times = query.profile.times[query.profile.purchases & (query.profile.items == row)]
    days = int((query.now - times.max()) // DAY)
    count = len(np.unique(times))
    often = _times(count)
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


def _went_on(row: int, query: Query, bundle: Bundle) -> str:
    """Whether this visit took it itself, from which of its items others went on to it, or that visits like it did."""
    recent = Recent.of(visit_of(query.profile, bundle, query.items))
    if row in recent.rows:
        return "you looked at it in this visit"
    followers = bundle.onward.followers
    counts = np.append(followers.by_age, 0.0)[np.minimum(recent.ago, len(followers.by_age))]
    weights = np.array([_weight_between(int(item), row, followers) for item in recent.rows]) * counts
    if not weights.any():
        return "others took it in visits like this one"
    return f"others went on to it from {name(int(recent.rows[int(np.argmax(weights))]), bundle)}"


def _weight_between(caller: int, row: int, near: Neighbours | Followers) -> float:
    items, weights = near.of(caller)
    at: NDArray[np.int64] = np.flatnonzero(items == row)
    return float(weights[at[0]]) if len(at) else 0.0
