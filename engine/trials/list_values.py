"""List values: what other lists would have brought, from lists whose places were partly left to chance.

The places of a list are drawn independently of each other and the chance of what each shows is on record, so that what
happened there stands for all the times when something else was shown. Each row is a place of a list that was shown; a
way of choosing says with which chance it would have shown the same there. Where it would show what the log could not,
the estimate says nothing of that place, and `covered` tells how much of it remains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadInput
from engine.trials.effects import Estimate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ShownPlaces:
    """One row a place that was shown [n]: the list it is of, the chance with which it showed this, what it brought.

    `unit` [lists] numbers the person whom each list was for: lists of one person are not independent.
    """

    list: Ints
    propensity: Floats
    reward: Floats
    unit: Ints

    @property
    def lists(self) -> int:
        return len(self.unit)


@dataclass(frozen=True, slots=True)
class ListValue:
    """Reward a list by three estimators; `doubly_robust` is None without a model of rewards.

    `covered` is the part of the wanted places that the log could have shown. `effective` is how many shown places the
    weighted ones are worth; `rewarded` counts those that brought anything: where these are few, errors are too small.
    """

    ips: Estimate
    snips: Estimate
    doubly_robust: Estimate | None
    covered: float
    effective: float
    rewarded: int


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What a model that did not learn from them expects: of each shown place [n], and of each wanted list [lists]."""

    shown: Floats
    wanted: Floats


def list_value(chance: Floats, places: float, logged: ShownPlaces, *, expected: Expected | None = None) -> ListValue:
    """What lists would bring that show each logged item at its place with `chance` [n], and have `places` places.

    Raises BadInput for chances that are none, or where the log holds nothing that would have been shown.
    Sources: Horvitz and Thompson 1952; Swaminathan and Joachims, NeurIPS 2015 (self-normalised); Li et al., KDD 2018
    (lists by items and places); Dudik, Langford and Li, ICML 2011 (doubly robust).
    """
    if chance.shape != logged.propensity.shape or not ((chance >= 0) & (chance <= 1)).all():
        raise BadInput("chance: give the chance of what each place showed, 0 to 1", field="chance")
    if not ((logged.propensity > 0) & (logged.propensity <= 1)).all():
        raise BadInput("propensity: must be above 0 and up to 1", field="propensity")
    weights = chance / logged.propensity
    total = float(weights.sum())
    if total <= 0:
        raise BadInput("the log shows nothing that these lists would have shown", code="not_covered", field="chance")
    ones = np.ones(logged.lists)
    weight = _by_list(weights, logged)
    earned = _by_list(weights * logged.reward, logged)
    robust = None
    if expected is not None:
        corrected = expected.wanted + _by_list(weights * (logged.reward - expected.shown), logged)
        robust = _ratio(corrected, ones, logged.unit)
    mean = _ratio(earned, weight, logged.unit)
    return ListValue(
        ips=_ratio(earned, ones, logged.unit),
        snips=mean.times(places),
        doubly_robust=robust,
        covered=total / logged.lists / places,
        effective=total**2 / float((weights**2).sum()),
        rewarded=int(((weights > 0) & (logged.reward != 0)).sum()),
    )


def logged_value(logged: ShownPlaces) -> Estimate:
    """What the lists brought as they were shown, a list."""
    return _ratio(_by_list(logged.reward, logged), np.ones(logged.lists), logged.unit)


def difference_from_logged(chance: Floats, logged: ShownPlaces) -> Estimate:
    """How much more a list would bring than those shown did, by the inverse propensities; both of the same lists."""
    more = (chance / logged.propensity - 1.0) * logged.reward
    return _ratio(_by_list(more, logged), np.ones(logged.lists), logged.unit)


def _by_list(values: Floats, logged: ShownPlaces) -> Floats:
    return np.asarray(np.bincount(logged.list, values, logged.lists), np.float64)


def _ratio(above: Floats, below: Floats, unit: Ints) -> Estimate:
    """The ratio of two sums over lists, with the error of drawing people; by the delta method."""
    people = int(unit.max()) + 1 if len(unit) else 0
    top, bottom = np.bincount(unit, above, people), np.bincount(unit, below, people)
    whole = float(bottom.sum())
    value = float(top.sum()) / whole
    rest = top - value * bottom
    error = float(np.sqrt((rest**2).sum() * people / max(people - 1, 1))) / whole
    return Estimate(value, error, float(max(people - 1, 1)))
