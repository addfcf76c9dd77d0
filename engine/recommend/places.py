"""Places: who of the candidates, best first, gets the places of a list. Only of those anything more is made."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.compiled import CODES, PLACES, PLACES_WRITTEN, ROWS, WHOLE, WRITTEN, compiled, inner
from engine.recommend.pooled import first_lines
from engine.recommend.query import Query, Recommendation
from engine.recommend.sources import SOURCES, Pool

_NAMES = tuple(SOURCES)
_ANY_NUMBER = 2**31
#: What is capped by codes that every item has; other caps ask for what the shop says of each item.
_CODED = {"category", "brand"}


class Ordered(NamedTuple):
    """Candidates best first: `order` [n] are their places in the `pool`, `scores` [n] fall.

    Of items that are variants of each other the best one stands there alone.
    """

    pool: Pool
    order: NDArray[np.int64]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, pool: Pool, order: NDArray[np.int64], scores: NDArray[np.float64], bundle: Bundle) -> Ordered:
        """From an order of items with their variants; it and the scores are written over."""
        n = _first_of_families(order, scores, pool.rows, bundle.catalog.family)
        return cls(pool, order[:n], scores[:n])

    def first(self, limit: int) -> list[Recommendation]:
        return self._at(self.order[:limit], self.scores[:limit])

    def fitting(self, query: Query, bundle: Bundle, limit: int) -> list[Recommendation] | None:
        """The first `limit` of the best `query.limit` that the wishes have room for, as `arranged` has them.

        None where there are fewer, or the wishes ask for more than codes that every item has.
        """
        most = dict(query.control.most)
        if len(self.order) < limit:
            return None
        if not most:
            return self.first(limit)
        if not most.keys() <= _CODED:
            return None
        order = self.order[: query.limit]
        if any(np.isin(each.rows, self.pool.rows[order]).any() for each in bundle.changes):
            return None
        caps = most.get("category", _ANY_NUMBER), most.get("brand", _ANY_NUMBER)
        places = _fitting(self.pool.rows, order, bundle.catalog.levels, bundle.catalog.brand, *caps, limit)
        return self._at(order[places], self.scores[places]) if len(places) == limit else None

    def _at(self, order: NDArray[np.int64], scores: NDArray[np.float64]) -> list[Recommendation]:
        sources = [_NAMES[line] for line in first_lines(self.pool.scores, order).tolist()]
        return Recommendation.each(self.pool.rows[order].tolist(), scores.tolist(), sources)


@compiled(PLACES_WRITTEN, WRITTEN, ROWS, ROWS)
def _first_of_families(
    order: NDArray[np.int64], scores: NDArray[np.float64], rows: NDArray[np.int32], families: NDArray[np.int32]
) -> int:
    """How many are left without those that are variants of one before; what is left moves up."""
    size, n = 16, 0
    while size < 2 * len(order):
        size *= 2
    met = np.full(size, -1, np.int32)
    for place, at in enumerate(order):
        row = rows[at]
        if not 0 <= row < len(families):
            raise IndexError("a candidate is an item that the bundle does not have")
        family = families[row]
        spot = family & (size - 1)
        while family >= 0 and met[spot] >= 0 and met[spot] != family:
            spot = (spot + 1) & (size - 1)
        if family < 0 or met[spot] != family:
            if family >= 0:
                met[spot] = family
            order[n], scores[n] = at, scores[place]
            n += 1
    return n


@inner
def _has_room(codes: NDArray[np.int32], n: int, most: int) -> bool:
    """Whether fewer than `most` of the first n are like the one behind them; what is not known is like nothing."""
    same = 0
    for before in codes[:n]:
        same += before == codes[n]
    return codes[n] < 0 or same < most


@compiled(ROWS, PLACES, CODES, ROWS, WHOLE, WHOLE, WHOLE)
def _fitting(
    rows: NDArray[np.int32],
    order: NDArray[np.int64],
    levels: NDArray[np.int32],
    brands: NDArray[np.int32],
    most_of_category: int,
    most_of_brand: int,
    limit: int,
) -> NDArray[np.int64]:
    """Where in `order` the first `limit` stand of which there are so many at most; of rows that the catalogue has."""
    places, n = np.empty(limit, np.int64), 0
    category, brand = np.empty(limit, np.int32), np.empty(limit, np.int32)
    for place, at in enumerate(order):
        if n == limit:
            break
        category[n], brand[n] = levels[rows[at], levels.shape[1] - 1], brands[rows[at]]
        if _has_room(category, n, most_of_category) and _has_room(brand, n, most_of_brand):
            places[n] = place
            n += 1
    return places[:n]
