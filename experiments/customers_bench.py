"""Bench `customers`: who orders, is lost, buys in a category, wants an item; each beside its naive baseline.

Protocol on The Complete Journey: the shipped recipes over the whole year, so that purchase and category are judged on
the last 30 days and churn on the last 90. Models are chosen on the period before; the test period is read once. Whoever
does not beat recency alone outside the 95 % bootstrap interval is written as recency, and the run says so.
"""

from __future__ import annotations

import dataclasses
import resource
import time
from datetime import UTC, datetime
from typing import Any

from engine.storage.home import Home
from engine.storage.imports.run import ImportRequest, run_import
from engine.storage.lake import Lake
from experiments.findings import Asked, Conditions, Findings
from experiments.item_audiences import judge_item_audiences
from experiments.shop import ShopSize, generate
from training.predictions.outcome import Trained
from training.predictions.recipe import PREDICTS, PredictionRecipe, parse_prediction
from training.predictions.run import train_prediction
from training.recipe import read_document

_QUICK = ShopSize(users=700, items=400, days=200)
_SECONDS, _MIB = 180, 3 * 1024


def measure_customers(conditions: Conditions) -> Findings:
    """Fill a lake, train every shipped prediction without writing it, and rank the users for some items."""
    home = Home(conditions.scratch)
    _fill(home, conditions)
    figures: dict[str, Any] = {}
    asked: list[Asked] = []
    for name in PREDICTS:
        recipe = parse_prediction(read_document(name))
        began = time.perf_counter()
        found = train_prediction(Lake(home), _smaller(recipe) if conditions.quick else recipe)
        seconds = time.perf_counter() - began
        figures[name] = _figures(found, seconds)
        asked.append(
            Asked(f"{name}: better than recency alone, or recency is written and said (1 = yes)", _is_honest(found), 1)
        )
        if not conditions.quick:
            asked.append(Asked(f"{name}: seconds to train and predict", seconds, at_most=_SECONDS))
    if not conditions.quick:
        figures["users for an item"] = judge_item_audiences(home, seed=conditions.seed)
    figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    asked.append(Asked("peak memory, MiB", figures["peak_mib"], at_most=_MIB))
    return Findings(figures, tuple(asked))


def _fill(home: Home, conditions: Conditions) -> None:
    if not conditions.quick:
        run_import(home, ImportRequest(preset="complete-journey"), now=datetime.now(UTC))
        return
    shop = generate(_QUICK, seed=conditions.seed)
    lake = Lake(home)
    lake.put_items(shop.items)
    lake.put_users(shop.users)
    lake.append_events(shop.events)


def _smaller(recipe: PredictionRecipe) -> PredictionRecipe:
    """The same for a shop of a few months and a machine that has seconds."""
    horizon = min(recipe.horizon_days, 45)
    return dataclasses.replace(
        recipe, horizon_days=horizon, moments=4, refits=10, history_days=30, least_buyers=100, most_subjects=4
    )  # fmt: skip


def _figures(found: Trained, seconds: float) -> dict[str, Any]:
    score, low, high = (found.rows[name].to_numpy() for name in ("score", "low", "high"))
    return {
        "sentence": found.sentence(),
        "chosen": found.chosen,
        "written": found.written,
        **found.figures,
        "rows": found.rows.num_rows,
        "mean_score": float(score.mean()),
        "mean_width_of_intervals": float((high - low).mean()),
        "seconds": round(seconds, 1),
    }


def _is_honest(found: Trained) -> float:
    said = "NOT better than recency alone" in found.sentence()
    models = set(found.rows["model"].to_pylist())
    return float(models == {found.chosen} and not said if found.is_better else models == {"recency"} and said)
