"""Shared: columns of features whose values many candidates have in common, told once for all of them.

Of four hundred candidates most were never bought by the user and stand in a dozen categories. What a column says of a
category is computed once, and looked up by each candidate that is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float32]
_NONE = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the candidates' keys stand among `n_keys`; `at` [n] is `n_keys` for those that stand nowhere."""

    at: NDArray[np.int64]
    n_keys: int

    @classmethod
    def of(cls, keys: NDArray[np.int32], wanted: NDArray[np.int32]) -> Place:
        """`keys` ascending. Code -1 is "not known": two items of unknown brand have nothing in common."""
        n = len(keys)
        if not n:
            return cls(np.zeros(len(wanted), np.int64), 0)
        at = np.searchsorted(keys, wanted)
        elsewhere = (keys[np.minimum(at, n - 1)] != wanted) | (wanted < 0)
        at[elsewhere] = n
        return cls(at, n)

    def __call__(self, values: NDArray[np.floating], missing: float | np.float32 = 0.0) -> Shared:
        """The column of `values` [n_keys], `missing` for candidates that stand nowhere."""
        return Shared(values, missing, self)


class Shared(NamedTuple):
    """A column by its different values; those of one `place` are looked up together."""

    values: NDArray[np.floating]
    missing: float | np.float32
    place: Place


def same(value: float, everywhere: Place) -> Shared:
    """A column with one value; `everywhere` is the place of candidates without keys."""
    return Shared(_NONE, value, everywhere)


@dataclass(frozen=True, slots=True)
class Block:
    """Features from the `first` on that share a place: `values` float32 [features, n_keys + 1]."""

    first: int
    values: NDArray[np.float32]
    place: Place

    @classmethod
    def of(cls, first: int, columns: Sequence[Shared]) -> Block:
        place = columns[0].place
        values = np.empty((len(columns), place.n_keys + 1), np.float32)
        for line, each in zip(values, columns, strict=True):
            line[:-1], line[-1] = each.values, each.missing
        return cls(first, values, place)


def falling(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """[n] the places of `scores`, none of them below 0, best first; equal ones in their order."""
    bits = np.ascontiguousarray(scores, np.float32).view(np.int32).astype(np.int64)
    return np.sort((-bits << 32) | np.arange(len(bits))) & 0xFFFFFFFF


def blocks_of(columns: Sequence[Shared | Column | None]) -> tuple[list[Block], list[tuple[int, Column]]]:
    """Neighbouring columns of one place together, and the columns that each candidate has for itself, by feature.

    What is None belongs to somebody else.
    """
    shared: list[Block] = []
    single: list[tuple[int, Column]] = []
    run: list[Shared] = []
    for feature, column in enumerate([*columns, None]):
        if run and not (isinstance(column, Shared) and column.place is run[0].place):
            shared.append(Block.of(feature - len(run), run))
            run = []
        if isinstance(column, Shared):
            run.append(column)
        elif column is not None:
            single.append((feature, column))
    return shared, single
