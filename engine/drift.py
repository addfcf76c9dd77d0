"""Drift: how far what happens now is from what a bundle was trained on, as population stability indices.

Below 0.1 nothing moved that matters, above 0.25 much did (Siddiqi, Credit Risk Scorecards, 2006).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.events import TYPE_CODES
from engine.profile import PURCHASE, History

DAY = 86_400
#: The stretch before the bundle's moment that stands for its training.
WINDOW_DAYS = 28
#: Fewer events than these since say nothing.
LEAST = 200
_FLOOR = 1e-3  # of a share: an empty group would make the index infinite
_GROUPS = 10


def stability(expected: NDArray[np.floating], found: NDArray[np.floating]) -> float:
    """How far the shares of `found` are from those of `expected`: counts by group, of the same groups."""
    before, now = (np.maximum(each / max(float(each.sum()), 1e-12), _FLOOR) for each in (expected, found))
    return float(((now - before) * np.log(now / before)).sum())


def mix_of(history: History, as_of: int, telling: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Events by type code within the window before `as_of`; types that are not `telling` count 0."""
    recent = history.types[history.times >= as_of - WINDOW_DAYS * DAY]
    counts = np.bincount(recent, minlength=len(TYPE_CODES)).astype(np.float64)
    return np.where(telling, counts, 0.0)


def purchases_of(history: History, as_of: int, n_items: int) -> NDArray[np.float64]:
    """Purchase lines of each item within the window before `as_of`."""
    recent = (history.times >= as_of - WINDOW_DAYS * DAY) & (history.types == PURCHASE)
    return np.bincount(history.items[recent], minlength=n_items).astype(np.float64)


def popularity_groups(expected: NDArray[np.float64]) -> NDArray[np.int64]:
    """A group for each item: ten with a tenth of the expected purchases each, the best sellers first, and one more
    for items without any."""
    order = np.argsort(-expected, kind="stable")
    passed = np.cumsum(expected[order]) - expected[order]
    groups = np.full(len(expected), _GROUPS, np.int64)
    total = max(float(expected.sum()), 1e-12)
    groups[order] = np.minimum(passed / total * _GROUPS, _GROUPS - 1).astype(np.int64)
    groups[expected <= 0] = _GROUPS
    return groups


def by_group(groups: NDArray[np.int64], counts: NDArray[np.float64], unknown: float) -> NDArray[np.float64]:
    """Counts of items as counts of their groups; what is not an item of the bundle is a group of its own."""
    return np.append(np.bincount(groups, counts, minlength=_GROUPS + 1), unknown)


def score_stability(expected: Sequence[float], found: Sequence[float]) -> float:
    """How far scores moved: `found` counted within the tenths of `expected`."""
    edges = np.unique(np.quantile(np.asarray(expected), np.arange(1, _GROUPS) / _GROUPS))
    before, now = (
        np.bincount(np.searchsorted(edges, np.asarray(each)), minlength=len(edges) + 1).astype(np.float64)
        for each in (expected, found)
    )
    return stability(before, now)
