"""Grouped: what a profile holds, gathered by item, category or brand: counts, first and last time, what fades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Grouped:
    """Purchases grouped by a key: `keys` ascending, and where each group begins in the sorted `days`."""

    keys: NDArray[np.int32]
    starts: NDArray[np.int64]
    days: NDArray[np.float32]
    order: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.int32], days: NDArray[np.float32]) -> Grouped:
        order = np.argsort(keys, kind="stable")  # oldest first within a key, as in the profile
        ordered = keys[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(keys) else np.zeros(0, np.int64)
        return cls(ordered[starts], starts, days[order], order)

    def sums(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.add.reduceat(values, self.starts)) if len(self.starts) else np.zeros(0, np.float32)

    @property
    def count(self) -> NDArray[np.float32]:
        return np.asarray(np.diff(np.r_[self.starts, len(self.days)]), np.float32)

    @property
    def first(self) -> NDArray[np.float32]:
        return self.days[self.starts]

    @property
    def last(self) -> NDArray[np.float32]:
        return self.days[np.r_[self.starts[1:], len(self.days)] - 1] if len(self.starts) else self.days

    def faded(self, half_life: float) -> NDArray[np.float32]:
        return self.sums(np.exp2(self.days * np.float32(-1.0 / half_life)))

    def find(self, wanted: NDArray[np.int32]) -> Place:
        if not len(self.keys):
            return Place(np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool))
        at = np.searchsorted(self.keys, wanted)
        at[at == len(self.keys)] = 0
        # Code -1 is "not known": two items of unknown brand have nothing in common.
        return Place(at, (self.keys[at] == wanted) & (wanted >= 0))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the candidates' keys stand among the groups, and which stand there at all."""

    at: NDArray[np.int64]
    found: NDArray[np.bool_]

    def __call__(self, values: NDArray[np.float32], missing: float | np.float32 = 0.0) -> NDArray[np.float32]:
        if not len(values):
            return np.full(len(self.at), missing, np.float32)
        return np.where(self.found, values[self.at], np.float32(missing)).astype(np.float32)
