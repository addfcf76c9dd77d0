"""Pooled: what several sources propose as one table of candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.compiled import FLAGS, FLOATS, LINES, PLACES, ROWS, WHOLE, compiled, inner
from engine.recommend.marked import is_among, marks

_BEFORE_ALL = np.int64(-(2**40))  # no row
_FAINT = 1e-30  # the smallest share that float32 still keeps apart from 0 with room to spare


@dataclass(frozen=True, slots=True)
class Drops:
    """Who may not be shown: `named` rows, in any order, and what is not sold.

    `sold` [n_items] is empty where that does not matter. `further` says of rows which of them may stay.
    """

    named: NDArray[np.int32]
    sold: NDArray[np.bool_]
    further: Callable[[NDArray[np.int32]], NDArray[np.bool_]] | None = None


NO_DROPS = Drops(np.zeros(0, np.int32), np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class Proposals:
    """What was proposed, a source behind the other: `rows`, of a source each once, and their `scores`.

    A source has its own from its start to the next one's, and its line in the table; where it proposes nothing, another
    may have the same.
    """

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    starts: NDArray[np.int64]
    lines: NDArray[np.int64]

    def pooled(self, drops: Drops, n_lines: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The rows that are left, ascending, each once, and a line [n_lines, n] a source with its scores over its best.

        A source's best is that of all it proposes, dropped or not. A faint proposal is still one: 0 means that there
        was none. IndexError for a row that is no item.
        """
        keys = _keys(self.rows)
        keys.sort()  # by numpy, which compares several at a time
        rows, table = _table(keys, self.scores, self.starts, self.lines, n_lines, drops.sold, drops.named)
        if drops.further is None:
            return rows, table
        keep = drops.further(rows)
        return rows[keep], np.ascontiguousarray(table[:, keep])


@compiled(ROWS)
def _keys(rows: NDArray[np.int32]) -> NDArray[np.int64]:
    keys = np.empty(len(rows), np.int64)
    for at, row in enumerate(rows):
        keys[at] = (np.int64(row) << np.int64(32)) | at
    return keys


@inner
def _united(
    keys: NDArray[np.int64], sold: NDArray[np.bool_], named: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The rows that are left, and of each proposal the column of its row, -1 for one that is dropped."""
    kept, columns, n = np.empty(len(keys), np.int32), np.empty(len(keys), np.int64), 0
    last, column, marked = _BEFORE_ALL, -1, marks(named)
    for key in keys:
        row = key >> 32
        if row != last:
            if len(sold) and not 0 <= row < len(sold):
                raise IndexError("a source proposes an item that the bundle does not have")
            last, column = row, -1
            if (not len(sold) or sold[row]) and not is_among(row, named, marked):
                kept[n], column = row, n
                n += 1
        columns[key & 0xFFFFFFFF] = column
    return kept[:n], columns


@compiled(PLACES, FLOATS, PLACES, PLACES, WHOLE, FLAGS, ROWS)
def _table(
    keys: NDArray[np.int64],
    scores: NDArray[np.float32],
    starts: NDArray[np.int64],
    lines: NDArray[np.int64],
    n_lines: int,
    sold: NDArray[np.bool_],
    named: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    kept, columns = _united(keys, sold, named)
    table = np.zeros((n_lines, len(kept)), np.float32)
    for source, line in enumerate(lines):
        start, end, best = starts[source], starts[source + 1], _FAINT
        for at in range(start, end):
            best = max(best, np.float64(scores[at]))
        shares = (scores[start:end] / best).astype(np.float32)  # several at a time
        for place in range(end - start):
            column = columns[start + place]
            if column >= 0:
                table[line, column] = max(shares[place], np.float32(_FAINT))
    return kept, table


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
