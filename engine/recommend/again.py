"""Again: when what is due again is due, and how likely it is bought within a week."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.recommend import ranking
from engine.recommend.due import due_at
from engine.recommend.features import columns
from engine.recommend.query import Query, Recommendation
from engine.recommend.sources import SOURCES, Pool

#: The ranking whose scores have a meaning of their own.
BUY_AGAIN = "buy-again"


def with_due(found: Sequence[Recommendation], query: Query, bundle: Bundle) -> list[Recommendation]:
    """The list, where what is due again says when, and how likely it is bought in the next seven days."""
    rows = np.array([each.row for each in found if each.source == "due"], np.int32)
    if not len(rows):
        return list(found)
    moments = due_at(rows, query.profile, bundle, query.now).tolist()
    likely = chances(rows, query, bundle)
    told = iter(zip(moments, [None] * len(rows) if likely is None else likely.tolist(), strict=True))
    return [
        each._replace(due_at=(both := next(told))[0], chance=both[1]) if each.source == "due" else each
        for each in found
    ]


def chances(rows: NDArray[np.int32], query: Query, bundle: Bundle) -> NDArray[np.float64] | None:
    """[len(rows)] the chance that the user buys each within a week; None where no training learned it."""
    learned, meaning = bundle.rankings.get(BUY_AGAIN), bundle.chances.get(BUY_AGAIN)
    if learned is None or meaning is None:
        return None
    nobody = np.zeros((len(SOURCES), len(rows)), np.float32)
    found = columns(query.profile, bundle, Pool(rows, nobody), query.now)
    return meaning.of(ranking.additive(learned, found))
