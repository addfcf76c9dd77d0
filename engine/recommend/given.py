"""Given: a list that somebody else made, such as a search's results, in the order in which this user would take it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.recommend import ranking
from engine.recommend.boosts import boosts
from engine.recommend.features import table
from engine.recommend.placements import placement
from engine.recommend.pooled import first_lines
from engine.recommend.proposing import propose
from engine.recommend.query import Query, Recommendation
from engine.recommend.sources import RANKED, SOURCES, Pool

#: What the order that was given counts as, where no source has a word on an item.
AS_GIVEN = "given"
_EVERY = 1_000_000  # candidates of a source: none of the given items is cut off
_FUSION = 60.0


def ranked_given(query: Query, bundle: Bundle, strength: float) -> list[Recommendation]:
    """Of `query.items` what passes the filter, reordered; without a filter none is removed.

    `strength` 0 keeps the order as it was given, 1 leaves it to the user's own; in between the two orders are fused by
    reciprocal rank, since a search's scores and ours have no common scale. A boost is a factor on that.
    """
    if query.allowed is not None:
        query = replace(query, items=query.items[query.allowed.keeps(query.items)])
    rows = query.items
    if not len(rows):
        return []
    pool = _pool(query, bundle)
    own = _own_order(query, bundle, pool)
    places = np.empty(len(own), np.int64)
    places[own] = np.arange(1, len(own) + 1)
    ours = places[np.searchsorted(pool.rows, rows)]
    given = np.arange(1, len(rows) + 1)
    scores = strength / (_FUSION + ours) + (1.0 - strength) / (_FUSION + given)
    if (boost := boosts(query, bundle, rows)) is not None:
        scores = scores * boost
    order = np.argsort(-scores, kind="stable")
    found = rows[order]
    return Recommendation.each(found.tolist(), scores[order].tolist(), _sources(pool, found))


def _pool(query: Query, bundle: Bundle) -> Pool:
    """The given items with what each source says of them, 0 where nothing."""
    nothing = np.zeros(0, np.int32)
    proposed = propose(RANKED, _EVERY, query.profile, bundle, query.now, nothing)
    rows = np.unique(query.items)
    table = np.zeros((len(SOURCES), len(rows)), np.float32)
    there = np.searchsorted(proposed.rows, rows)
    there[there == len(proposed.rows)] = 0
    both = np.flatnonzero(proposed.rows[there] == rows) if len(proposed.rows) else there[:0]
    table[:, both] = proposed.scores[:, there[both]]
    return Pool(rows, table)


def _own_order(query: Query, bundle: Bundle, pool: Pool) -> NDArray[np.int64]:
    """By the learned ranking; of somebody unknown by recent sales."""
    learned = bundle.rankings.get(placement("home").ranking or "")
    if learned is None or not len(query.profile):
        return np.argsort(-bundle.statistics.recent[pool.rows], kind="stable")
    features = table(query.profile, bundle, pool, query.now)
    return ranking.order_of(features, ranking.readied(learned, bundle))[0]


def _sources(pool: Pool, rows: NDArray[np.int32]) -> list[str]:
    """Who knows each of the rows best."""
    columns, names = np.searchsorted(pool.rows, rows), list(SOURCES)
    lines = first_lines(pool.scores, columns)
    said = pool.scores[lines, columns] > 0
    return [names[line] if known else AS_GIVEN for line, known in zip(lines.tolist(), said.tolist(), strict=True)]
