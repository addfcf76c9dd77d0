"""Ordering: the whole order of one request's candidates in one pass: tables, factors, the best of them, trees.

The same as `order_of` gives of a table one step after the other (`engine/recommend/ranking.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import FLOATS, LINES, WHOLE, compiled, inner
from engine.recommend.candidate_values import (
    TABLES,
    TOLD,
    Codes,
    Floats,
    Places,
    columns_at,
    lines_told,
    products_with,
    scores_but_factors,
)
from engine.recommend.ranking import SHORTLIST, as_good_as, best, refined
from engine.recommend.readied import TREES, sum_of_trees
from engine.recommend.tables import add_column

Doubles = NDArray[np.float64]
#: What rounding may change in a score, with room to spare.
_ROUNDED = 1e-9


@inner
def _within_reach(scores: Doubles, most: int, starts: Places, tables: Doubles, feature: int) -> Places:
    """The candidates that may be among the first `most`, whatever the table of one more feature says of each."""
    if most >= len(scores):
        return np.arange(len(scores))
    told = tables[starts[feature] + feature : starts[feature + 1] + feature + 1]
    least = as_good_as(scores, most) - (told.max() - told.min()) - _ROUNDED
    among, n = np.empty(len(scores), np.int64), 0
    for at, score in enumerate(scores):
        if score >= least:
            among[n] = at
            n += 1
    return among[:n]


@compiled(*TOLD, *TABLES, LINES, LINES, FLOATS, *TREES, WHOLE)
def ordered_of(
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
    usual_price: float,
    firsts: Places,
    steps: Floats,
    starts: Places,
    tables: Doubles,
    of_items: Doubles,
    vectors: Floats,
    new_vectors: Floats,
    wanted: Floats,
    feature: Places,
    split_at: Floats,
    ruled_out: NDArray[np.uint32],
    leaves: Doubles,
    first_left: NDArray[np.uint8],
    most: int,
) -> tuple[Places, Doubles]:
    """The first `most` candidates, best first, and their scores. `wanted` is the user's vector, empty for none."""
    lines = lines_told(rows, keys, bounds, codes, new_codes)
    scores = scores_but_factors(
        rows, lines, bounds, values, features, numbers, new_numbers, sources, usual_price, firsts,
        steps, starts, tables, of_items,
    )  # fmt: skip
    factors = np.zeros(len(rows), np.float32)
    if len(wanted):
        among = _within_reach(scores, most, starts, tables, firsts[1])
        factors[among] = products_with(vectors, new_vectors, rows[among], wanted)
    add_column(scores, factors, steps, starts, tables, firsts[1])
    order = best(scores, most)
    columns = columns_at(
        order[:SHORTLIST], rows, lines, bounds, values, features, numbers, new_numbers, sources, usual_price, firsts,
        factors,
    )  # fmt: skip
    return order, refined(scores[order], sum_of_trees(columns, feature, split_at, ruled_out, leaves, first_left), order)
