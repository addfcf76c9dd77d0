"""Variety: the best of a list that are not all alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.index import unit
from engine.recommend.item_values import group_values
from engine.recommend.query import Recommendation
from engine.recommend.rules import Rows

Group = Any


def varied(found: Sequence[Recommendation], mmr: float, bundle: Bundle) -> list[Recommendation]:
    """In the order of maximal marginal relevance (Carbonell and Goldstein 1998).

    Relevance is the place in the list, since scores have no common scale; two items are alike by the cosine of their
    vectors and by their category, half each.
    """
    n = len(found)
    if n < 3:
        return list(found)
    rows = np.array([each.row for each in found], np.int32)
    vectors, category = unit(bundle.item_vectors(rows)), bundle.catalog.category[rows]
    relevance = 1.0 - np.arange(n) / n
    closest, left, order = np.zeros(n), np.ones(n, bool), []
    for _ in range(n):
        worth = (1.0 - mmr) * relevance - mmr * closest
        best = int(np.argmax(np.where(left, worth, -np.inf)))
        order.append(best)
        left[best] = False
        same = (category == category[best]) & (category >= 0)
        alike = 0.5 * np.maximum(vectors @ vectors[best], 0.0) + 0.5 * same
        closest = np.maximum(closest, alike)
    return [found[at] for at in order]


def capped(
    found: Sequence[Recommendation], most: Sequence[tuple[str, int]], limit: int, bundle: Bundle
) -> list[Recommendation]:
    """The first `limit` that a list has room for, where it may have so many of one group."""
    rows = np.array([each.row for each in found], np.int32)
    told = [(number, group_values(field, rows, bundle), dict[Group, int]()) for field, number in most]
    chosen: list[Recommendation] = []
    for place, each in enumerate(found):
        for number, groups, counts in told:
            if counts.get(groups[place], 0) >= number and groups[place] is not None:
                break
        else:
            chosen.append(each)
            if len(chosen) == limit:
                break
            for _, groups, counts in told:
                counts[groups[place]] = counts.get(groups[place], 0) + 1
    return chosen


class Caps:
    """How many items of one group a list has, and whether there is room for one more."""

    def __init__(self, most: Sequence[tuple[str, int]], rows: Rows, bundle: Bundle) -> None:
        self._told: list[tuple[int, dict[int, Group], Counter[Group]]] = [
            (number, dict(zip(rows.tolist(), group_values(field, rows, bundle), strict=True)), Counter())
            for field, number in most
        ]

    def admits(self, each: Recommendation) -> bool:
        """Whether there is room for this one, which then is counted."""
        for most, groups, counts in self._told:
            if (group := groups[each.row]) is not None and counts[group] >= most:
                return False
        self.count(each.row)
        return True

    @property
    def are_exceeded(self) -> bool:
        """Whether what was counted, without being asked for room, is more than there was."""
        return any(
            number > most for most, _, counts in self._told for group, number in counts.items() if group is not None
        )

    def count(self, row: int) -> None:
        for _, groups, counts in self._told:
            counts[groups[row]] += 1
