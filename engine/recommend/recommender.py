"""The whole pipeline on one screen: sources propose, filters drop, ranking orders, the best leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.recommend import ranking
from engine.recommend.boosts import boosts
from engine.recommend.features import table
from engine.recommend.filters import drops
from engine.recommend.pooled import first_lines
from engine.recommend.proposing import propose
from engine.recommend.query import Query, Recommendation
from engine.recommend.sources import SOURCES, Pool

_FIRST_NEWCOMER, _NEWCOMER_EVERY = 5, 10
#: So many variants of items that stand higher are expected among the best: more places are ordered at once.
_VARIANTS = 20
_NAMES = tuple(SOURCES)
_FUSION = 60.0  # Cormack, Clarke and Buettcher 2009: how much the first ranks of a source stand out


def recommend(query: Query, bundle: Bundle) -> list[Recommendation]:
    """At most `query.limit` items, best first; fewer only when the shop has no more that may be shown."""
    found = ranked(query, bundle)
    for source in _fallback(query):
        if len(found) >= query.limit:
            break
        more = _fused(candidates(query, bundle, [source]), query.limit + len(found), query, bundle)
        # Scores fall along the list, also where the fallback begins with a scale of its own.
        ceiling = found[-1].score if found else np.inf
        found += [each._replace(score=min(each.score, ceiling)) for each in _unlike(more, found, bundle)]
    return _with_newcomers(found[: query.limit], query, bundle)


def _fallback(query: Query) -> tuple[str, ...]:
    """What stands in; where a filter leaves little of that, the best sellers among what passes it."""
    asked = query.placement.fallback if query.control.fills else ()
    return (*asked, "popular") if asked and query.allowed is not None and "popular" not in asked else asked


def ranked(query: Query, bundle: Bundle) -> list[Recommendation]:
    """What the placement's own sources and ranking give, without its fallback."""
    if query.placement.ranking and not len(query.profile):
        return []  # A ranking learns from people with a history: for somebody unknown the fallback answers.
    pool = candidates(query, bundle, query.placement.sources)
    learned = bundle.rankings.get(query.placement.ranking or "")
    if learned is None:
        return _fused(pool, query.limit, query, bundle)
    boost = boosts(query, bundle, pool.rows)
    try:
        quick = ranking.readied(learned, bundle)
        features = table(query.profile, bundle, pool, query.now)
        query.mark("features")
        order, scores = ranking.order_of(features, quick, query.limit + _VARIANTS if boost is None else None)
    except Exception as problem:
        query.failed("ranking", problem)
        return _fused(pool, query.limit, query, bundle)
    query.mark("ranking")
    if boost is not None:
        # The learned scores are logarithms of odds, up to a constant: a factor on the odds is added.
        scores = scores + np.log(boost[order])
        again = np.argsort(-scores, kind="stable")
        order, scores = order[again], scores[again]
    first = _first_of_families(pool.rows[order], bundle)
    if len(first) < query.limit and len(order) < len(pool.rows):
        order, scores = ranking.order_of(features, quick)
        first = _first_of_families(pool.rows[order], bundle)
    first = first[: query.limit]
    return _chosen(pool, order[first], scores[first])


def candidates(query: Query, bundle: Bundle, sources: Sequence[str]) -> Pool:
    """What the sources propose and the filters let pass."""
    most = query.placement.most if query.allowed is None else max(query.placement.most, 2 * query.limit)
    of = (query.profile, bundle, query.now, query.items)
    pool = propose(
        sources,
        most,
        *of,
        allowed=query.allowed,
        drops=drops(query.placement.filters, query, bundle),
        mark=query.mark,
        failed=query.failed,
    )
    query.mark("filters")
    return pool


def _with_newcomers(found: list[Recommendation], query: Query, bundle: Bundle) -> list[Recommendation]:
    """The list with a newcomer in the fifth place and each tenth after it, as far as some fit."""
    source = query.placement.newcomers
    if source is None or bundle.newcomers is None or query.limit < _FIRST_NEWCOMER:
        return found
    places = range(_FIRST_NEWCOMER - 1, query.limit, _NEWCOMER_EVERY)
    new = _unlike(_fused(candidates(query, bundle, [source]), len(places), query, bundle), found, bundle)
    for place, each in zip(places, new, strict=False):
        at = min(place, len(found))
        found.insert(at, each._replace(score=found[at - 1].score if at else each.score))
    return found[: query.limit]


def _unlike(more: list[Recommendation], found: list[Recommendation], bundle: Bundle) -> list[Recommendation]:
    """Those of `more` that are not in `found`, nor variants of what is."""
    shown = {each.row for each in found}
    families = {int(bundle.catalog.family[each.row]) for each in found} - {-1}
    return [each for each in more if each.row not in shown and int(bundle.catalog.family[each.row]) not in families]


def _first_of_families(rows: NDArray[np.int32], bundle: Bundle) -> NDArray[np.int64]:
    """Places of `rows` without those that are variants of one before; in their order."""
    families = bundle.catalog.family[rows]
    if families.max(initial=-1) < 0:
        return np.arange(len(rows))
    _, first = np.unique(families, return_index=True)
    keep = families < 0
    keep[first] = True
    return np.flatnonzero(keep)


def _fused(pool: Pool, limit: int, query: Query, bundle: Bundle) -> list[Recommendation]:
    """By reciprocal rank over the sources: their raw scores have different scales."""
    total = np.zeros(len(pool.rows))
    for line in pool.scores:
        proposed = np.flatnonzero(line)
        places = np.empty(len(proposed))
        places[np.argsort(-line[proposed], kind="stable")] = np.arange(1, len(proposed) + 1)
        total[proposed] += 1.0 / (_FUSION + places)
    if (boost := boosts(query, bundle, pool.rows)) is not None:
        total *= boost
    order = np.argsort(-total, kind="stable")
    order = order[_first_of_families(pool.rows[order], bundle)][:limit]
    return _chosen(pool, order, total[order])


def _chosen(pool: Pool, order: NDArray[np.int64], scores: NDArray[np.float64]) -> list[Recommendation]:
    sources = [_NAMES[line] for line in first_lines(pool.scores, order).tolist()]
    return Recommendation.each(pool.rows[order].tolist(), scores[: len(order)].tolist(), sources)
