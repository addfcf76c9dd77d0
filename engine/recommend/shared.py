"""Shared: columns of features whose values many candidates have in common, told once for all of them.

Of four hundred candidates most were never bought by the user and stand in a dozen categories. What a column says of a
category is computed once, and looked up by each candidate that is in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.compiled import LINES, LINES_WRITTEN, PLACES, WHOLE, compiled


class Place(NamedTuple):
    """Where the candidates' keys stand among `n_keys`: `at` [n] is `n_keys` for those that stand nowhere."""

    at: NDArray[np.int64]
    n_keys: int


class Block(NamedTuple):
    """Features from the `first` on that share a place: `values` float32 [features, n_keys + 1].

    The last value of each is that of candidates which stand nowhere.
    """

    first: int
    values: NDArray[np.float32]
    place: Place

    def spread(self, columns: NDArray[np.float32], candidates: NDArray[np.int64]) -> None:
        """Write what is said of these candidates into the features' lines of `columns`."""
        _spread(columns, candidates, self.values, self.place.at, self.first)


@compiled(LINES_WRITTEN, PLACES, LINES, PLACES, WHOLE)
def _spread(
    columns: NDArray[np.float32],
    candidates: NDArray[np.int64],
    values: NDArray[np.float32],
    at: NDArray[np.int64],
    first: int,
) -> None:
    for line in range(values.shape[0]):
        for place, candidate in enumerate(candidates):
            columns[first + line, place] = values[line, at[candidate]]
