"""Thresholds of classes: how much a classification has shifted, and where a class that is too small or too large
would hold a sound part of the customers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.expression import Comparison, Constant, Joined
from engine.targeting.segments import Rule
from engine.targeting.traits import TRAIT_FIELDS

#: Parts of all customers: a class below the one or above the other wants another threshold.
SMALLEST, LARGEST = 0.02, 0.70
_LOWER, _UPPER = (">", ">="), ("<", "<=")
_Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Room:
    """What a class may hold: all `customers`, those `by_hand` in it, and of those whom its rule may still take the
    values [n] of its trait, as far as they have one.
    """

    customers: int
    by_hand: int
    values: _Values


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`rule` would make the class hold `size` customers; None, and `reason` says why there is no such rule."""

    reason: str
    rule: Rule | None = None
    size: int | None = None


def stability(before: Sequence[int], after: Sequence[int]) -> float:
    """The population stability index of two counts [k] of the same cells; from about 0.25 on they have shifted.

    The sum over cells of (q - p) ln(q / p) (Siddiqi, Credit Risk Scorecards, 2006); half a customer is added to each
    cell, so that an empty one counts as rare.
    """
    p, q = (np.asarray(each, float) + 0.5 for each in (before, after))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def is_odd(share: float) -> bool:
    """Whether a class of this share wants another threshold."""
    return not SMALLEST <= share <= LARGEST


def trait_of(rule: Rule | None) -> str | None:
    """The one numeric trait that a rule bounds, None for a rule of any other kind."""
    bounds = _bounds(rule)
    return bounds[0].field if bounds else None


def suggest_threshold(rule: Rule | None, room: Room, *, classes: int) -> Suggestion:
    """Another bound for the trait of `rule`, so that the class holds about an equal part of `classes`, at most half.

    The lower bound is moved where there is one, else the upper one, to a quantile of those whom the rule may take.
    """
    bounds = _bounds(rule)
    if rule is None:
        return Suggestion("it is filled by hand, so that no threshold moves its customers; assign them anew")
    if not bounds:
        return Suggestion("its rule is no bound of one numeric trait; change it and look at its preview")
    least, most = SMALLEST * room.customers, LARGEST * room.customers
    if room.by_hand > most:
        return Suggestion(f"{room.by_hand:,} customers are in it by hand, whatever its rule says")
    moved = next((each for each in bounds if each.op in _LOWER), bounds[0])
    kept = [each for each in bounds if (each.op in _LOWER) != (moved.op in _LOWER)]
    values = np.sort(_kept(room.values, kept))
    if len(values) + room.by_hand < max(least, 1):
        return Suggestion(
            f"only {len(values):,} customers are left for its rule; the others are in earlier classes, in one by hand,"
            f" beyond its other bound, or without {moved.field}"
        )
    target = min(max(1 / classes, 2 * SMALLEST), 0.5) * room.customers - room.by_hand
    value, count = _nearest(values, target, lower=moved.op in _LOWER)
    size = count + room.by_hand
    if not least <= size <= most:
        return Suggestion(
            f"{count:,} customers share the same {moved.field} of {value:g}, so that no threshold divides them"
        )
    bound = Constant("number", int(value) if value.is_integer() else value)
    fresh = Comparison(moved.left, ">=" if moved.op in _LOWER else "<=", bound)
    return Suggestion("an equal part of the customers", Joined("all", (fresh, *kept)) if kept else fresh, size)


def _bounds(rule: Rule | None) -> list[Comparison]:
    parts = rule.parts if isinstance(rule, Joined) and rule.how == "all" else (rule,)
    bounds = [each for each in parts if isinstance(each, Comparison) and each.op in (*_LOWER, *_UPPER)]
    if len(bounds) != len(parts) or len({each.field for each in bounds}) != 1:
        return []
    return bounds if TRAIT_FIELDS.get(bounds[0].field) == "number" else []


def _kept(values: _Values, bounds: Sequence[Comparison]) -> _Values:
    """Those that fulfil the bounds on the other side."""
    tests = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}
    for each in bounds:
        values = values[tests[each.op](values, each.value)]
    return values


def _nearest(values: _Values, target: float, *, lower: bool) -> tuple[float, int]:
    """The bound whose count comes nearest to `target`, and its count; customers of one value stay together."""
    ordered = values[::-1] if lower else values  # those who are in come first
    place = min(max(math.ceil(target), 1), len(ordered)) - 1
    found: list[tuple[float, int]] = []
    for value in (ordered[place], _before(ordered, place)):
        count = int((values >= value).sum() if lower else (values <= value).sum())
        found.append((float(value), count))
    return min(found, key=lambda each: abs(each[1] - target))


def _before(ordered: _Values, place: int) -> float:
    """The value that ends just before that of `place`, itself where it is the first."""
    others = np.flatnonzero(ordered[:place] != ordered[place])
    return float(ordered[others[-1]] if len(others) else ordered[place])
