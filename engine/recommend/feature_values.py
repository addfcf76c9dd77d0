"""Feature values: what features say of a user's own items, categories and brands, all of it in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.compiled import BYTES, CODES, FLOATS, LINES, PLACES, REAL, ROWS, compiled, inner
from engine.item_lines import BRAND, CATEGORY, PRICE, SECTION
from engine.learned import NEVER
from engine.profile import PURCHASE
from engine.recommend.due import rhythm_of
from engine.recommend.grouped import Days, Keys, faded, grouped
from engine.recommend.shared import MOST_FEATURES

Values = NDArray[np.float32]
Places = NDArray[np.int64]
_NEVER = float(NEVER)
_DAY, _MONTH = 86_400.0, 28.0  # seconds; days
#: The places in an item's line of what its groups are told by.
_GROUPS = (CATEGORY, SECTION, BRAND)


@inner
def _check(items: Keys, n_items: int) -> None:
    for item in items:
        if not 0 <= item < n_items:
            raise IndexError("a profile names an item that the bundle does not have")


@inner
def _days_before(now: float, times: Places) -> Days:
    """Ages in days; what lies after the clock counts as new."""
    days = np.empty(len(times), np.float32)
    for at, time in enumerate(times):
        days[at] = max(now - time, 0.0) / _DAY
    return days


@inner
def _orders(times: Places, days: Days) -> Days:
    """The days since each order, newest first: what is bought in one second is one order."""
    orders, n = np.empty(len(times), np.float32), 0
    for at in range(len(times) - 1, -1, -1):
        if n == 0 or times[at] != times[at + 1]:
            orders[n] = days[at]
            n += 1
    return orders[:n]


@inner
def _found(lines: NDArray[Any], new_lines: NDArray[Any], rows: Keys, place: int) -> NDArray[Any]:
    """[len(rows)] what stands at a place of the items' lines."""
    found = np.empty(len(rows), lines.dtype)
    for at, row in enumerate(rows):
        found[at] = lines[row, place] if row < len(lines) else new_lines[row - len(lines), place]
    return found


@inner
def _closed(keys: Keys, values: Values, begin: int, told: Keys, missing: NDArray[np.float32]) -> int:
    """Where the next kind begins, after this one's keys and what is said of candidates whose key is missing."""
    end = begin + len(told)
    keys[begin:end] = told
    values[end] = missing
    return end + 1


@inner
def _of_own(
    values: Values,
    days: Days,
    starts: Places,
    quantities: NDArray[np.float32],
    orders: Days,
    typical: Days,
    pace: NDArray[np.float32],
) -> None:
    """Fourteen of each item bought; `quantities` are in the order of `days`."""
    for line, half_life in enumerate((15.0, 60.0, 180.0)):
        values[: len(pace), 1 + line] = faded(days, starts, half_life)
    for item in range(len(pace)):
        start, end = starts[item], starts[item + 1]
        lines, first, last = end - start, days[start], days[end - 1]
        interval = np.float32(_NEVER if lines < 2 else (first - last) / (lines - 1))
        told = values[item]
        told[0], told[4], told[5] = lines, last, first
        pieces = np.float32(0)
        for at in range(start, end):
            pieces += quantities[at]
        told[6], told[7] = pieces, interval
        told[8] = last / max(interval, np.float32(1))
        told[9] = lines / max(len(orders), 1)
        told[10] = np.searchsorted(orders, last)
        told[11], told[12], told[13] = typical[item], last / typical[item], pace[item]


@inner
def _of_looked_at(values: Values, days: Days, starts: Places) -> None:
    """Two of each item looked at: what fades by a week, and the days since."""
    n = len(starts) - 1
    values[:n, 0] = faded(days, starts, 7.0)
    for item in range(n):
        values[item, 1] = days[starts[item + 1] - 1]


