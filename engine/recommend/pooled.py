"""Pooled: what several sources propose as one table of candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.compiled import FLAGS, FLOATS, LINES, PLACES, ROWS, WHOLE, compiled

_FAINT = 1e-30  # the smallest share that float32 still keeps apart from 0 with room to spare


@dataclass(frozen=True, slots=True)
class Proposals:
    """What was proposed, a source behind the other: `rows` ascending, each once, and the `places` there of each.

    What a source proposes, best first, has its `scores` from its start to the next one's.
    """

    rows: NDArray[np.int32]
    places: NDArray[np.int64]
    scores: NDArray[np.float32]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, rows: NDArray[np.int32], scores: NDArray[np.float32], starts: NDArray[np.int64]) -> Proposals:
        keys = _keys(rows)
        keys.sort()  # by numpy, which compares several at a time
        return cls(*_united(keys), scores, starts)

    def pooled(
        self, keep: NDArray[np.bool_], lines: NDArray[np.int64], n_lines: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The rows to keep, ascending, and a line [n_lines, n] a source with its scores over its best.

        A source's best is that of all it proposes, kept or not. A faint proposal is still one: 0 means that there was
        none.
        """
        return _table(self.rows, keep, self.places, self.scores, self.starts, lines, n_lines)


@compiled(ROWS)
def _keys(rows: NDArray[np.int32]) -> NDArray[np.int64]:
    keys = np.empty(len(rows), np.int64)
    for at, row in enumerate(rows):
        keys[at] = (np.int64(row) << np.int64(32)) | at
    return keys


@compiled(PLACES)
def _united(keys: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    found, places, n = np.empty(len(keys), np.int32), np.empty(len(keys), np.int64), 0
    for key in keys:
        row = key >> 32
        if n == 0 or found[n - 1] != row:
            found[n] = row
            n += 1
        places[key & 0xFFFFFFFF] = n - 1
    return found[:n], places


@compiled(ROWS, FLAGS, PLACES, FLOATS, PLACES, PLACES, WHOLE)
def _table(
    rows: NDArray[np.int32],
    keep: NDArray[np.bool_],
    places: NDArray[np.int64],
    scores: NDArray[np.float32],
    starts: NDArray[np.int64],
    lines: NDArray[np.int64],
    n_lines: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    kept, columns, n = np.empty(len(rows), np.int32), np.empty(len(rows), np.int64), 0
    for place, row in enumerate(rows):
        columns[place] = n if keep[place] else -1
        if keep[place]:
            kept[n] = row
            n += 1
    table = np.zeros((n_lines, n), np.float32)
    for source, line in enumerate(lines):
        start, end = starts[source], starts[source + 1]
        best = max(np.float64(scores[start]), _FAINT) if end > start else 1.0
        for at in range(start, end):
            column = columns[places[at]]
            if column >= 0:
                table[line, column] = max(np.float64(scores[at]) / best, _FAINT)
    return kept[:n], table


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
