"""Candidate values: what tables and columns say of each candidate, of all its kinds of features in one pass.

Both functions take the same: the candidates' rows, what `Told` holds, the features of each kind [kinds, MOST_FEATURES]
(-1 where there is none), the lines of items learned and of newcomers, the scores of sources [at least n_sources, n] and
of factors, and what the user usually pays. `firsts` are the first feature of items, that of factors, and how many
features there are; those of sources follow that of factors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import CODES, DOUBLES, FLOATS, GRID, LINES, PLACES, REAL, ROWS, compiled, inner
from engine.item_lines import BRAND, CATEGORY, PRICE, RATIO, SECTION, SHARE
from engine.recommend.shared import EVERYWHERE, line_of, spotted
from engine.recommend.tables import add_column, told_at

Floats = NDArray[np.float32]
Codes = NDArray[np.int32]
Places = NDArray[np.int64]
_TOLD = ROWS, ROWS, PLACES, LINES, GRID, LINES, CODES, LINES, CODES, LINES, FLOATS, REAL, PLACES
#: The places in an item's line of the keys that are looked for, of each kind from that of categories on.
_GROUPS = (CATEGORY, SECTION, BRAND)
_AT_ONCE = 2**10  # items that are summed at a time


@inner
def _keys_of(rows: Codes, codes: Codes, new_codes: Codes) -> Codes:
    """[EVERYWHERE, n] the candidates' keys of each kind. IndexError for a row that there is not."""
    found = np.empty((EVERYWHERE, len(rows)), np.int32)
    for at, row in enumerate(rows):
        if not 0 <= row < len(codes) + len(new_codes):
            raise IndexError("a candidate is an item that the bundle does not have")
        found[0, at] = found[1, at] = row
        for group, place in enumerate(_GROUPS):
            found[2 + group, at] = codes[row, place] if row < len(codes) else new_codes[row - len(codes), place]
    return found


@inner
def _of_lines(
    rows: Codes,
    numbers: Floats,
    new_numbers: Floats,
    of_items: NDArray[np.float64],
    usual_price: float,
    first: int,
    steps: Floats,
    starts: Places,
    tables: NDArray[np.float64],
) -> tuple[NDArray[np.float64], Floats]:
    """What the tables say of the candidates as items, and the ratios of their prices to the usual one."""
    scores, ratio, usual = np.empty(len(rows)), np.empty(len(rows), np.float32), np.float32(max(usual_price, 1.0))
    for at, row in enumerate(rows):
        new = row - len(numbers)
        if new < 0:
            scores[at], ratio[at] = of_items[row], numbers[row, PRICE] / usual
        else:
            scores[at] = _of_line(new_numbers, new, first, steps, starts, tables)
            ratio[at] = new_numbers[new, PRICE] / usual
    return scores, ratio


@inner
def _of_line(
    numbers: Floats, row: int, first: int, steps: Floats, starts: Places, tables: NDArray[np.float64]
) -> float:
    total = 0.0
    for line in range(SHARE + 1):
        if line != RATIO:
            total += told_at(steps, starts, tables, first + line, numbers[row, line])
    return total


