"""Boosts: factors on how much items fit. They order, and never remove."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.recommend.allowed import factors_of
from engine.recommend.query import Query

#: A factor beyond these would say first or last, and is no number any more when several come together.
_LEAST, _MOST = 1e-6, 1e6
#: Of what was just served, the penalty of a rotation halves in this time (seconds).
_ROTATION_HALF_LIFE = 1_800.0
_FORGOTTEN = 0.05  # a penalty below this share is none


def boosts(query: Query, bundle: Bundle, rows: NDArray[np.int32]) -> NDArray[np.float64] | None:
    """[len(rows)] what multiplies each item's fit, None where nothing does. What a formula does not know counts 1."""
    running = [each for each in query.control.boosts if each.window[0] <= query.now < each.window[1]]
    if not running and (query.shown is None or not query.control.rotation):
        return None
    found = np.ones(len(rows))
    if query.scope is not None:
        for each in running:
            factor = factors_of(each.factor, query.scope, bundle, rows)
            found *= np.clip(np.where(np.isnan(factor), 1.0, factor), _LEAST, _MOST)
    if query.shown is not None and query.control.rotation:
        found *= _fading(query.shown, query, rows)
    return np.clip(found, _LEAST, _MOST)


def _fading(
    shown: tuple[NDArray[np.int32], NDArray[np.float64]], query: Query, rows: NDArray[np.int32]
) -> NDArray[np.float64]:
    served, times = shown
    fresh = np.exp2(-np.maximum(query.now - times, 0.0) / _ROTATION_HALF_LIFE)
    found = np.ones(len(rows))
    for row, share in zip(served.tolist(), fresh.tolist(), strict=True):
        if share < _FORGOTTEN:
            continue
        found[rows == row] *= 1.0 - query.control.rotation * share
    return found
