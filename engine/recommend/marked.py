"""Marked: whether rows are among the few that a request names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import ROWS, compiled, inner

Rows = NDArray[np.int32]
Flags = NDArray[np.bool_]


@inner
def marks(some: Rows) -> Flags:
    """By their last bits, in a room wide enough that most other rows are told apart by these alone."""
    size = 512
    while size < 16 * len(some):
        size *= 2
    marked = np.zeros(size, np.bool_)
    for each in some:
        marked[each & (size - 1)] = True
    return marked


@inner
def is_among(row: int, some: Rows, marked: Flags) -> bool:
    """Whether a row is one of those that are marked."""
    if marked[row & (len(marked) - 1)]:
        for each in some:
            if each == row:
                return True
    return False


@compiled(ROWS, ROWS)
def among(values: Rows, some: Rows) -> Flags:
    """[len(values)] which are among `some`."""
    marked, found = marks(some), np.empty(len(values), np.bool_)
    for at, value in enumerate(values):
        found[at] = is_among(value, some, marked)
    return found
