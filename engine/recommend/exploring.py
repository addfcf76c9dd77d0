"""Exploring: a few places of a list show what would have stood below it, so that the shop learns whether that fits.

Each place that nobody decided on has alternatives of its own: what follows the list is dealt out among the places, the
next best to the first. With a chance of `share` a place shows one of its alternatives instead, and what stood there
steps back. So every item can stand in one place only, places are drawn independently, and the chance of what is shown
is exact: 1 less `share`, or `share` times the chance of the alternative. That is what is logged as its propensity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.recommend.exploration import Exploration
from engine.recommend.item_values import current_values
from engine.recommend.query import Query, Recommendation

#: Of one place; more of them would each be shown too seldom to be judged.
ALTERNATIVES = 5
#: Draws of a posterior whose winners make a chance, and the part of the chances that is spread evenly, whoever wins.
_ROUNDS, _EVENLY = 64, 0.1


@dataclass(frozen=True, slots=True)
class Tried:
    """What was explored before: how often each item was shown, and clicked. `usual` is the rate of them all."""

    usual: float = 0.05
    items: Mapping[str, tuple[float, float]] = field(default_factory=dict)


NOTHING_TRIED = Tried()


@dataclass(frozen=True, slots=True)
class Explored:
    """The list, the chance of each of its places to show what it shows, and what follows the list."""

    shown: list[Recommendation]
    propensities: tuple[float, ...]
    rest: list[Recommendation]


def seed_of(recommendation_id: str) -> int:
    """What an answer's chance is made of, so that whoever has its id can make it again."""
    return int(recommendation_id[:16], 16)


def explored(
    shown: Sequence[Recommendation],
    waiting: Sequence[Recommendation],
    how: Exploration,
    query: Query,
    bundle: Bundle,
    *,
    seed: int,
    tried: Tried = NOTHING_TRIED,
) -> Explored:
    """The list `shown` with some places explored; `waiting` are what may be shown and is not, best first.

    The same `seed` gives the same list. What is promoted stays. Source of choosing by results: Thompson sampling over
    click rates, of which so many are drawn that the chances are known (Eckles and Kaptein 2014).
    """
    choices = _choices(shown, waiting, query, bundle)
    chance = np.random.default_rng(seed)
    draws = chance.random((len(shown), 2))
    list_, propensities, instead = list(shown), [1.0] * len(shown), set()
    for place, alternatives in choices.items():
        if draws[place, 0] >= how.share:
            propensities[place] = 1.0 - how.share
            continue
        chances = _chances(alternatives, how, bundle, tried, chance)
        at = min(int(np.searchsorted(np.cumsum(chances), draws[place, 1], side="right")), len(alternatives) - 1)
        list_[place] = alternatives[at]._replace(score=shown[place].score, explored=True)
        propensities[place] = how.share * float(chances[at])
        instead.add(alternatives[at].row)
    stepped_back = [old for old, new in zip(shown, list_, strict=True) if old is not new]
    return Explored(list_, tuple(propensities), [*stepped_back, *(e for e in waiting if e.row not in instead)])


def _chances(
    alternatives: Sequence[Recommendation], how: Exploration, bundle: Bundle, tried: Tried, chance: np.random.Generator
) -> NDArray[np.float64]:
    n = len(alternatives)
    if how.by == "chance" or n == 1:
        return np.full(n, 1.0 / n)
    found = np.array([tried.items.get(bundle.items.ids[each.row], (0.0, 0.0)) for each in alternatives])
    usual = min(max(tried.usual, 1e-4), 0.5)
    # What was never shown is worth one click at the usual rate.
    rates = chance.beta(1.0 + found[:, 1], 1.0 / usual - 1.0 + np.maximum(found[:, 0] - found[:, 1], 0.0), (_ROUNDS, n))
    wins = np.bincount(rates.argmax(axis=1), minlength=n) / _ROUNDS
    return (1.0 - _EVENLY) * wins + _EVENLY / n


def _choices(
    shown: Sequence[Recommendation], waiting: Sequence[Recommendation], query: Query, bundle: Bundle
) -> dict[int, list[Recommendation]]:
    """The alternatives of each place that has some."""
    free = [place for place, each in enumerate(shown) if not each.promoted]
    if not free:
        return {}
    dealt = waiting[: ALTERNATIVES * len(free)]
    if query.control.most:
        return _within_caps(shown, free, dealt, query, bundle)
    return {place: mine for at, place in enumerate(free) if (mine := list(dealt[at :: len(free)]))}


def _within_caps(
    shown: Sequence[Recommendation], free: Sequence[int], dealt: Sequence[Recommendation], query: Query, bundle: Bundle
) -> dict[int, list[Recommendation]]:
    """The same where so many of one brand, category or attribute may stand in a list, however the places are drawn.

    A group is counted once for each place that could show it; an alternative that would make it too many is left out.
    """
    rows = np.array([each.row for each in (*shown, *dealt)], np.int32)
    limits = []
    for name, most in query.control.most:
        groups = dict(zip(rows.tolist(), current_values(name, rows, bundle), strict=True))
        could = [{groups[each.row]} for each in shown]
        counts = Counter(group for one in could for group in one)
        limits.append((groups, most, could, counts))
    found: dict[int, list[Recommendation]] = {place: [] for place in free}
    for turn, each in enumerate(dealt):
        for offset in range(len(free)):
            place = free[(turn + offset) % len(free)]
            told = [(groups[each.row], most, could[place], counts) for groups, most, could, counts in limits]
            fits = all(g is None or g in could or counts[g] < most for g, most, could, counts in told)
            if fits and len(found[place]) < ALTERNATIVES:
                for group, _, could_here, counts in told:
                    if group not in could_here:
                        could_here.add(group)
                        counts[group] += 1
                found[place].append(each)
                break
    return {place: mine for place, mine in found.items() if mine}
