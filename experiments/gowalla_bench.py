"""Bench `gowalla`: new places for people, in LightGCN's split, beside the published table.

Protocol: for each person all places but those of the train part are ranked; recall@20 over the whole truth and NDCG@20
as the authors of LightGCN define them. Parameters are chosen on a tenth of each person's train part, drawn with the
seed below, by recall@20; then the family is fitted on the whole train part and the test part is read once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.authors_metrics import authors_metrics
from experiments.findings import Asked, Conditions, Findings
from experiments.gowalla import Split, read_gowalla
from training.models import MODELS
from training.models.contract import score_users

K = 20
RECALL, NDCG = f"recall@{K}", f"ndcg@{K}"
#: BARS leaderboard of this very split; BSPM-EM as NESCL's authors report it.
PUBLISHED: Mapping[str, tuple[float, float]] = {
    "MostPop": (0.0416, 0.0317),
    "ItemCF": (0.1570, 0.1214),
    "MF-BPR": (0.1627, 0.1378),
    "SLIM": (0.1699, 0.1382),
    "EASE": (0.1765, 0.1467),
    "LightGCN": (0.1820, 0.1547),
    "GF-CF": (0.1849, 0.1518),
    "UltraGCN": (0.1862, 0.1580),
    "SimpleX": (0.1872, 0.1557),
    "BSPM-EM": (0.1920, 0.1597),
}
_HELD_OUT, _SEED = 0.1, 19
_SHORT = {"half_life_days": float("inf"), "top_new": K, "top_own": 1}
#: What was chosen for each alone.
_GRAPH = {"user_power": 0.35, "item_power": 0.4, "rank": 1000, "low_rank": 1.0, "binary": True, **_SHORT}
_FACTORS = {"factors": 512, "alpha": 100.0, "regularization": 100.0, "popularity_power": 0.4, "iterations": 10}
#: What is tried on the validation part.
TRIED: Mapping[str, Sequence[Mapping[str, Any]]] = {
    # GF-CF's own parameters first; then milder normalisation, and a low-rank part that is larger and weighs more.
    "graph_filter": tuple(
        {"user_power": user, "item_power": item, "rank": rank, "low_rank": part, "binary": True, **_SHORT}
        for user, item, rank, part in (
            (0.5, 0.5, 256, 0.3), (0.4, 0.4, 512, 0.5), (0.35, 0.4, 640, 1.0), (0.35, 0.4, 1000, 1.0),
        )
    ),
    # Implicit ALS as it is usually started with; then what absent pairs must weigh so that 30,000 places stay apart.
    "als": tuple(
        {
            "factors": factors, "alpha": alpha, "regularization": strength, "popularity_power": power,
            "iterations": 10, "half_life_days": float("inf"),
        }
        for factors, alpha, strength, power in (
            (128, 40.0, 50.0, 0.0), (256, 100.0, 100.0, 0.0), (256, 300.0, 300.0, 0.5), (512, 100.0, 100.0, 0.4),
        )
    ),
    # Both at what was chosen for each of them.
    "graph_and_factors": tuple({**_GRAPH, **_FACTORS, "factors_part": part} for part in (0.7, 1.0)),
}  # fmt: skip
_QUICK_USERS, _QUICK_SIZES = 1_500, {"rank": 32, "factors": 16, "iterations": 5}
_LONGEST = 180.0  # seconds


def measure_gowalla(conditions: Conditions) -> Findings:
    """Choose each family's parameters on validation, then fit, rank and judge once on test."""
    split = read_gowalla(conditions.data_set("gowalla"))
    if conditions.quick:
        split = split.of_users(_QUICK_USERS, seed=conditions.seed)
    validation = split.validation(_HELD_OUT, seed=_SEED)
    found: dict[str, Any] = {}
    for family, tries in TRIED.items():
        tried = [_smaller(params) if conditions.quick else params for params in tries]
        judged = [judge(family, params, validation) for params in tried]
        best = int(np.argmax([each[RECALL] for each in judged]))
        found[family] = {
            "validation": [{**each, "params": dict(params)} for each, params in zip(judged, tried, strict=True)],
            "chosen": dict(tried[best]),
            "test": judge(family, tried[best], split),
        }
    ours = {f"Hawker {family}": each["test"] for family, each in found.items()}
    return Findings({**found, "table": beside(PUBLISHED, ours)}, () if conditions.quick else _asked(found))


def judge(family: str, params: Mapping[str, Any], split: Split) -> dict[str, float]:
    """Fit one family, list what is new to everybody, and hold it against what came later; and the seconds of it all."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    began = time.perf_counter()
    seen, truth = split.seen(), split.truth()
    result = MODELS[family].fit(seen, params, seed=_SEED, threads=threads)
    users = np.flatnonzero(truth.sizes > 0)
    lists, _ = score_users(result, seen, users, K, kind="new")
    found = authors_metrics(lists, truth, users, k=K, n_items=split.n_items, ideal="k places")
    return {name: float(values.mean()) for name, values in found.items()} | {"seconds": time.perf_counter() - began}


def beside(
    published: Mapping[str, tuple[float, float]], ours: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """One table by falling recall, published rows and ours."""
    rows = {name: {RECALL: recall, NDCG: ndcg} for name, (recall, ndcg) in published.items()}
    rows |= {name: {RECALL: found[RECALL], NDCG: found[NDCG]} for name, found in ours.items()}
    return dict(sorted(rows.items(), key=lambda row: -row[1][RECALL]))


def _smaller(params: Mapping[str, Any]) -> dict[str, Any]:
    return {**params, **{name: size for name, size in _QUICK_SIZES.items() if name in params}}


def _asked(found: Mapping[str, Any]) -> tuple[Asked, ...]:
    """Of the family that validation prefers; what test says of the others chooses nothing."""
    best = max(found, key=lambda family: max(each[RECALL] for each in found[family]["validation"]))
    ours, als = found[best]["test"], found["als"]["test"]
    return (
        Asked(f"{best}: recall@20 on test", ours[RECALL], at_least=0.190),
        Asked(f"{best}: seconds to fit, rank and judge", ours["seconds"], at_most=_LONGEST),
        Asked("als: recall@20 on test", als[RECALL], at_least=0.170),
    )
