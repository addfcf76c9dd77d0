"""Last resort: the list of a page for which everything else failed. It looks at two arrays and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.bundle import Bundle
from engine.recommend.answer import Answer, AnsweredItem


def last_resort(bundle: Bundle, limit: int, exclude_ids: Sequence[str] = ()) -> Answer:
    """What sells best and is on sale, at most `limit` items without those excluded."""
    rows, scores = bundle.popular.items, bundle.popular.scores
    sold = np.flatnonzero(bundle.sellable[rows])
    ids = [(bundle.items.ids[int(rows[at])], float(scores[at])) for at in sold[: limit + len(exclude_ids)]]
    left_out = set(exclude_ids)
    shown = [AnsweredItem(name, score, "popular", None, {}) for name, score in ids if name not in left_out]
    return Answer(items=tuple(shown[:limit]), missing_ids=(), personalized=False)
