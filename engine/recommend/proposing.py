"""Proposing: what several sources propose as one pool; those that listen to the profile alone are asked in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.profile import Profile
from engine.recommend.allowed import Allowed
from engine.recommend.pooled import NO_DROPS, Drops, Proposals
from engine.recommend.said import LISTENING, Said, nothing_said, said
from engine.recommend.sources import NEAREST, NOTHING, SOURCES, Pool
from engine.summed import Found, best_first

_FAINT = np.float32(1e-30)  # what sells nothing is still a proposal


def propose(
    names: Sequence[str],
    most: int,
    profile: Profile,
    bundle: Bundle,
    now: float,
    context: NDArray[np.int32],
    *,
    allowed: Allowed | None = None,
    drops: Drops = NO_DROPS,
    mark: Callable[[str], None] = lambda stage: None,
    failed: Callable[[str, Exception], None] | None = None,
) -> Pool:
    """The union of what the named sources propose, at most `most` from each, of what is allowed, without what `drops`.

    A source that raises is told to `failed` and has no candidates; without it, what it raises is raised.
    """
    first = _together(names, most, profile, bundle, now) if allowed is None else None
    alone = _alone(tuple(names), together=first is not None)
    rows, scores, starts = first or nothing_said(len(alone))
    every, every_scores, end = [rows], [scores], len(rows)
    mark("sources")
    for place, name in enumerate(alone, len(LISTENING) + 1):
        try:
            if allowed is None:
                rows, scores = SOURCES[name](profile, bundle, now, context)
            else:
                rows, scores = _among(allowed, name, profile, bundle, now, context)
        except Exception as problem:
            if failed is None:
                raise
            failed(name, problem)
            rows, scores = NOTHING
        every.append(rows[:most])
        every_scores.append(scores[:most])
        end += len(every[-1])
        starts[place] = end
        if name == "factors":
            mark("index")
    proposals = Proposals(np.concatenate(every), np.concatenate(every_scores), starts, _lines(alone))
    mark("sources")
    return Pool(*proposals.pooled(drops, len(SOURCES)))


def _together(names: Sequence[str], most: int, profile: Profile, bundle: Bundle, now: float) -> Said | None:
    """What those propose that listen to the profile alone, None where one of them fails: then each is asked alone."""
    others = len(_alone(tuple(names), together=True))
    try:
        return said(names, most, profile, bundle, now, others=others)
    except Exception:
        return None


@lru_cache
def _alone(names: tuple[str, ...], *, together: bool) -> tuple[str, ...]:
    """Those that are asked by themselves; the index first, for which the user's vector is at hand."""
    left = [name for name in names if not (together and name in LISTENING)]
    return tuple(sorted(left, key=lambda name: name != "factors"))


def _among(
    allowed: Allowed, name: str, profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]
) -> Found:
    """What a source proposes of the items that are allowed; two of them know more than their lists."""
    if name == "popular":
        rows = allowed.best()
        return rows, np.maximum(bundle.statistics.recent[rows], _FAINT)
    few = allowed.few if name == "factors" else None
    if few is None:
        rows, scores = SOURCES[name](profile, bundle, now, context)
        keep = allowed.keeps(rows)
        return rows[keep], scores[keep]
    vector = bundle.user_vector(profile, now)
    if vector is None:
        return NOTHING
    scores = bundle.item_vectors(few) @ vector
    top = np.argpartition(-scores, NEAREST)[:NEAREST] if len(few) > NEAREST else np.arange(len(few))
    return best_first(few[top], scores[top])


@lru_cache
def _lines(alone: tuple[str, ...]) -> NDArray[np.int64]:
    order = list(SOURCES)
    return np.array([order.index(name) for name in (*LISTENING, *alone)], np.int64)
