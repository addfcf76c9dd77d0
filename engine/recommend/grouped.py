"""Grouped: what a profile holds, gathered by item, category or brand: counts, first and last time, what fades."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.compiled import FLOATS, PLACES, REAL, ROWS, compiled

Keys = NDArray[np.int32]
Days = NDArray[np.float32]


class Grouped(NamedTuple):
    """Happenings grouped by a key: `keys` [n_groups] ascending, and where each group begins in the sorted `days`, and
    the last one ends: `starts` [n_groups + 1].

    `order` says where each of the days stood before; within a group the oldest comes first, as in a profile.
    """

    keys: Keys
    starts: NDArray[np.int64]
    days: Days
    order: NDArray[np.int64]

    @classmethod
    def of(cls, keys: Keys, days: Days) -> Grouped:
        """From keys (-1 or more) and days before now, one each."""
        return cls(*grouped(keys, days))

    @property
    def first(self) -> Days:
        return self.days[self.starts[:-1]]

    @property
    def last(self) -> Days:
        return self.days[self.starts[1:] - 1]


@compiled(ROWS, FLOATS)
def grouped(keys: Keys, days: Days) -> tuple[Keys, NDArray[np.int64], Days, NDArray[np.int64]]:
    n = len(keys)
    coded = np.empty(n, np.int64)
    for at, key in enumerate(keys):
        coded[at] = (np.int64(key) + 1) << 32 | at
    coded.sort()
    groups, starts = np.empty(n, np.int32), np.empty(n + 1, np.int64)
    ordered, order = np.empty(n, np.float32), np.empty(n, np.int64)
    m = 0
    for place, code in enumerate(coded):
        key, before = (code >> 32) - 1, code & 0xFFFFFFFF
        if m == 0 or groups[m - 1] != key:
            groups[m], starts[m] = key, place
            m += 1
        ordered[place], order[place] = days[before], before
    starts[m] = n
    return groups[:m], starts[: m + 1], ordered, order


@compiled(FLOATS, PLACES, REAL)
def faded(days: Days, starts: NDArray[np.int64], half_life: float) -> Days:
    """[n_groups] the sum of what fades by a half-life in days."""
    sums = np.empty(len(starts) - 1, np.float32)
    for group in range(len(sums)):
        total = 0.0
        for at in range(starts[group], starts[group + 1]):
            total += np.exp2(-days[at] / half_life)
        sums[group] = total
    return sums
