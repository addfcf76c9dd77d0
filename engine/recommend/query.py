"""Query: what is asked; Recommendation: what is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.profile import Profile
from engine.recommend.allowed import Allowed
from engine.recommend.control import NOTHING, Control
from engine.recommend.placements import Placement
from engine.recommend.rules import Scope

#: Rows that somebody was served lately, and the times (epoch seconds).
Shown = tuple[NDArray[np.int32], NDArray[np.float64]]
LIMIT = 100  # the longest list that a storefront may ask for


def unmarked(stage: str) -> None:
    """Nobody measures the stages of this request."""


def raising(what: str, problem: Exception) -> None:
    """What fails ends the answer: for whoever would rather know than serve."""
    raise problem


def no_rows() -> NDArray[np.int32]:
    return np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class Query:
    """One wish for a list at `now` (epoch seconds). `items` are the rows in view, `exclude` those not to show.

    `allowed` is what the control's condition lets pass, None where there is none. `shown` are rows that this person
    was served lately and the times (epoch seconds), for a rotation. `mark` is told the name of each stage that is over,
    `failed` what failed of a list that goes on without it.
    """

    placement: Placement
    profile: Profile
    now: float
    limit: int = 20
    items: NDArray[np.int32] = field(default_factory=no_rows)
    exclude: NDArray[np.int32] = field(default_factory=no_rows)
    control: Control = NOTHING
    scope: Scope | None = None
    allowed: Allowed | None = None
    shown: Shown | None = None
    mark: Callable[[str], None] = unmarked
    failed: Callable[[str, Exception], None] = raising


class Recommendation(NamedTuple):
    """One place of the list: `source` proposed the item, `score` ordered it, within this list only.

    `promoted`: a pin or a promotion put it there. `explored`: chance did, to learn whether it fits. Of what is due
    again, `due_at` says when (epoch seconds) and `chance` how likely it is bought within a week, if that was learned.
    """

    row: int
    score: float
    source: str
    promoted: bool = False
    due_at: float | None = None
    chance: float | None = None
    explored: bool = False

    @classmethod
    def each(cls, rows: Iterable[int], scores: Iterable[float], sources: Iterable[str]) -> list[Recommendation]:
        """One for each row, without anything else to tell; in a third of the time that one after the other takes."""
        told = (repeat(each) for each in (False, None, None, False))
        return list(map(_recommendation, zip(rows, scores, sources, *told, strict=False)))


_recommendation = partial(tuple.__new__, Recommendation)
