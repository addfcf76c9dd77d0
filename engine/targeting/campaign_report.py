"""The report of a campaign: what was done, what it changed against those held out, and what cannot be said of it.

Pure: members in, figures out, as plain JSON that holds both kinds of intervals. `as_asked` chooses one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.targeting.assignment_check import Mask, assignment_check
from engine.targeting.campaign_members import (
    ARMS,
    GLOBAL_HOLDOUT,
    HOLDOUT,
    MEASURES,
    MONEY,
    OUTCOMES,
    STAGES,
    TREATMENT,
    Design,
    Members,
)
from engine.trials.effects import (
    TUNED_FOR,
    Arm,
    Estimate,
    arm_of,
    difference,
    is_comparable,
    is_ratio_sound,
    ratio,
    reach_at_all_looks,
    told,
)
from engine.trials.quotients import mean_quotient, part_told

DAY = 86_400.0
MOST_PARTS = 50  # segments and variants that are told one by one, the largest first
#: Below this part of the revenue with known costs, margins would be about something else than the revenue.
LEAST_KNOWN = 0.95
#: In smaller arms the intervals of money are wider or narrower than they say.
SMALL_ARM = 1_000


def figures_of(members: Members, design: Design, *, now: float, zone: str = "UTC") -> dict[str, Any]:
    """All figures of a report as of `now` (epoch seconds)."""
    control = next((arm for arm in (HOLDOUT, GLOBAL_HOLDOUT) if (members.arm == arm).any()), None)
    over = members.joined + design.window_days * DAY <= now
    whole = np.ones(len(members), bool)
    return {
        "members": {name: int((members.arm == place).sum()) for place, name in enumerate(ARMS)},
        "window_days": design.window_days,
        "windows_over": float(over.mean()) if len(members) else 0.0,
        "assignment": design.assignment,
        "is_triggered": design.is_triggered,
        "control": None if control is None else ARMS[control],
        "costs_known": members.known,
        "costs_by_items": members.by_items,
        "sample_ratio": assignment_check(members, design),
        "contacted_control": _contacted(members, control),
        **_part(members, whole, control, design),
        "variants": _variants(members, control, design),
        "segments": _segments(members, control, design),
        "days": _days(members, zone),
        "cumulative": _cumulative(members, control, design, now),
    }


def _part(members: Members, inside: Mask, control: int | None, design: Design) -> dict[str, Any]:
    """Totals by arm of the customers `inside`, and what the treated of them did more than the others."""
    rows = {arm: inside & (members.arm == arm) for arm in range(len(ARMS))}
    totals = {
        ARMS[arm]: {"members": int(mask.sum())} | {name: float(each[mask].sum()) for name, each in _told(members)}
        for arm, mask in rows.items()
        if mask.any()
    }
    effects, roi = [], None
    if control is not None:
        names, arms = _arms(members, (rows[TREATMENT], rows[control]))
        if is_comparable(*arms):
            effects = [_effect(names, arms, each, design) for each in OUTCOMES if each in names]
            roi = _roi(names, arms, design)
    return {"totals": totals, "effects": effects, "roi": roi}


def _told(members: Members) -> list[tuple[str, NDArray[np.float64]]]:
    return [(name, members.measures[name]) for name in MEASURES if name in members.measures]


def _arms(members: Members, masks: Sequence[Mask]) -> tuple[list[str], tuple[Arm, Arm]]:
    columns = {**dict(_told(members)), **{f"before {name}": each for name, each in members.before.items()}}
    table = np.column_stack(list(columns.values()))
    treated, control = (arm_of(table[mask]) for mask in masks)
    return list(columns), (treated, control)


def _given(names: Sequence[str]) -> list[int]:
    """What is adjusted by: what happened before the draw."""
    return [place for place, name in enumerate(names) if name.startswith("before ")]


def _effect(names: Sequence[str], arms: tuple[Arm, Arm], measure: str, design: Design) -> dict[str, Any]:
    treated, control = arms
    place, n = names.index(measure), treated.n + control.n
    given = _given(names)
    found = difference(treated, control, place, given=given)
    tuned = TUNED_FOR if design.is_triggered else n
    return {
        "measure": measure,
        "treated_mean": float(treated.means[place]),
        "control_mean": float(control.means[place]),
        "each": told(found, n, tuned_for=tuned),
        "total": told(found.times(treated.n), n, tuned_for=tuned),
        "relative": _relative(arms, place, found, given=given, tuned_for=tuned),
    }


def _relative(
    arms: tuple[Arm, Arm], place: int, found: Estimate, *, given: Sequence[int], tuned_for: float
) -> dict[str, Any]:
    """The difference `found` as a part of the mean of those held out; the bounds are null while that may as well be 0.

    Nothing more is no other question than no part more: the chances are those of the difference.
    """
    part, n = mean_quotient(*arms, place, given=given), arms[0].n + arms[1].n
    fixed = part_told(part, found.reach())
    always = part_told(part, reach_at_all_looks(n, tuned_for=tuned_for))
    if fixed["value"] is None:
        return {"value": None, "fixed": None, "sequential": None}
    return {
        "value": fixed["value"],
        "fixed": [fixed["low"], fixed["high"], found.chance()],
        "sequential": [always["low"], always["high"], found.chance_at_all_looks(n, tuned_for=tuned_for)],
    }


def _roi(names: Sequence[str], arms: tuple[Arm, Arm], design: Design) -> dict[str, Any] | None:
    """Incremental margin for each unit of incremental discount; what was paid is already without the discount."""
    if "margin" not in names:
        return None
    above, below, given = names.index("margin"), names.index("cost"), _given(names)
    if not is_ratio_sound(difference(*arms, below, given=given)):
        return None
    n = arms[0].n + arms[1].n
    return dict(told(ratio(*arms, above, below, given=given), n, tuned_for=TUNED_FOR if design.is_triggered else n))


def _variants(members: Members, control: int | None, design: Design) -> list[dict[str, Any]]:
    """Each against the whole control where chance drew it, else against those of the control it was chosen for."""
    if len(members.variants) < 2 and design.is_drawn:
        return []
    treated = members.arm == TREATMENT
    found = []
    for place in _largest(members.variant, treated, len(members.variants)):
        mine = members.variant == place
        inside = (treated & mine) | (~treated if design.is_drawn else mine)
        found.append({"variant": members.variants[place], **_part(members, inside, control, design)})
    return found


def _segments(members: Members, control: int | None, design: Design) -> list[dict[str, Any]]:
    if len(members.segments) < 2:
        return []
    places = _largest(members.segment, np.ones(len(members), bool), len(members.segments))
    return [
        {"segment": members.segments[place], **_part(members, members.segment == place, control, design)}
        for place in places
    ]


def _largest(codes: NDArray[np.int64], among: Mask, number: int) -> list[int]:
    sizes = np.bincount(codes[among & (codes >= 0)], minlength=number)
    return [int(place) for place in np.argsort(-sizes, kind="stable")[:MOST_PARTS] if sizes[place]]


def _contacted(members: Members, control: int | None) -> int:
    """How many of those who were to be left alone got a message or saw the offer."""
    if control is None:
        return 0
    seen = np.maximum(members.measures["messaged"], members.measures["exposed"]) > 0
    return int((seen & (members.arm == control)).sum())


def _days(members: Members, zone: str) -> list[dict[str, Any]]:
    """How many of the treated came to each stage, by the day in the shop's zone on which they first did."""
    found: dict[str, dict[str, int]] = {}
    treated = members.arm == TREATMENT
    for stage in STAGES:
        times = members.first[stage][treated]
        # Zones differ from UTC by quarters of an hour.
        quarters, counts = np.unique(times[np.isfinite(times)] // 900, return_counts=True)
        for quarter, count in zip(quarters.tolist(), counts.tolist(), strict=True):
            day = datetime.fromtimestamp(quarter * 900, UTC).astimezone(ZoneInfo(zone)).date().isoformat()
            found.setdefault(day, dict.fromkeys(STAGES, 0))[stage] += count
    return [{"day": day, **found[day]} for day in sorted(found)]


def _cumulative(members: Members, control: int | None, design: Design, now: float) -> list[dict[str, Any]]:
    """The effect until each day after joining, in all: of the margin where it is known, else of the revenue."""
    masks = [members.arm == TREATMENT, members.arm == control]
    if control is None or min(int(mask.sum()) for mask in masks) < 2:
        return []
    last = min(design.window_days, int(max((now - members.joined.min()) // DAY, 0)) + 1)
    before = np.column_stack([np.zeros(len(members)), *members.before.values()])
    order = np.argsort(members.later.day, kind="stable")
    edges = np.searchsorted(members.later.day[order], np.arange(last + 1))
    given, found = list(range(1, before.shape[1])), []
    for day in range(last):
        rows = order[edges[day] : edges[day + 1]]
        np.add.at(before[:, 0], members.later.member[rows], members.later.value[rows])
        treated, others = (arm_of(before[mask]) for mask in masks)
        effect, n = difference(treated, others, 0, given=given).times(treated.n), treated.n + others.n
        found.append({"day": day + 1, **told(effect, n, tuned_for=TUNED_FOR if design.is_triggered else n)})
    return found


def as_asked(figures: Mapping[str, Any], *, sequential: bool) -> dict[str, Any]:
    """The figures with one kind of interval: `value`, `low`, `high` and `p` of each estimate."""
    kind = "sequential" if sequential else "fixed"
    return {**_one_kind(figures, kind), "intervals": kind}


def _one_kind(value: Any, kind: str) -> Any:
    if isinstance(value, Mapping):
        if "fixed" in value and "sequential" in value:
            low, high, chance = value[kind] or (None, None, None)
            shown = {name: each for name, each in value.items() if name not in ("fixed", "sequential")}
            return {**shown, "low": low, "high": high, "p": chance}
        return {name: _one_kind(each, kind) for name, each in value.items()}
    if isinstance(value, list):
        return [_one_kind(each, kind) for each in value]
    return value


def is_money(measure: str) -> bool:
    return measure in MONEY
