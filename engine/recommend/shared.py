"""Shared: what a profile says of its own items, categories and brands, told once for all candidates that have them.

Of four hundred candidates most were never bought by the user and stand in a dozen categories. What a column says of a
category is computed once, and found by each candidate that is in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.compiled import inner

#: The kinds of keys that a candidate has: itself among what was bought and what was looked at, its category, section
#: and brand, and what is the same for all.
KINDS = OWN, LOOKED_AT, CATEGORY, SECTION, BRAND, EVERYWHERE = range(6)
#: So many features are told of a key at most.
MOST_FEATURES = 15


class Told(NamedTuple):
    """`values` float32 [m, MOST_FEATURES] of the keys int32 [m]; those of a kind end where the next one's begin.

    `bounds` int64 [7] says where. The last line of a kind is what is said of candidates whose key the profile lacks;
    its own key is -1, "not known", which two items never have in common.
    """

    keys: NDArray[np.int32]
    bounds: NDArray[np.int64]
    values: NDArray[np.float32]


@inner
def spotted(keys: NDArray[np.int32], bounds: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Keys with their kinds, and the line of each, with room to spare between: most are found at the first look."""
    size = 16
    while size < 4 * len(keys):
        size *= 2
    spots, lines = np.full(size, -1, np.int64), np.empty(size, np.int32)
    for kind in range(len(bounds) - 1):
        for at in range(bounds[kind], bounds[kind + 1] - 1):
            if keys[at] >= 0:
                wanted = np.int64(keys[at]) * 8 + kind
                spot = _first_spot(wanted, size)
                while spots[spot] >= 0:
                    spot = (spot + 1) & (size - 1)
                spots[spot], lines[spot] = wanted, at
    return spots, lines


@inner
def line_of(spots: NDArray[np.int64], lines: NDArray[np.int32], kind: int, key: int, otherwise: int) -> int:
    """The line of what is told of a key of this kind."""
    wanted = np.int64(key) * 8 + kind
    spot = _first_spot(wanted, len(spots))
    while spots[spot] >= 0:
        if spots[spot] == wanted:
            return int(lines[spot])
        spot = (spot + 1) & (len(spots) - 1)
    return otherwise


@inner
def _first_spot(wanted: np.int64, size: int) -> int:
    # Multiplicative hashing, Knuth: The art of computer programming 3, 6.4; what overflows is cut off by the mask.
    return int(((wanted * 0x9E3779B1) >> 15) & (size - 1))
