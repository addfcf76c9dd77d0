"""Bench `diginetica`: what visitors of a shop look at next, in SR-GNN's split, beside the published table.

Protocol: every visit of the test week is cut at each of its steps; all items are ranked, those of the visit itself
included; P@20 is the share of steps whose next item is among the first 20, MRR@20 counts 1 / place. Of the train part
the newest visits are validation, and those before them teach the order that is judged there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.diginetica import read_diginetica
from experiments.findings import Asked, Conditions, Findings
from experiments.next_item import Sequences, every_step
from experiments.next_item_study import Models, Studied, Study, Window, run_study

K = 20
PRECISION, MRR = f"hit_rate@{K}", f"mrr@{K}"
#: P@20 and MRR@20 as their authors report them; those of session-rec are on its own split of the same visits, and the
#: first two were computed on these files.
PUBLISHED: Mapping[str, tuple[float, float]] = {
    "what followed the last item": (0.3361, 0.1277),
    "item transitions": (0.4216, 0.1269),
    "S-KNN, session-rec": (0.4846, 0.1736),
    "NARM, session-rec": (0.4979, 0.1585),
    "SR-GNN": (0.5073, 0.1759),
    "GRU4Rec, session-rec": (0.5097, 0.1750),
    "VS-KNN, session-rec": (0.5203, 0.1841),
    "GCE-GNN": (0.5422, 0.1904),
}
#: The train part spans five months but for a week, and tells no dates.
_VISITS_A_DAY = 1290.0
_WHOLE = {"gap_minutes": float("inf")}


def _models(months: float, fade: float) -> Models:
    """Visits fade with this half-life, pairs of items within one month; `fade` is what a step back counts."""
    return {
        "transitions": {**_WHOLE, "half_life_days": 33.0, "fade": fade},
        "visit_neighbours": {**_WHOLE, "half_life_days": 30 * months, "fade": fade},
    }


TRIED: Sequence[Models] = (_models(float("inf"), 0.75), _models(float("inf"), 0.6), _models(3.0, 0.6))
_HELD_OUT = 0.08  # of the visits, about as many as the test week has
_TAUGHT_BY, _JUDGED_BY = 20_000, 10_000  # steps
_QUICK, _QUICK_VISITS = 0.1, 40_000  # of those steps, and the newest visits


def measure_diginetica(conditions: Conditions) -> Findings:
    """P@20 and MRR@20 of the test week, beside the published ones."""
    found = run_study(_study(conditions), TRIED[:1] if conditions.quick else TRIED)
    table = {name: {PRECISION: precision, MRR: mrr} for name, (precision, mrr) in PUBLISHED.items()}
    table["Hawker"] = {name: float(found.test.measures[name].mean()) for name in (PRECISION, MRR)}
    figures = {**found.as_json(), "table": dict(sorted(table.items(), key=lambda row: -row[1][PRECISION]))}
    return Findings(figures, () if conditions.quick else _asked(found))


def _study(conditions: Conditions) -> Study:
    train, test = read_diginetica(conditions.data_set("diginetica"))
    share = _QUICK if conditions.quick else 1.0
    if conditions.quick:
        train = train.between(max(0, len(train) - _QUICK_VISITS), len(train))
    held = max(1, int(len(train) * _HELD_OUT))
    return Study(
        teaching=_window(train, len(train) - 2 * held, len(train) - held),
        validation=_window(train, len(train) - held, len(train)),
        test=Window(train, test.some(round(share * len(test)), seed=conditions.seed)),
        k=K,
        repeats=True,
        chosen_by=PRECISION,
        taught_by=round(share * _TAUGHT_BY),
        judged_by=round(share * _JUDGED_BY),
        visitors_a_day=_VISITS_A_DAY,
        threads=1 if conditions.quick else 2,
    )


def _window(train: Sequences, start: int, end: int) -> Window:
    known = train.between(0, start)
    return Window(known, every_step(train.between(start, end).known_in(known)))


def _asked(found: Studied) -> tuple[Asked, ...]:
    measured: dict[str, Any] = {name: float(values.mean()) for name, values in found.test.measures.items()}
    return (
        Asked("P@20 on test", measured[PRECISION], at_least=0.53),
        Asked("MRR@20 on test", measured[MRR], at_least=0.185),
        Asked("milliseconds for one visit's list, p90", found.p90_ms, at_most=2.0),
    )
