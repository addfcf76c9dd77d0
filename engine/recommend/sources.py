"""Sources: who proposes. Each returns item rows, best first, with scores of its own scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.learned import Neighbours
from engine.overlay import BY_CHANCE
from engine.profile import PURCHASE, Profile
from engine.recommend.due import due
from engine.recommend.onward import onward
from engine.recommend.peers import peers
from engine.recommend.said import ANCHORS, BEST_EACH, BROWSED_DAYS, CATEGORIES, NEIGHBOURS_EACH, OWN_DAYS
from engine.summed import Found, best_first, called, called_by_groups, interests

NOTHING: Found = (np.zeros(0, np.int32), np.zeros(0, np.float32))

#: How many of the items nearest to a user are proposed.
NEAREST = 100


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates: `rows` [n] ascending, and `scores` [len(SOURCES), n] with each source's best at 1, 0 for no proposal.

    Scores of two sources are never added: their scales differ; a learned ranking weighs them, or ranks are fused.
    """

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]


def own(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """What the user bought before, by frequency fading with a 60-day half-life."""
    bought = np.zeros_like(bundle.type_weights)
    bought[PURCHASE] = 1
    return _fading(profile, bought, now, OWN_DAYS)


def browsed(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """What the user looked at or kept, by the weight of each sign, fading with a 7-day half-life."""
    looked = bundle.type_weights.copy()
    looked[PURCHASE] = 0
    return _fading(profile, looked, now, BROWSED_DAYS)


def viewed(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """What the user looked at or kept, by the last time."""
    looked = ~profile.purchases & (bundle.type_weights[profile.types] > 0)
    rows, latest = np.unique(profile.items[looked][::-1], return_index=True)
    times = profile.times[looked][::-1][latest]
    order = np.lexsort((rows, -times))
    # Of the same second, and of any, the scores must fall: what counts is the place.
    return rows[order].astype(np.int32), np.arange(len(order), 0, -1, dtype=np.float32)


def neighbours(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """Items that others buy who bought what this user did lately."""
    rows, weights = bundle.interests(profile, now)
    return _called(bundle.neighbours, rows[:ANCHORS], weights[:ANCHORS])


def similar_users(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """What the most similar users buy, as learned for this very user, be it before their latest events."""
    return bundle.similar_users.of(profile.row) if profile.is_stored or profile.is_continued else NOTHING


def factors(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """The items nearest to the user's vector."""
    vector = bundle.user_vector(profile, now)
    if vector is None:
        return NOTHING
    rows, scores = bundle.index.best(vector, NEAREST)
    near = len(rows) if len(rows) and scores[-1] > 0 else np.count_nonzero(scores > 0)
    return rows[:near].astype(np.int32, copy=False), scores[:near]


def category(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """Best sellers of the categories that the user cares for."""
    rows, weights = bundle.interests(profile, now)
    codes, best = bundle.catalog.category[rows], bundle.best_of_category
    return called_by_groups(best.indptr, best.items, best.weights, codes, weights, CATEGORIES, BEST_EACH)


def popular(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """What sells best these weeks."""
    return bundle.popular.items, bundle.popular.scores


def trending(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """What sells clearly better than it used to."""
    return bundle.trending.items, bundle.trending.scores


def selling(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """What sold best within the window, and to the segment, that is asked for."""
    sales = bundle.sales
    return NOTHING if sales is None else best_first(sales.items, sales.sold)


def rising(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """What sold within the window clearly better than in the same time before, in deviations of a Poisson count."""
    sales = bundle.sales
    if sales is None:
        return NOTHING
    above = (sales.sold - sales.before) / np.sqrt(sales.before + np.float32(1))
    return best_first(sales.items, np.where(above > BY_CHANCE, above, np.float32(0)))


def similar_items(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """Items that the same people take as the ones in view; of a newcomer, those that are like it."""
    rows, weights = _called(bundle.neighbours, context, np.ones(len(context), np.float32))
    if bundle.newcomers is None or not (context >= bundle.newcomers.first).any():
        return rows, weights
    new = context[context >= bundle.newcomers.first] - bundle.newcomers.first
    more, likeness = _called(bundle.newcomers.alike, new, np.ones(len(new), np.float32))
    fresh = ~np.isin(more, rows)
    return best_first(np.r_[rows, more[fresh]], np.r_[weights, likeness[fresh]])


def bought_together(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """Items that stand in the same orders as the ones in view, more often than chance would have it."""
    return _called(bundle.baskets, context, np.ones(len(context), np.float32))


def same_category(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """Best sellers of the categories that the items in view belong to."""
    codes = np.unique(bundle.catalog.category[context])
    return _called(bundle.best_of_category, codes[codes >= 0], np.ones(len(codes), np.float32))


def new_for_you(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """Items newer than everything learned that are like what the user takes."""
    return _newcomers_near(bundle, *bundle.interests(profile, now))


def new_alike(profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]) -> Found:
    """Items newer than everything learned that are like the ones in view."""
    return _newcomers_near(bundle, context, np.ones(len(context), np.float32))


Source = Callable[[Profile, Bundle, float, NDArray[np.int32]], Found]

#: All sources. Their scores are features, and a reason is looked for in this order: the most personal first.
SOURCES: dict[str, Source] = {
    "own": own,
    "browsed": browsed,
    "neighbours": neighbours,
    "similar_users": similar_users,
    "factors": factors,
    "category": category,
    "peers": peers,
    "trending": trending,
    "popular": popular,
    "similar_items": similar_items,
    "bought_together": bought_together,
    "same_category": same_category,
    "new_for_you": new_for_you,
    "new_alike": new_alike,
    "viewed": viewed,
    "due": due,
    "selling": selling,
    "rising": rising,
    "onward": onward,
}
#: Those that speak from the user's own profile.
PERSONAL = frozenset(
    {"own", "browsed", "neighbours", "similar_users", "factors", "category", "new_for_you", "viewed", "due", "onward"}
    | {"peers"}
)
#: Those that may stand behind a learned ranking.
RANKED = ("own", "browsed", "neighbours", "similar_users", "factors", "category", "trending", "popular")


def _fading(profile: Profile, type_weights: NDArray[np.float32], now: float, half_life: float) -> Found:
    """What a profile holds, by the weight of each sign, all fading with one half-life (days)."""
    fading = _fadings(half_life, len(type_weights))
    return interests(profile.items, profile.types, profile.times, type_weights, fading, now)


@lru_cache
def _fadings(half_life: float, n: int) -> NDArray[np.float32]:
    return np.full(n, half_life, np.float32)


def _called(
    near: Neighbours, anchors: NDArray[np.int32], weights: NDArray[np.float32], each: int = NEIGHBOURS_EACH
) -> Found:
    return called(near.indptr, near.items, near.weights, anchors, weights, each)


def _newcomers_near(bundle: Bundle, rows: NDArray[np.int32], weights: NDArray[np.float32]) -> Found:
    """Newcomers by the weight of the items that they are like."""
    new = bundle.newcomers
    if new is None or not len(rows):
        return NOTHING
    # One dense line over the catalogue, so that every newcomer is judged in one pass.
    interest = np.zeros(new.first, np.float32)
    known = rows < new.first
    interest[rows[known]] = weights[known]
    owners = np.repeat(np.arange(len(new)), np.diff(new.alike.indptr))
    scores = np.bincount(owners, interest[new.alike.items] * new.alike.weights, len(new))
    return best_first(np.arange(new.first, new.first + len(new), dtype=np.int32), scores.astype(np.float32))