@inner
def _of_groups(values: Values, days: Days, starts: Places) -> None:
    """Of each group bought from: lines, what fades by 30 and 120 days, days since, different items (which are counted
    later), and how many of its usual intervals have passed since."""
    n = len(starts) - 1
    values[:n, 1], values[:n, 2] = faded(days, starts, 30.0), faded(days, starts, 120.0)
    for group in range(n):
        lines, first, last = starts[group + 1] - starts[group], days[starts[group]], days[starts[group + 1] - 1]
        values[group, 0], values[group, 3], values[group, 4] = lines, last, 0
        values[group, 5] = last * (lines - 1) / max(first - last, np.float32(1))


@inner
def _share(starts: Places, item: int, starts_of_groups: Places, group: int, key: int) -> np.float32:
    """An item's share of the user's purchases in its group; its purchases where it has none."""
    lines = np.float32(starts[item + 1] - starts[item])
    if key < 0:
        return lines
    return lines / np.float32(starts_of_groups[group + 1] - starts_of_groups[group])


@inner
def _of_user(values: NDArray[np.float32], starts: Places, orders: Days) -> None:
    """Six that are the same for all candidates."""
    n_items, n_lines, count = len(starts) - 1, starts[-1], len(orders)
    values[0] = count
    values[1] = (orders < _MONTH).sum()
    values[2] = n_lines / max(count, 1)
    values[3] = 1.0 - n_items / max(n_lines, 1)
    values[4] = orders[0] if count else _NEVER
    values[5] = (orders[-1] - orders[0]) / (count - 1) if count > 1 else _NEVER


@compiled(ROWS, BYTES, PLACES, FLOATS, REAL, LINES, CODES, LINES, CODES, FLOATS, FLOATS, FLOATS, LINES)
def told_of(
    items: Keys,
    types: NDArray[np.uint8],
    times: Places,
    quantities: NDArray[np.float32],
    now: float,
    numbers: Values,
    codes: NDArray[np.int32],
    new_numbers: Values,
    new_codes: NDArray[np.int32],
    interval: Days,
    pace: NDArray[np.float32],
    strength: NDArray[np.float32],
    missing: Values,
) -> tuple[Keys, Places, Values, float]:
    """A profile's keys, bounds and values as `Told` has them, and its usual price; from the lines of items.

    `interval`, `pace` and `strength` are those of `Repurchase`; `missing` [kinds, MOST_FEATURES] is said where nothing
    is known. IndexError for an item that there is not.
    """
    _check(items, min(len(codes) + len(new_codes), len(interval)))
    ages, is_bought = _days_before(now, times), types == PURCHASE
    bought, looked = np.flatnonzero(is_bought), np.flatnonzero(~is_bought)
    mine, days, orders = items[bought], ages[bought], _orders(times[bought], ages[bought])
    own, starts, own_days, order = grouped(mine, days)
    keys = np.full(4 * len(bought) + len(looked) + len(missing), -1, np.int32)
    values, bounds = np.empty((len(keys), MOST_FEATURES), np.float32), np.zeros(len(missing) + 1, np.int64)
    again = rhythm_of(own_days, starts, interval[own], pace[own], strength[0], strength[1])
    _of_own(values, own_days, starts, quantities[bought][order], orders, again[1], again[2])
    bounds[1] = _closed(keys, values, 0, own, missing[0])
    seen, seen_starts, seen_days, _ = grouped(items[looked], ages[looked])
    _of_looked_at(values[bounds[1] :], seen_days, seen_starts)
    bounds[2] = _closed(keys, values, bounds[1], seen, missing[1])
    for kind, place in enumerate(_GROUPS):
        told = values[bounds[2 + kind] :]
        groups, group_starts, group_days, _ = grouped(_found(codes, new_codes, mine, place), days)
        _of_groups(told, group_days, group_starts)
        for item, code in enumerate(_found(codes, new_codes, own, place)):
            group = np.searchsorted(groups, code)
            told[group, 4] += 1
            if kind == 0:
                values[item, 14] = _share(starts, item, group_starts, group, code)
        bounds[3 + kind] = _closed(keys, values, bounds[2 + kind], groups, missing[2 + kind])
    bounds[6] = bounds[5] + 1
    _of_user(values[bounds[5]], starts, orders)
    price = _found(numbers, new_numbers, mine, PRICE).astype(np.float64).sum() / max(len(mine), 1)
    return keys[: bounds[6]], bounds, values[: bounds[6]], price
