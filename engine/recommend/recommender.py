"""The whole pipeline on one screen: sources propose, filters drop, ranking orders, the best leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.bundle import Bundle
from engine.recommend import ranking
from engine.recommend.boosts import boosts
from engine.recommend.features import table
from engine.recommend.filters import drops
from engine.recommend.places import Ordered
from engine.recommend.proposing import propose
from engine.recommend.query import Query, Recommendation
from engine.recommend.sources import Pool

_FIRST_NEWCOMER, _NEWCOMER_EVERY = 5, 10
#: So many variants of items that stand higher are expected among the best: more places are ordered at once.
_VARIANTS = 20
_FUSION = 60.0  # Cormack, Clarke and Buettcher 2009: how much the first ranks of a source stand out


def recommend(query: Query, bundle: Bundle) -> list[Recommendation]:
    """At most `query.limit` items, best first; fewer only when the shop has no more that may be shown."""
    return filled(ranked(query, bundle), query, bundle)


def filled(best: Ordered | None, query: Query, bundle: Bundle) -> list[Recommendation]:
    """The same of what `ranked` gave: with what stands in where that is too little, and newcomers between."""
    found = [] if best is None else best.first(query.limit)
    for source in _fallback(query):
        if len(found) >= query.limit:
            break
        more = _fused(candidates(query, bundle, [source]), query, bundle).first(query.limit + len(found))
        # Scores fall along the list, also where the fallback begins with a scale of its own.
        ceiling = found[-1].score if found else np.inf
        found += [each._replace(score=min(each.score, ceiling)) for each in _unlike(more, found, bundle)]
    return _with_newcomers(found[: query.limit], query, bundle)


def straight(best: Ordered | None, query: Query, bundle: Bundle, limit: int) -> list[Recommendation] | None:
    """The first `limit` places, where nothing but room for variety has a say beyond the order; else None."""
    control = query.control
    if best is None or control.pins or control.promotions or control.mmr or _has_newcomers(query, bundle):
        return None
    return best.fitting(query, bundle, limit)


def _fallback(query: Query) -> tuple[str, ...]:
    """What stands in; where a filter leaves little of that, the best sellers among what passes it."""
    asked = query.placement.fallback if query.control.fills else ()
    return (*asked, "popular") if asked and query.allowed is not None and "popular" not in asked else asked


def ranked(query: Query, bundle: Bundle) -> Ordered | None:
    """What the placement's own sources and ranking give, without its fallback; None where they have nothing to say."""
    if query.placement.ranking and not len(query.profile):
        return None  # A ranking learns from people with a history: for somebody unknown the fallback answers.
    pool = candidates(query, bundle, query.placement.sources)
    learned = bundle.rankings.get(query.placement.ranking or "")
    if learned is None:
        return _fused(pool, query, bundle)
    boost = boosts(query, bundle, pool.rows)
    try:
        quick = ranking.readied(learned, bundle)
        features = table(query.profile, bundle, pool, query.now)
        query.mark("features")
        order, scores = ranking.order_of(features, quick, query.limit + _VARIANTS if boost is None else None)
    except Exception as problem:
        query.failed("ranking", problem)
        return _fused(pool, query, bundle)
    query.mark("ranking")
    if boost is not None:
        # The learned scores are logarithms of odds, up to a constant: a factor on the odds is added.
        scores = scores + np.log(boost[order])
        again = np.argsort(-scores, kind="stable")
        order, scores = order[again], scores[again]
    best = Ordered.of(pool, order, scores, bundle)
    if len(best.order) < query.limit and len(order) < len(pool.rows):
        return Ordered.of(pool, *ranking.order_of(features, quick), bundle)
    return best


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


def _has_newcomers(query: Query, bundle: Bundle) -> bool:
    return query.placement.newcomers is not None and bundle.newcomers is not None and query.limit >= _FIRST_NEWCOMER


def _with_newcomers(found: list[Recommendation], query: Query, bundle: Bundle) -> list[Recommendation]:
    """The list with a newcomer in the fifth place and each tenth after it, as far as some fit."""
    source = query.placement.newcomers
    if source is None or not _has_newcomers(query, bundle):
        return found
    places = range(_FIRST_NEWCOMER - 1, query.limit, _NEWCOMER_EVERY)
    new = _unlike(_fused(candidates(query, bundle, [source]), query, bundle).first(len(places)), found, bundle)
    for place, each in zip(places, new, strict=False):
        at = min(place, len(found))
        found.insert(at, each._replace(score=found[at - 1].score if at else each.score))
    return found[: query.limit]


def _unlike(more: list[Recommendation], found: list[Recommendation], bundle: Bundle) -> list[Recommendation]:
    """Those of `more` that are not in `found`, nor variants of what is."""
    shown = {each.row for each in found}
    families = {int(bundle.catalog.family[each.row]) for each in found} - {-1}
    return [each for each in more if each.row not in shown and int(bundle.catalog.family[each.row]) not in families]


def _fused(pool: Pool, query: Query, bundle: Bundle) -> Ordered:
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
    return Ordered.of(pool, order, total[order], bundle)