@inner
def _sums(
    bounds: Places, values: Floats, features: Places, steps: Floats, starts: Places, tables: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[m] what the tables say of each line of what is told of a profile."""
    sums = np.zeros(len(values))
    for kind in range(len(features)):
        for line in range(features.shape[1]):
            feature = features[kind, line]
            if feature >= 0 and starts[feature + 1] > starts[feature]:
                for at in range(bounds[kind], bounds[kind + 1]):
                    sums[at] += told_at(steps, starts, tables, feature, values[at, line])
    return sums


@compiled(*_TOLD, FLOATS, PLACES, DOUBLES, DOUBLES)
def scores_of(
    rows: Codes,
    keys: Codes,
    bounds: Places,
    values: Floats,
    features: Places,
    numbers: Floats,
    codes: Codes,
    new_numbers: Floats,
    new_codes: Codes,
    sources: Floats,
    factors: Floats,
    usual_price: float,
    firsts: Places,
    steps: Floats,
    starts: Places,
    tables: NDArray[np.float64],
    of_items: NDArray[np.float64],
) -> NDArray[np.float64]:
    """[n] what a ranking's tables add up to; `of_items` is what they say of each item learned, whoever asks."""
    found = _keys_of(rows, codes, new_codes)
    scores, ratio = _of_lines(rows, numbers, new_numbers, of_items, usual_price, firsts[0], steps, starts, tables)
    sums = _sums(bounds, values, features, steps, starts, tables)
    spots, lines = spotted(keys, bounds)
    for at in range(len(rows)):
        score = scores[at] + sums[bounds[EVERYWHERE]]
        for kind in range(EVERYWHERE):
            score += sums[line_of(spots, lines, kind, found[kind, at], bounds[kind + 1] - 1)]
        scores[at] = score
    add_column(scores, ratio, steps, starts, tables, firsts[0] + RATIO)
    add_column(scores, factors, steps, starts, tables, firsts[1])
    for feature in range(firsts[1] + 1, firsts[2]):
        add_column(scores, sources[feature - firsts[1] - 1], steps, starts, tables, feature)
    return scores


@compiled(*_TOLD, PLACES)
def columns_of(
    rows: Codes,
    keys: Codes,
    bounds: Places,
    values: Floats,
    features: Places,
    numbers: Floats,
    codes: Codes,
    new_numbers: Floats,
    new_codes: Codes,
    sources: Floats,
    factors: Floats,
    usual_price: float,
    firsts: Places,
    candidates: Places,
) -> Floats:
    """[n_features, len(candidates)] what is said of the candidates at these places."""
    columns = np.empty((firsts[2], len(candidates)), np.float32)
    wanted = rows[candidates]
    found = _keys_of(wanted, codes, new_codes)
    spots, lines = spotted(keys, bounds)
    usual = np.float32(max(usual_price, 1.0))
    for at, row in enumerate(wanted):
        for kind in range(EVERYWHERE + 1):
            place = bounds[kind + 1] - 1
            if kind < EVERYWHERE:
                place = line_of(spots, lines, kind, found[kind, at], place)
            for line in range(features.shape[1]):
                if features[kind, line] < 0:
                    break
                columns[features[kind, line], at] = values[place, line]
        for line in range(SHARE + 1):
            columns[firsts[0] + line, at] = (
                numbers[row, line] if row < len(numbers) else new_numbers[row - len(numbers), line]
            )
        columns[firsts[0] + RATIO, at] = columns[firsts[0] + PRICE, at] / usual
        columns[firsts[1], at] = factors[candidates[at]]
        for feature in range(firsts[1] + 1, firsts[2]):
            columns[feature, at] = sources[feature - firsts[1] - 1, candidates[at]]
    return columns


@compiled(LINES, LINES, ROWS, FLOATS, reorders_sums=True)
def products_with(vectors: Floats, new_vectors: Floats, rows: Codes, wanted: Floats) -> Floats:
    """[n] the scalar products of one vector with those of items learned and of newcomers."""
    products = np.empty(len(rows), np.float32)
    for at, row in enumerate(rows):
        if not 0 <= row < len(vectors) + len(new_vectors):
            raise IndexError("a candidate is an item that the bundle does not have")
        total = np.float32(0)
        if row < len(vectors):
            for place in range(len(wanted)):
                total += vectors[row, place] * wanted[place]
        else:
            for place in range(len(wanted)):
                total += new_vectors[row - len(vectors), place] * wanted[place]
        products[at] = total
    return products


@compiled(LINES, FLOATS, PLACES, DOUBLES, PLACES)
def sums_of_items(
    numbers: Floats, steps: Floats, starts: Places, tables: NDArray[np.float64], firsts: Places
) -> NDArray[np.float64]:
    """[n] what the tables say of each item, whoever asks."""
    sums, column = np.zeros(len(numbers)), np.empty(_AT_ONCE, np.float32)
    for first in range(0, len(numbers), _AT_ONCE):  # parts that stay near, each feature for all of one at a time
        part = sums[first : first + _AT_ONCE]
        for line in range(SHARE + 1):
            if line != RATIO:
                for at in range(len(part)):
                    column[at] = numbers[first + at, line]
                add_column(part, column[: len(part)], steps, starts, tables, firsts[0] + line)
    return sums
