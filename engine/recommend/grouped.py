"""Grouped: what a profile holds, gathered by item, category or brand: counts, first and last time, what fades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.recommend.shared import Place


@dataclass(frozen=True, slots=True)
class Grouped:
    """Purchases grouped by a key: `keys` ascending, and where each group begins in the sorted `days`."""

    keys: NDArray[np.int32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    days: NDArray[np.float32]
    order: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.int32], days: NDArray[np.float32]) -> Grouped:
        order = np.argsort(keys, kind="stable")  # oldest first within a key, as in the profile
        ordered = keys[order]
        bounds = np.empty(len(keys) + 1, bool)
        bounds[0] = bounds[-1] = len(keys) > 0
        np.not_equal(ordered[1:], ordered[:-1], out=bounds[1:-1])
        at = np.flatnonzero(bounds)
        return cls(ordered[at[:-1]], at[:-1], at[1:], days[order], order)

    def sums(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.add.reduceat(values, self.starts) if len(self.starts) else np.zeros(0, np.float32)

    @property
    def count(self) -> NDArray[np.float32]:
        return (self.ends - self.starts).astype(np.float32)

    @property
    def first(self) -> NDArray[np.float32]:
        return self.days[self.starts]

    @property
    def last(self) -> NDArray[np.float32]:
        return self.days[self.ends - 1]

    def faded(self, half_life: float) -> NDArray[np.float32]:
        return self.sums(np.exp2(self.days * np.float32(-1.0 / half_life)))

    def find(self, wanted: NDArray[np.int32]) -> Place:
        return Place.of(self.keys, wanted)
