"""Validation: what a recipe is worth on the validation period alone, for who tries many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.recommend.placements import PLACEMENTS
from training import ranking
from training.evaluate import Periods
from training.models import MODELS
from training.outcome import Score
from training.ranking import Replay
from training.recipe import Recipe
from training.run import LEARNED, judge, judge_placements, learn_rankings, ranked, truth_between
from training.shop_data import ShopData
from training.snapshot import Progress, fit, interactions_at, snapshot


def validate(
    shop: ShopData,
    recipe: Recipe,
    cuts: Periods,
    subject: str,
    *,
    fitted: Callable[[int, Recipe], Mapping[str, Any]] = lambda start, recipe: {},
    say: Progress = lambda _: None,
) -> list[Score]:
    """What a recipe is worth on the validation period: of the served lists, or of one family where `subject` names it.

    Nothing from the test period on is looked at. `fitted` gives what need not be fitted again at the start of a window.
    """
    if subject in MODELS:
        seen = interactions_at(shop, recipe, cuts.validation)
        return judge(subject, fit(subject, seen, recipe), seen, shop, "validation", cuts)
    replays: dict[str, list[Replay]] = {name: [] for name in LEARNED}
    step = cuts.test - cuts.validation
    for start in range(cuts.test - recipe.windows * step, cuts.validation, step):
        seen = interactions_at(shop, recipe, start)
        bundle = snapshot(shop, recipe, start, seen=seen, fitted=fitted(start, recipe), say=say)
        say("replay")
        for name, kind in LEARNED.items():
            truth = truth_between(shop, seen, start, start + step, kind)
            most = recipe.ranking_users
            replays[name].append(ranking.replay(bundle, PLACEMENTS[name], truth, most, seed=recipe.seed))
    seen = interactions_at(shop, recipe, cuts.validation)
    bundle = snapshot(shop, recipe, cuts.validation, seen=seen, fitted=fitted(cuts.validation, recipe), say=say)
    say("judge")
    return judge_placements(ranked(bundle, learn_rankings(replays, recipe)), seen, shop, "validation", cuts)
