"""Bench `journey`: the served lists on The Complete Journey's last 28 days, beside baselines and published figures.

Protocol: cut 2017-12-04 00:00 UTC, 28 days; truth are the distinct products bought, among products
and households seen before the cut; every product seen before is a candidate. The run chooses on
the 28 days before the cut and reports the test period once. What is due again is held against the 7 days after the cut:
all that the lists of all households would have called due then, each at most 100 items long, and their first 20 places.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from engine.storage.home import Home
from engine.storage.imports.run import ImportRequest, run_import
from engine.storage.lake import Lake
from experiments.cold_items import cold_items
from experiments.findings import Asked, Conditions, Findings
from training.outcome import K, Outcome
from training.recipe import read_recipe
from training.run import train
from training.shop_data import read_shop, some_users

NDCG, RECALL = f"ndcg@{K}", f"recall@{K}"
_QUICK_USERS = 250


def measure_journey(conditions: Conditions) -> Findings:
    """Import, train with the default recipe, and read the test period's scores; then items never sold before."""
    home = Home(conditions.scratch)
    run_import(home, ImportRequest(preset="complete-journey"), now=datetime.now(UTC))
    shop, recipe = read_shop(Lake(home)), read_recipe("default")
    if conditions.quick:
        shop = some_users(shop, _QUICK_USERS, seed=conditions.seed)
    outcome = train(shop, recipe)
    found, test = _rows(outcome, "test"), outcome.periods
    cold = cold_items(shop, read_recipe("launches"), test.test, test.end, seed=conditions.seed)
    return Findings(
        figures={
            "test": found,
            "validation": _rows(outcome, "validation"),
            "due again": outcome.due,
            "cold items": cold,
            "seconds": outcome.seconds,
        },
        # A sample of households is another shop: the published bounds do not hold for it.
        asked=() if conditions.quick else _asked(found, outcome.due, cold),
    )


def _asked(found: dict[str, Any], due: Mapping[str, Any], cold: dict[str, Any]) -> tuple[Asked, ...]:
    home, discover = found["home whole"], found["discover new"]
    called, first = (due["test"][name]["calibration error"] for name in ("called due", f"first {K}"))
    hybrid = cold["hybrid recall@100"]["low"]
    return (
        Asked("for you: NDCG@20", home[NDCG]["mean"], at_least=0.370),
        Asked("for you: recall@20", home[RECALL]["mean"], at_least=0.320),
        Asked("never bought: NDCG@20", discover[NDCG]["mean"], at_least=0.047),
        Asked("called due within 7 days: calibration error", called, at_most=0.05),
        Asked(f"called due, first {K} places: calibration error", first, at_most=0.05),
        Asked(
            "items never sold: hybrid less category popularity, lower bound", cold["over category"]["low"], at_least=0.0
        ),
        Asked(
            "items never sold: hybrid recall@100, lower bound, less random",
            hybrid - cold["random recall@100"],
            at_least=0.0,
        ),
    )


def _rows(outcome: Outcome, period: str) -> dict[str, Any]:
    seed = outcome.recipe.seed
    return {f"{score.subject} {score.kind}": score.row(seed) for score in outcome.scores if score.period == period}
