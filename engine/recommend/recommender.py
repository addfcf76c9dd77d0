"""The whole pipeline on one screen: sources propose, filters drop, ranking orders, the best leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.recommend import ranking
from engine.recommend.features import columns
from engine.recommend.filters import FILTERS
from engine.recommend.query import Query, Recommendation
from engine.recommend.sources import SOURCES, Pool, propose

_FUSION = 60.0  # Cormack, Clarke and Buettcher 2009: how much the first ranks of a source stand out


def recommend(query: Query, bundle: Bundle) -> list[Recommendation]:
    """At most `query.limit` items, best first; fewer only when the shop has no more that may be shown."""
    found = ranked(query, bundle)
    for source in query.placement.fallback:
        if len(found) >= query.limit:
            break
        shown = {each.row for each in found}
        more = _fused(candidates(query, bundle, [source]), query.limit + len(shown))
        # Scores fall along the list, also where the fallback begins with a scale of its own.
        ceiling = found[-1].score if found else np.inf
        found += [replace(each, score=min(each.score, ceiling)) for each in more if each.row not in shown]
    return found[: query.limit]


def ranked(query: Query, bundle: Bundle) -> list[Recommendation]:
    """What the placement's own sources and ranking give, without its fallback."""
    if query.placement.ranking and not len(query.profile):
        return []  # A ranking learns from people with a history: for somebody unknown the fallback answers.
    pool = candidates(query, bundle, query.placement.sources)
    learned = bundle.rankings.get(query.placement.ranking or "")
    if learned is None:
        return _fused(pool, query.limit)
    order, scores = ranking.order(learned, columns(query.profile, bundle, pool, query.now))
    return _chosen(pool, order[: query.limit], scores)


def candidates(query: Query, bundle: Bundle, sources: Sequence[str]) -> Pool:
    """What the sources propose and the filters let pass."""
    pool = propose(sources, query.placement.most, query.profile, bundle, query.now, query.items)
    keep = np.ones(len(pool.rows), bool)
    for name in query.placement.filters:
        keep &= FILTERS[name](query, bundle, pool.rows)
    return pool.keep(keep)


def _fused(pool: Pool, limit: int) -> list[Recommendation]:
    """By reciprocal rank over the sources: their raw scores have different scales."""
    total = np.zeros(len(pool.rows))
    for line in pool.scores:
        proposed = np.flatnonzero(line)
        places = np.empty(len(proposed))
        places[np.argsort(-line[proposed], kind="stable")] = np.arange(1, len(proposed) + 1)
        total[proposed] += 1.0 / (_FUSION + places)
    order = np.argsort(-total, kind="stable")[:limit]
    return _chosen(pool, order, total[order])


def _chosen(pool: Pool, order: NDArray[np.int64], scores: NDArray[np.float64]) -> list[Recommendation]:
    names = list(SOURCES)
    sources = np.argmax(pool.scores[:, order] > 0, axis=0)
    return [
        Recommendation(int(pool.rows[at]), float(score), names[source])
        for at, score, source in zip(order, scores, sources, strict=False)
    ]
