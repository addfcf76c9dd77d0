"""Shared: columns of features whose values many candidates have in common, told once for all of them.

Of four hundred candidates most were never bought by the user and stand in a dozen categories. What a column says of a
category is computed once, and looked up by each candidate that is in it.
"""

from __future__ import annotations

from dataclasses import dataclass

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
