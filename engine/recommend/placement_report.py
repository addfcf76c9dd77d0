"""The report of a placement: clicks, conversions and revenue by variant and bundle, and what each variant changed.

Pure: outcomes in, figures out, as plain JSON. People count in the variant that they were drawn for, whatever was shown
to them. All intervals hold at all looks together, so that whoever looks every day and stops when it pleases is misled
no more often than they say; several variants share the chance of being misled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.recommend.experiment import CONTROL
from engine.trials.effects import (
    ALPHA,
    TUNED_FOR,
    Arm,
    Estimate,
    arm_of,
    difference,
    is_comparable,
    ratio_of_means,
    reach_at_all_looks,
)
from engine.trials.quotients import Quotient, mean_quotient, part_told, ratio_quotient
from engine.trials.sample_ratio import THRESHOLD, sequential_ratio

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Columns of a person, as the arms have them. `before` is what they spent before, which no variant can have changed.
_COLUMNS = ("shown", "clicks", "converted", "revenue", "spent", "before")
MEASURES = ("click_through", "conversion", "revenue", "spent")
MONEY = ("revenue", "spent")
TOTALS = ("lists", "shown", "clicks", "orders", "revenue")
#: In smaller arms the intervals of money are not yet what they say.
SMALL_ARM = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """One row a person and bundle version [n]; `unit` numbers the people, `variant` the `variants`.

    `shown` and `clicks` are items of lists, `orders` and `revenue` (minor units) what was bought of them; `spent` is
    all that the person bought since their first list, and `before` what in the weeks before it, in one of their rows.
    `shares` are what the variants were drawn with, `exposed` whether the shop says what it shows, `crossed` how many
    people saw several variants, and `reweighed` whether the shares were changed on the way.
    """

    unit: Ints
    variant: Ints
    variants: tuple[str, ...]
    version: Ints
    lists: Floats
    shown: Floats
    clicks: Floats
    orders: Floats
    revenue: Floats
    spent: Floats
    before: Floats
    shares: Mapping[str, float] = field(default_factory=dict)
    exposed: bool = True
    crossed: int = 0
    reweighed: bool = False


def figures_of(outcomes: Outcomes) -> dict[str, Any]:
    """All figures of a report."""
    names = sorted({*outcomes.variants, *outcomes.shares}, key=lambda each: (each != CONTROL, each))
    arms = {name: _arm(outcomes, _rows(outcomes, name)) for name in names}
    alpha = ALPHA / max(len(names) - 1, 1)
    told = []
    for name in names:
        rows = _rows(outcomes, name)
        versions = []
        for version in sorted(set(outcomes.version[rows].tolist())):
            inside = outcomes.version == version
            effects = _effects(_arm(outcomes, rows & inside), _control(outcomes, name, inside), alpha)
            versions.append({"bundle_version": version, **_totals(outcomes, rows & inside), "effects": effects})
        effects = _effects(arms[name], arms.get(CONTROL) if name != CONTROL else None, alpha)
        told.append({
            "variant": name or None, "share": outcomes.shares.get(name), **_totals(outcomes, rows),
            "effects": effects, "versions": versions,
        })  # fmt: skip
    return {
        "exposed": outcomes.exposed,
        "crossed": outcomes.crossed,
        "reweighed": outcomes.reweighed,
        "sample_ratio": _sample_ratio(outcomes, names),
        "variants": told,
    }


def _rows(outcomes: Outcomes, name: str) -> NDArray[np.bool_]:
    if name not in outcomes.variants:
        return np.zeros(len(outcomes.unit), bool)
    return np.asarray(outcomes.variant == outcomes.variants.index(name))


def _control(outcomes: Outcomes, name: str, inside: NDArray[np.bool_]) -> Arm | None:
    return None if name == CONTROL else _arm(outcomes, _rows(outcomes, CONTROL) & inside)


def _arm(outcomes: Outcomes, rows: NDArray[np.bool_]) -> Arm:
    """Of people, each with the sums over their rows."""
    _, person = np.unique(outcomes.unit[rows], return_inverse=True)
    people = int(person.max()) + 1 if len(person) else 0

    def summed(values: Floats) -> Floats:
        return np.asarray(np.bincount(person, values[rows], people), np.float64)

    converted = (summed(outcomes.orders) > 0).astype(np.float64)
    columns = {name: summed(getattr(outcomes, name)) for name in _COLUMNS if name != "converted"}
    return arm_of(np.column_stack([(columns | {"converted": converted})[name] for name in _COLUMNS]))


def _totals(outcomes: Outcomes, rows: NDArray[np.bool_]) -> dict[str, Any]:
    arm = _arm(outcomes, rows)
    shown, clicks, converted, revenue, spent, _ = arm.means.tolist()
    totals = {name: float(getattr(outcomes, name)[rows].sum()) for name in TOTALS}
    return {
        "people": arm.n,
        **totals,
        "click_through": clicks / shown if shown else None,
        "conversion": converted if arm.n else None,
        "revenue_each": revenue if arm.n else None,
        "spent_each": spent if arm.n else None,
    }


def _effects(arm: Arm, control: Arm | None, alpha: float) -> list[dict[str, Any]]:
    """What the people of a variant did more than those of the control; empty where there is nothing to compare."""
    if control is None or not is_comparable(arm, control):
        return []
    place = {name: at for at, name in enumerate(_COLUMNS)}
    shown, clicks, given = place["shown"], place["clicks"], [place["before"]]
    found: list[tuple[str, Estimate, Quotient | None]] = [
        ("click_through", ratio_of_means(arm, control, clicks, shown), ratio_quotient(arm, control, clicks, shown))
    ]
    for measure, column in (("conversion", "converted"), ("revenue", "revenue"), ("spent", "spent")):
        at = place[column]
        change = difference(arm, control, at, given=given)
        found.append((measure, change, mean_quotient(arm, control, at, given=given)))
    n = arm.n + control.n
    reach = reach_at_all_looks(n, tuned_for=TUNED_FOR, alpha=alpha)
    return [
        {"measure": measure, "difference": always(change, n, alpha), "relative": part_told(part, reach)}
        for measure, change, part in found
    ]


def always(estimate: Estimate, n: int, alpha: float = ALPHA) -> dict[str, Any]:
    """With the interval that holds at all looks together while `n` people come; null where there is no number."""
    if not (math.isfinite(estimate.value) and math.isfinite(estimate.error)):
        return dict.fromkeys(("value", "error", "low", "high", "p"))
    low, high = estimate.sequence(n, tuned_for=TUNED_FOR, alpha=alpha)
    chance = estimate.chance_at_all_looks(n, tuned_for=TUNED_FOR, alpha=alpha)
    return {"value": estimate.value, "error": estimate.error, "low": low, "high": high, "p": chance}


def _sample_ratio(outcomes: Outcomes, names: list[str]) -> dict[str, Any] | None:
    """None without an experiment, and where its shares were changed: then nobody knows what was to be expected."""
    if outcomes.reweighed or len(outcomes.shares) < 2:
        return None
    sizes = [len(np.unique(outcomes.unit[_rows(outcomes, name)])) for name in names]
    shares = [outcomes.shares.get(name, 0.0) for name in names]
    found = sequential_ratio(sizes, shares)
    whole = sum(sizes) / sum(shares)
    groups = [
        {"variant": name, "people": size, "expected": share * whole}
        for name, size, share in zip(names, sizes, shares, strict=True)
    ]
    return {"groups": groups, "chance": found.chance, "alarm": found.chance < THRESHOLD}
