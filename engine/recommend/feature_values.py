"""Feature values: what features say of a user's own items, categories and brands.

A line is a feature, a column a group; the last column is what they say of candidates that stand in none of the groups.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import FLOATS, PLACES, REAL, ROWS, compiled, inner
from engine.learned import NEVER
from engine.recommend.grouped import Days, Keys, faded

Values = NDArray[np.float32]
_NEVER = float(NEVER)


@inner
def _begun(n_features: int, n_groups: int, missing: NDArray[np.float32]) -> Values:
    values = np.empty((n_features, n_groups + 1), np.float32)
    values[:, n_groups] = missing
    return values


@compiled(FLOATS, PLACES, PLACES, FLOATS, FLOATS, FLOATS, FLOATS, FLOATS)
def of_own(
    days: Days,
    starts: NDArray[np.int64],
    order: NDArray[np.int64],
    quantities: NDArray[np.float32],
    orders: Days,
    typical: Days,
    pace: NDArray[np.float32],
    missing: NDArray[np.float32],
) -> Values:
    """[14, n + 1] of each item bought. `orders` are days before now, newest first; `quantities` as in the profile."""
    n = len(starts) - 1
    values = _begun(14, n, missing)
    for line, half_life in enumerate((15.0, 60.0, 180.0)):
        values[1 + line, :n] = faded(days, starts, half_life)
    for item in range(n):
        start, end = starts[item], starts[item + 1]
        lines, first, last = end - start, days[start], days[end - 1]
        pieces = np.float32(0)
        for at in range(start, end):
            pieces += quantities[order[at]]
        interval = np.float32(_NEVER if lines < 2 else (first - last) / (lines - 1))
        values[0, item], values[4, item], values[5, item] = lines, last, first
        values[6, item], values[7, item] = pieces, interval
        values[8, item] = last / max(interval, np.float32(1))
        values[9, item] = lines / max(len(orders), 1)
        values[10, item] = np.searchsorted(orders, last)
        values[11, item], values[12, item], values[13, item] = typical[item], last / typical[item], pace[item]
    return values


@compiled(FLOATS, PLACES, FLOATS)
def of_looked_at(days: Days, starts: NDArray[np.int64], missing: NDArray[np.float32]) -> Values:
    """[2, n + 1] of each item looked at: what fades by a week, and the days since."""
    n = len(starts) - 1
    values = _begun(2, n, missing)
    values[0, :n] = faded(days, starts, 7.0)
    for item in range(n):
        values[1, item] = days[starts[item + 1] - 1]
    return values


@compiled(FLOATS, PLACES, ROWS, ROWS, FLOATS)
def of_groups(
    days: Days, starts: NDArray[np.int64], keys: Keys, of_items: Keys, missing: NDArray[np.float32]
) -> Values:
    """[5, n + 1] of each group bought from: lines, what fades by 30 and 120 days, days since, different items.

    `of_items` are the keys of the different items bought.
    """
    n = len(keys)
    values = _begun(5, n, missing)
    values[1, :n], values[2, :n] = faded(days, starts, 30.0), faded(days, starts, 120.0)
    for group in range(n):
        values[0, group] = starts[group + 1] - starts[group]
        values[3, group] = days[starts[group + 1] - 1]
        values[4, group] = 0
    for key in of_items:
        values[4, np.searchsorted(keys, key)] += 1
    return values


@compiled(PLACES, PLACES, ROWS, ROWS, FLOATS)
def shares(
    starts: NDArray[np.int64],
    starts_of_groups: NDArray[np.int64],
    keys: Keys,
    of_items: Keys,
    missing: NDArray[np.float32],
) -> Values:
    """[1, n + 1] of each item bought its share of the user's purchases in its group."""
    n = len(starts) - 1
    values = _begun(1, n, missing)
    for item in range(n):
        lines = np.float32(starts[item + 1] - starts[item])
        values[0, item] = lines
        if of_items[item] >= 0:
            group = np.searchsorted(keys, of_items[item])
            values[0, item] = lines / np.float32(starts_of_groups[group + 1] - starts_of_groups[group])
    return values


@compiled(FLOATS, PLACES, FLOATS)
def due(days: Days, starts: NDArray[np.int64], missing: NDArray[np.float32]) -> Values:
    """[1, n + 1] how many of its usual intervals have passed since a group was last bought from."""
    n = len(starts) - 1
    values = _begun(1, n, missing)
    for group in range(n):
        first, last = days[starts[group]], days[starts[group + 1] - 1]
        values[0, group] = last * (starts[group + 1] - starts[group] - 1) / max(first - last, np.float32(1))
    return values


@compiled(PLACES, FLOATS, REAL)
def of_user(starts: NDArray[np.int64], orders: Days, month: float) -> Values:
    """[6, 1] the same for all candidates, from the groups of items and the days since each order, newest first."""
    n_items, n_lines, count = len(starts) - 1, starts[-1], len(orders)
    values = np.empty((6, 1), np.float32)
    values[0, 0] = count
    values[1, 0] = (orders < month).sum()
    values[2, 0] = n_lines / max(count, 1)
    values[3, 0] = 1.0 - n_items / max(n_lines, 1)
    values[4, 0] = orders[0] if count else _NEVER
    values[5, 0] = (orders[-1] - orders[0]) / (count - 1) if count > 1 else _NEVER
    return values
