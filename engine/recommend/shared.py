"""Shared: columns of features whose values many candidates have in common, told once for all of them.

Of four hundred candidates most were never bought by the user and stand in a dozen categories. What a column says of a
category is computed once, and looked up by each candidate that is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the candidates' keys stand among `n_keys`: `at` [n] is `n_keys` for those that stand nowhere."""

    at: NDArray[np.int64]
    n_keys: int


@dataclass(frozen=True, slots=True)
class Block:
    """Features from the `first` on that share a place: `values` float32 [features, n_keys + 1].

    The last value of each is that of candidates which stand nowhere.
    """

    first: int
    values: NDArray[np.float32]
    place: Place

    @classmethod
    def of(cls, first: int, place: Place, columns: Sequence[NDArray[Any]], missing: NDArray[np.float32]) -> Block:
        """From the columns [n_keys] of each feature, and what it is of those that stand nowhere."""
        values = np.empty((len(columns), place.n_keys + 1), np.float32)
        values[:, -1] = missing
        for line, column in zip(values, columns, strict=True):
            line[:-1] = column
        return cls(first, values, place)


def falling(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """[n] the places of `scores`, none of them below 0, best first; equal ones in their order."""
    bits = np.ascontiguousarray(scores, np.float32).view(np.int32).astype(np.int64)
    return np.sort((-bits << 32) | np.arange(len(bits))) & 0xFFFFFFFF
