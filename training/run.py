"""The run, top to bottom: from what the lake knows to a bundle with the evidence for it.

Time goes                 ... | window 1 | window 2 = validation | test | now
the ranking that is judged on validation learned from window 1; the one that is judged on test, and
served, learned from both windows. Everything is chosen on validation; test is only reported.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.errors import NotEnoughData
from engine.learned import Ranking
from engine.recommend.placements import PLACEMENTS
from training import ranking
from training.choose import choose
from training.evaluate import Evaluation, Periods, Truth, buyers, evaluate_kinds, measure, periods, truth_of
from training.interactions import DAY
from training.lists import served
from training.models import MODELS
from training.models.contract import Interactions, Result
from training.models.top_lists import Kind
from training.outcome import K, Outcome, Score
from training.peers import choose_strength
from training.ranking import Replay
from training.recipe import Recipe
from training.shop_data import ShopData, moment
from training.snapshot import CARRIED, Progress, fit, interactions_at, snapshot
from training.statistics import recent_sales

#: The lists with a ranking of their own, and which purchases they are for.
LEARNED: Mapping[str, Kind] = {"home": "whole", "discover": "new"}
#: With their default parameters whatever the recipe says: nobody beats a baseline by spoiling it.
BASELINES = ("popularity", "frequency")
_LONGEST_HORIZON, _LEAST_HORIZON = 28, 3


def train(shop: ShopData, recipe: Recipe, *, say: Progress = lambda _: None) -> Outcome:
    """Fit, choose on validation, report the test once, refit what is served on all data.

    Raises NotEnoughData when the history is too short or too thin to be judged; it says what is missing.
    """
    clock = _Stages(say)
    cuts = periods_of(shop, recipe)
    with clock("choose weights and half-lives"):
        recipe, curves = choose(shop, recipe, cuts)
        recipe = _with_peers(shop, recipe, cuts, curves)
    replays, scores, learning = _through_windows(shop, recipe, cuts, clock)
    curves |= learning
    with clock("rankings"):
        rankings = _learn(replays, recipe)
    replays.clear()
    seen = interactions_at(shop, recipe, cuts.test)
    with clock("snapshots"):
        bundle = snapshot(shop, recipe, cuts.test, rankings=rankings, seen=seen, say=say)
    with clock("judge"):
        scores += _judge_placements(bundle, seen, shop, "test", cuts)
        for name in BASELINES:
            scores += _judge(name, _fit_compared(name, seen, recipe), seen, shop, "test", cuts)
    with clock("snapshots"):
        bundle = snapshot(shop, recipe, shop.until, rankings=rankings, say=say)
    return Outcome(
        recipe=recipe,
        periods=cuts,
        chosen={"weights": dict(recipe.weights), "half_lives": dict(recipe.half_lives), "peers": recipe.peers},
        scores=tuple(scores),
        curves=curves,
        seconds=clock.seconds,
        bundle=_documented(bundle, shop, recipe, scores, cuts),
    )


def _with_peers(shop: ShopData, recipe: Recipe, cuts: Periods, curves: dict[str, list[float]]) -> Recipe:
    """The recipe with the strength of what new customers declare, chosen on validation where it does not say one."""
    if recipe.peers >= 0:
        return recipe
    seen = interactions_at(shop, recipe, cuts.validation)
    recent = recent_sales(seen.log.of_type("purchase"), cuts.validation)
    strength, tried = choose_strength(shop, seen, recent, cuts, seed=recipe.seed)
    if tried:
        curves["peers of new customers"] = tried
    return dataclasses.replace(recipe, peers=strength)


def validate(
    shop: ShopData,
    recipe: Recipe,
    cuts: Periods,
    subject: str,
    *,
    fitted: Callable[[int, Recipe], Mapping[str, Result]] = lambda start, recipe: {},
    say: Progress = lambda _: None,
) -> list[Score]:
    """What a recipe is worth on the validation period: of the served lists, or of one family where `subject` names it.

    Nothing from the test period on is looked at. `fitted` gives what need not be fitted again at the start of a window.
    """
    if subject in MODELS:
        seen = interactions_at(shop, recipe, cuts.validation)
        return _judge(subject, fit(subject, seen, recipe), seen, shop, "validation", cuts)
    replays: dict[str, list[Replay]] = {name: [] for name in LEARNED}
    step = cuts.test - cuts.validation
    for start in range(cuts.test - recipe.windows * step, cuts.test, step):
        seen = interactions_at(shop, recipe, start)
        bundle = snapshot(shop, recipe, start, seen=seen, fitted=fitted(start, recipe), say=say)
        if start == cuts.validation:
            say("judge")
            return _judge_placements(_ranked(bundle, _learn(replays, recipe)), seen, shop, "validation", cuts)
        say("replay")
        for name, kind in LEARNED.items():
            truth = _truth(shop, seen, start, start + step, kind)
            replays[name].append(
                ranking.replay(bundle, PLACEMENTS[name], truth, recipe.ranking_users, seed=recipe.seed)
            )
    raise AssertionError("the last window is the validation period")


def _through_windows(
    shop: ShopData, recipe: Recipe, cuts: Periods, clock: _Stages
) -> tuple[dict[str, list[Replay]], list[Score], dict[str, list[float]]]:
    """Stand at the start of each window and look ahead: replays by ranking, and on the last one, which is
    validation, the scores and learning curves of what was learned from the windows before."""
    curves: dict[str, list[float]] = {}
    scores: list[Score] = []
    replays: dict[str, list[Replay]] = {name: [] for name in LEARNED}
    step = cuts.test - cuts.validation
    for start in range(cuts.test - recipe.windows * step, cuts.test, step):
        seen = interactions_at(shop, recipe, start)
        with clock("snapshots"):
            bundle = snapshot(shop, recipe, start, seen=seen, say=clock.say)
        if start == cuts.validation:
            scores += _judge_models(bundle, seen, shop, recipe, cuts, clock)
            with clock("rankings"):
                bundle = _ranked(bundle, _learn(replays, recipe))
            with clock("judge"):
                scores += _judge_placements(bundle, seen, shop, "validation", cuts)
        with clock("replay"):
            for name, kind in LEARNED.items():
                truth = _truth(shop, seen, start, start + step, kind)
                most = recipe.ranking_users
                replays[name].append(ranking.replay(bundle, PLACEMENTS[name], truth, most, seed=recipe.seed))
        if start == cuts.validation:
            # Learned before this window, looked at in it: a curve on data that the ranking never saw.
            curves |= {
                f"{name}: NDCG@{K} by trees": ranking.learning_curve(bundle.rankings[name], replays[name][-1], K)
                for name in bundle.rankings
            }
    return replays, scores, curves


def _documented(bundle: Bundle, shop: ShopData, recipe: Recipe, scores: list[Score], cuts: Periods) -> Bundle:
    """The bundle, with what made it and what it measured in its manifest."""
    manifest = dataclasses.replace(
        bundle.manifest,
        # What a sweep might try has no part in what was made.
        recipe={name: value for name, value in dataclasses.asdict(recipe).items() if name != "sweep"},
        data_versions=dict(shop.versions),
        metrics={"scores": [score.row(recipe.seed) for score in scores], "periods": dataclasses.asdict(cuts)},
    )
    return dataclasses.replace(bundle, manifest=manifest)


def periods_of(shop: ShopData, recipe: Recipe) -> Periods:
    """The cuts; the windows and the test period take as many horizons, and as much again lies before them."""
    if not len(shop.log.of_type("purchase")):
        raise NotEnoughData(f"none of the shop's {len(shop.log):,} events is a purchase; training predicts purchases")
    days = (shop.until - int(shop.log.time[0])) / DAY
    wanted = 2 * (recipe.windows + 1)
    horizon = recipe.horizon_days or max(_LEAST_HORIZON, min(_LONGEST_HORIZON, int(days / wanted)))
    # A horizon that the recipe insists on may leave less before the first window, but not nothing.
    needed = horizon * (recipe.windows + 2 if recipe.horizon_days else wanted)
    if days < needed:
        raise NotEnoughData(
            f"the shop's history has {days:.0f} days, from {moment(int(shop.log.time[0])):%Y-%m-%d}; {recipe.windows} "
            f"windows of {horizon} days need {needed} days. Import more, or choose a shorter horizon_days in the recipe"
        )
    # Whole days: a period that began at the second of the last event would cut a day in two.
    return periods(shop.until // DAY * DAY, horizon)


def _truth(shop: ShopData, seen: Interactions, start: int, end: int, kind: Kind) -> Truth:
    after = shop.log.where((shop.log.time >= start) & (shop.log.time < end))
    return truth_of(after, seen, kind=kind)


def _learn(replays: Mapping[str, list[Replay]], recipe: Recipe) -> dict[str, Ranking]:
    """Side by side, each on its share of the threads: small data keep few threads busy."""
    each_has = max(1, recipe.threads // len(LEARNED))
    with ThreadPoolExecutor(max_workers=len(LEARNED) if recipe.threads > 1 else 1) as pool:
        running = {
            name: pool.submit(ranking.learn, mine, seed=recipe.seed, threads=each_has)
            for name, mine in replays.items()
            if mine
        }
        return {name: each.result() for name, each in running.items()}


def _ranked(bundle: Bundle, rankings: Mapping[str, Ranking]) -> Bundle:
    return dataclasses.replace(bundle, rankings=dict(rankings))


def _judge_models(
    bundle: Bundle, seen: Interactions, shop: ShopData, recipe: Recipe, cuts: Periods, clock: _Stages
) -> list[Score]:
    """Every family on the validation period: those that the bundle carries as they are, the others fitted once."""
    results: dict[str, Any] = {name: getattr(bundle, field) for field, name in CARRIED.items() if name != "basket"}
    results[recipe.factors] = bundle.factors
    scores: list[Score] = []
    for name in dict.fromkeys((*BASELINES, *recipe.compare, *results)):
        with clock("compare"):
            result = results[name] if name in results else _fit_compared(name, seen, recipe)
        with clock("judge"):
            scores += _judge(name, result, seen, shop, "validation", cuts)
    return scores


def _fit_compared(name: str, seen: Interactions, recipe: Recipe) -> Result:
    if name in BASELINES:
        return MODELS[name].fit(seen, seed=recipe.seed, threads=recipe.threads)
    return fit(name, seen, recipe)


def _judge(name: str, result: Any, seen: Interactions, shop: ShopData, period: str, cuts: Periods) -> list[Score]:
    start, end = _bounds(period, cuts)
    after = shop.log.where((shop.log.time >= start) & (shop.log.time < end))
    return [Score.of(name, period, kind, found) for kind, found in evaluate_kinds(result, seen, after, k=K).items()]


_JUDGED: Mapping[str, tuple[Kind, ...]] = {"home": ("whole", "repeat", "new"), "discover": ("new",)}


def _judge_placements(bundle: Bundle, seen: Interactions, shop: ShopData, period: str, cuts: Periods) -> list[Score]:
    """What the storefront would have shown, measured as it would have been served."""
    scores = []
    for name, kinds in _JUDGED.items():
        whole = _truth(shop, seen, *_bounds(period, cuts), "whole")
        users = np.flatnonzero(whole.sizes > 0)
        lists = served(bundle, PLACEMENTS[name], users, K)
        for kind in kinds:
            truth = _truth(shop, seen, *_bounds(period, cuts), kind)
            found: Evaluation = measure(lists, truth, users=users, popularity=buyers(seen), k=K)
            # In a shop of books nobody buys a thing twice: of "repeat" there is nothing to report.
            if len(found.users):
                scores.append(Score.of(name, period, kind, found, is_placement=True))
    return scores


def _bounds(period: str, cuts: Periods) -> tuple[int, int]:
    return (cuts.validation, cuts.test) if period == "validation" else (cuts.test, cuts.end)


class _Stages:
    """Seconds by stage; entering a stage says so."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self.say = say

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self.say(stage)
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
