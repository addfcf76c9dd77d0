"""Tables: what the additive part of a learned ranking says of a feature's value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import DOUBLES, FLOATS, LINES, PLACES, WHOLE, WRITTEN, compiled, inner


@inner
def told_at(
    steps: NDArray[np.float32], starts: NDArray[np.int64], tables: NDArray[np.float64], feature: int, value: np.float32
) -> float:
    """What the table of a feature says of a value; of a feature without steps nothing is told."""
    start, end = starts[feature], starts[feature + 1]
    if end == start:
        return 0.0
    passed = 0
    for at in range(start, end):
        passed += steps[at] < value
    return float(tables[start + feature + passed])


@inner
def add_column(
    scores: NDArray[np.float64],
    column: NDArray[np.float32],
    steps: NDArray[np.float32],
    starts: NDArray[np.int64],
    tables: NDArray[np.float64],
    feature: int,
) -> None:
    """Add to the candidates' scores what is said of their values [n] of a feature."""
    start, end = starts[feature], starts[feature + 1]
    if end == start:
        return
    at = np.full(len(scores), start + feature, np.int32)
    for step in steps[start:end]:
        for candidate in range(len(scores)):  # without a branch, so that many are looked at at a time
            at[candidate] += np.int32(step < column[candidate])
    for candidate in range(len(scores)):
        scores[candidate] += tables[at[candidate]]


@compiled(WRITTEN, LINES, FLOATS, PLACES, DOUBLES, WHOLE)
def add_columns(
    scores: NDArray[np.float64],
    columns: NDArray[np.float32],
    steps: NDArray[np.float32],
    starts: NDArray[np.int64],
    tables: NDArray[np.float64],
    first: int,
) -> None:
    """The same of `columns` [m, n], those of the features from the `first` on."""
    for line in range(columns.shape[0]):
        add_column(scores, columns[line], steps, starts, tables, first + line)
