"""Pooled: what several sources propose as one table of candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import FLOATS, LINES, PLACES, WHOLE, compiled

_FAINT = 1e-30  # the smallest share that float32 still keeps apart from 0 with room to spare


def pooled(
    rows: NDArray[np.int32],
    scores: NDArray[np.float32],
    starts: NDArray[np.int64],
    lines: NDArray[np.int64],
    n_lines: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The rows ascending, each once, and a line [n_lines, n] a source with its scores over its best.

    What a source proposes, best first, stands from its start to the next one's. A faint proposal is still one: 0 means
    that there was none.
    """
    keys = (rows.astype(np.int64) << 32) | np.arange(len(rows))
    keys.sort()
    return _table(keys, scores, starts, lines, n_lines)


@compiled(PLACES, FLOATS, PLACES, PLACES, WHOLE)
def _table(
    keys: NDArray[np.int64],
    scores: NDArray[np.float32],
    starts: NDArray[np.int64],
    lines: NDArray[np.int64],
    n_lines: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    found, column, n = np.empty(len(keys), np.int32), np.empty(len(keys), np.int64), 0
    for key in keys:
        row = key >> 32
        if n == 0 or found[n - 1] != row:
            found[n] = row
            n += 1
        column[key & 0xFFFFFFFF] = n - 1
    table = np.zeros((n_lines, n), np.float32)
    for source, line in enumerate(lines):
        start, end = starts[source], starts[source + 1]
        best = max(np.float64(scores[start]), _FAINT) if end > start else 1.0
        for at in range(start, end):
            table[line, column[at]] = max(np.float64(scores[at]) / best, _FAINT)
    return found[:n], table


@compiled(LINES, PLACES)
def first_lines(table: NDArray[np.float32], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """[len(columns)] the first line in which each of these columns has a proposal, 0 for one that has none."""
    found = np.zeros(len(columns), np.int64)
    for place, column in enumerate(columns):
        for line in range(len(table)):
            if table[line, column] > 0:
                found[place] = line
                break
    return found
