"""Random draws from many small distributions at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Ladder:
    """Distributions laid end to end, so that one binary search serves draws from any of them.

    `weights` (all options, grouped by row) and `sizes` (options a row). A row without weight is
    never to be drawn from; `drawable` says which rows may be.
    """

    __slots__ = ("_first", "_heights", "_totals", "drawable")

    def __init__(self, weights: Floats, sizes: Ints) -> None:
        self._first = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        self._heights = np.concatenate(([0.0], np.cumsum(weights, dtype=np.float64)))
        self._totals = self._heights[self._first[1:]] - self._heights[self._first[:-1]]
        self.drawable = self._totals > 0

    @classmethod
    def of_rows(cls, weights: Floats) -> Ladder:
        """One distribution a row of a matrix."""
        rows, columns = weights.shape
        return cls(weights.ravel(), np.full(rows, columns, dtype=np.int64))

    def draw(self, rows: Ints, rng: np.random.Generator, each: int = 1) -> Ints:
        """Positions (shape n x each) over all options; subtract `first(rows)` for those within the row."""
        bottom = self._heights[self._first[rows]][:, None]
        heights = bottom + rng.random((len(rows), each)) * self._totals[rows][:, None]
        found = np.searchsorted(self._heights, heights, side="right") - 1
        # Rounding may step over the last option of a row.
        within: Ints = np.clip(found, self._first[rows][:, None], self._first[rows + 1][:, None] - 1)
        return within

    def first(self, rows: Ints) -> Ints:
        return self._first[rows]

    def draw_within(self, rows: Ints, rng: np.random.Generator) -> Ints:
        """The place within its row of one draw a row."""
        return self.draw(rows, rng)[:, 0] - self._first[rows]


def unit_rows(matrix: Floats) -> Floats:
    """Rows scaled to length 1."""
    scaled: Floats = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    return scaled


def repeated(counts: Ints) -> tuple[Ints, Ints]:
    """For counts (2, 0, 3): owners (0, 0, 2, 2, 2) and places within them (0, 1, 0, 1, 2)."""
    owners = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owners, places
