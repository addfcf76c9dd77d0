"""Bench `beauty`: the next item of a history, in S3-Rec's split of Amazon's Beauty reviews, beside the published table.

Protocol: leave one out. The last item of each history is the test, the last but one validation, the one before teaches
the order that is judged there; all items but the user's own are ranked. Parameters are chosen on validation, and what
ranks the test knows everything but the test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from engine.visits import Onward
from experiments.beauty import read_beauty
from experiments.findings import Asked, Conditions, Findings
from experiments.next_item import Sequences, last_steps
from experiments.next_item_study import Models, Studied, Study, Window, run_study

K = 10
HIT_RATE, NDCG = f"hit_rate@{K}", f"ndcg@{K}"
#: HR@10 and NDCG@10 as S3-Rec's authors report them, TIGER as its own do; the last one was computed on these files.
PUBLISHED: Mapping[str, tuple[float, float]] = {
    "PopRec": (0.0152, 0.0068),
    "GRU4Rec": (0.0283, 0.0137),
    "BERT4Rec": (0.0347, 0.0170),
    "SASRec": (0.0605, 0.0318),
    "S3-Rec": (0.0647, 0.0327),
    "TIGER": (0.0648, 0.0384),
    "item transitions": (0.0944, 0.0596),
}
_WHOLE = {"gap_minutes": float("inf"), "half_life_days": float("inf")}


def _models(window: int, row_power: float, column_power: float, worth_power: float) -> Models:
    pairs = {"window": window, "row_power": row_power, "column_power": column_power, "back": 0.3, "followers": 400}
    return {
        "transitions": {**_WHOLE, **pairs, "fade": 0.7},
        "visit_neighbours": {**_WHOLE, "fade": 0.8, "size_power": 0.5, "worth_power": worth_power},
    }


TRIED: Sequence[Models] = (_models(10, 0.3, 0.15, 0.2), _models(5, 0.5, 0.3, 0.2), _models(10, 0.3, 0.15, 0.5))
#: Who has fewer than five reviews is not in the data, nor is an item with fewer. So an item that was seen less often is
#: bound to come, which a count would tell; no count tells it here.
_LEAST_SEEN = 5.0
_QUICK_USERS = 1_500
_TAUGHT_BY = _JUDGED_BY = 25_000
_LONGEST = 300.0  # seconds


def measure_beauty(conditions: Conditions) -> Findings:
    """HR@10 and NDCG@10 of the last items, beside the published ones."""
    found = run_study(_study(conditions), TRIED[:1] if conditions.quick else TRIED)
    table = {name: {HIT_RATE: hits, NDCG: ndcg} for name, (hits, ndcg) in PUBLISHED.items()}
    table["Hawker"] = {name: float(found.test.measures[name].mean()) for name in (HIT_RATE, NDCG)}
    figures = {**found.as_json(), "table": dict(sorted(table.items(), key=lambda row: -row[1][HIT_RATE]))}
    return Findings(figures, () if conditions.quick else _asked(found))


def _study(conditions: Conditions) -> Study:
    histories, features = read_beauty(conditions.data_set("beauty"))
    if conditions.quick:
        histories = histories.between(0, min(_QUICK_USERS, len(histories)))
    return Study(
        teaching=_window(histories, 3),
        validation=_window(histories, 2),
        test=_window(histories, 1),
        k=K,
        repeats=False,
        chosen_by=NDCG,
        taught_by=_TAUGHT_BY,
        judged_by=_JUDGED_BY,
        visitors_a_day=float("inf"),
        features=features,
        prepare=_uncounted,
        threads=1 if conditions.quick else 2,
    )


def _window(histories: Sequences, back: int) -> Window:
    """What is known before the last `back` items, and the first of these."""
    return Window(histories.without_last(back), last_steps(histories.without_last(back - 1)))


def _uncounted(learned: Onward) -> Onward:
    recent, lasting = (np.maximum(counts, _LEAST_SEEN) for counts in (learned.recent, learned.lasting))
    return dataclasses.replace(learned, recent=recent.astype(np.float32), lasting=lasting.astype(np.float32))


def _asked(found: Studied) -> tuple[Asked, ...]:
    hits, ndcg = (float(found.test.measures[name].mean()) for name in (HIT_RATE, NDCG))
    return (
        Asked("HR@10 on test", hits, at_least=0.098),
        Asked("NDCG@10 on test", ndcg, at_least=0.062),
        Asked("seconds to train", found.seconds["train"], at_most=_LONGEST),
    )
