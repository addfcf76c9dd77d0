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
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.errors import NotEnoughData
from engine.learned import Ranking
from engine.recommend.again import BUY_AGAIN
from engine.recommend.features import FEATURES
from engine.recommend.onward import ONWARD_FEATURES
from engine.recommend.placements import PLACEMENTS
from training import ranking
from training.choose import choose
from training.due import HORIZON, DueModel, judge_due, learn_due, replay_due
from training.evaluate import Evaluation, Periods, Truth, buyers, evaluate_kinds, measure, periods, truth_of
from training.interactions import DAY, Log, both, type_tables
from training.lists import served
from training.models import MODELS
from training.models.contract import Interactions, Result
from training.models.top_lists import Kind
from training.onward import replay_window
from training.outcome import K, Outcome, Score
from training.peers_strength import with_peers
from training.ranking import Replay
from training.recipe import Recipe
from training.shop_data import ShopData, moment
from training.snapshot import CARRIED, Progress, fit, interactions_at, snapshot

#: The lists with a ranking of their own, and which purchases they are for.
LEARNED: Mapping[str, Kind] = {"home": "whole", "discover": "new"}
#: The order of what comes next in a visit, and what each order is learned from.
ONWARD = "onward"
#: The list that mostly holds what was bought before: whether an item is bought again hardly depends on the others.
TREES = {"home": ranking.BY_BOTH}
COLUMNS = {**dict.fromkeys(LEARNED, FEATURES), ONWARD: ONWARD_FEATURES}
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
        recipe = with_peers(shop, recipe, cuts, curves)
    past = _through_windows(shop, recipe, cuts, clock)
    scores = past.scores
    with clock("rankings"):
        learned, again = _learned(past, recipe)
    past.replays.clear()
    past.due.clear()
    seen = interactions_at(shop, recipe, cuts.test)
    with clock("snapshots"):
        bundle = snapshot(shop, recipe, cuts.test, **learned, seen=seen, say=say)
    with clock("judge"):
        scores += judge_placements(bundle, seen, shop, "test", cuts)
        due = _judge_due(bundle, seen, shop, recipe, cuts, again)
        for name in BASELINES:
            scores += judge(name, _fit_compared(name, seen, recipe), seen, shop, "test", cuts)
    with clock("snapshots"):
        bundle = snapshot(shop, recipe, shop.until, **learned, say=say)
    return Outcome(
        recipe=recipe,
        periods=cuts,
        chosen=_chosen(recipe, due),
        scores=tuple(scores),
        due=due,
        curves=curves | past.curves,
        seconds=clock.seconds,
        bundle=_documented(bundle, shop, recipe, scores, cuts, due),
    )


def _chosen(recipe: Recipe, due: Mapping[str, Any]) -> dict[str, Any]:
    """What the validation period decided."""
    told = {"weights": dict(recipe.weights), "half_lives": dict(recipe.half_lives), "peers": recipe.peers}
    return {**told, "due": due.get("calibration")}


@dataclass(frozen=True, slots=True)
class _Windows:
    """What standing at the start of each window and looking ahead gave.

    `replays` by ranking and `due` have one a window; `scores` and `curves` are of the last window, which is validation,
    and of what was learned from those before.
    """

    replays: dict[str, list[Replay]]
    due: list[Replay]
    scores: list[Score]
    curves: dict[str, list[float]]


def _through_windows(shop: ShopData, recipe: Recipe, cuts: Periods, clock: _Stages) -> _Windows:
    curves: dict[str, list[float]] = {}
    scores: list[Score] = []
    replays: dict[str, list[Replay]] = {name: [] for name in (*LEARNED, ONWARD)}
    due: list[Replay] = []
    step = cuts.test - cuts.validation
    for start in range(cuts.test - recipe.windows * step, cuts.test, step):
        seen = interactions_at(shop, recipe, start)
        with clock("snapshots"):
            bundle = snapshot(shop, recipe, start, seen=seen, say=clock.say)
        if start == cuts.validation:
            scores += _judge_models(bundle, seen, shop, recipe, cuts, clock)
            with clock("rankings"):
                bundle = ranked(bundle, learn_rankings(replays, recipe))
            with clock("judge"):
                scores += judge_placements(bundle, seen, shop, "validation", cuts)
        with clock("replay"):
            for name, kind in LEARNED.items():
                truth = truth_between(shop, seen, start, start + step, kind)
                most = recipe.ranking_users
                replays[name].append(ranking.replay(bundle, PLACEMENTS[name], truth, most, seed=recipe.seed))
            later = _telling_between(shop, recipe, start, start + step)
            replays[ONWARD].append(replay_window(bundle.onward, later, most=recipe.ranking_users, seed=recipe.seed))
            if step >= HORIZON:  # else what is looked ahead at would reach into the next window
                truth = truth_between(shop, seen, start, start + HORIZON, "whole")
                due.append(replay_due(bundle, truth, recipe.ranking_users, seed=recipe.seed))
        if start == cuts.validation:
            # Learned before this window, looked at in it: a curve on data that the ranking never saw.
            curves |= {
                f"{name}: NDCG@{K} by trees": ranking.learning_curve(bundle.rankings[name], replays[name][-1], K)
                for name in bundle.rankings
            }
    return _Windows(replays, due, scores, curves)


def _learned(past: _Windows, recipe: Recipe) -> tuple[dict[str, Any], DueModel | None]:
    """What a snapshot takes, learned from all windows; of what is due again once more, with what speaks for it."""
    rankings = learn_rankings(past.replays, recipe)
    again = learn_due(past.due, seed=recipe.seed, threads=recipe.threads) if past.due else None
    if again is None:
        return {"rankings": rankings}, None
    learned = {"rankings": {**rankings, BUY_AGAIN: again.ranking}, "chances": {BUY_AGAIN: again.chance}}
    return learned, again


def _judge_due(
    bundle: Bundle, seen: Interactions, shop: ShopData, recipe: Recipe, cuts: Periods, again: DueModel | None
) -> dict[str, Any]:
    """Of validation what was held out, and of the test period what the storefront would have called due."""
    if again is None:
        return {}
    truth = truth_between(shop, seen, cuts.test, cuts.test + HORIZON, "whole")
    judged = judge_due(bundle, truth, seed=recipe.seed)
    return {"calibration": again.calibration, "validation": dict(again.held_out), "test": judged}


def _documented(
    bundle: Bundle, shop: ShopData, recipe: Recipe, scores: list[Score], cuts: Periods, due: Mapping[str, Any]
) -> Bundle:
    """The bundle, with what made it and what it measured in its manifest."""
    manifest = dataclasses.replace(
        bundle.manifest,
        # What a sweep might try has no part in what was made.
        recipe={name: value for name, value in dataclasses.asdict(recipe).items() if name != "sweep"},
        data_versions=dict(shop.versions),
        metrics={
            "scores": [score.row(recipe.seed) for score in scores],
            "periods": dataclasses.asdict(cuts),
            "due": dict(due),
        },
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


def truth_between(shop: ShopData, seen: Interactions, start: int, end: int, kind: Kind) -> Truth:
    after = shop.log.where((shop.log.time >= start) & (shop.log.time < end))
    return truth_of(after, seen, kind=kind)


def _telling_between(shop: ShopData, recipe: Recipe, start: int, end: int) -> Log:
    """What people and strangers did in a period, as far as it speaks for an item."""
    log = both(shop.log, shop.strangers)
    weight, _ = type_tables(recipe.weights, recipe.half_lives)
    return log.where((log.time >= start) & (log.time < end) & (weight[log.type] > 0) & (log.quantity > 0))


def learn_rankings(replays: Mapping[str, list[Replay]], recipe: Recipe) -> dict[str, Ranking]:
    """Side by side, each on its share of the threads: small data keep few threads busy."""
    common = {"seed": recipe.seed, "threads": max(1, recipe.threads // len(LEARNED))}
    with ThreadPoolExecutor(max_workers=len(LEARNED) if recipe.threads > 1 else 1) as pool:
        running = {
            name: pool.submit(
                ranking.learn, mine, names=COLUMNS[name], trees=TREES.get(name, ranking.BY_ORDER), **common
            )
            for name, mine in replays.items()
            # What visits do next is an order worth having, but a shop that knows too few of them has its other lists.
            if mine and (name in LEARNED or sum(len(each.sizes) for each in mine) >= ranking.LEAST_LISTS)
        }
        return {name: each.result() for name, each in running.items()}


def ranked(bundle: Bundle, rankings: Mapping[str, Ranking]) -> Bundle:
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
            scores += judge(name, result, seen, shop, "validation", cuts)
    return scores


def _fit_compared(name: str, seen: Interactions, recipe: Recipe) -> Result:
    if name in BASELINES:
        return MODELS[name].fit(seen, seed=recipe.seed, threads=recipe.threads)
    return fit(name, seen, recipe)


def judge(name: str, result: Any, seen: Interactions, shop: ShopData, period: str, cuts: Periods) -> list[Score]:
    start, end = _bounds(period, cuts)
    after = shop.log.where((shop.log.time >= start) & (shop.log.time < end))
    return [Score.of(name, period, kind, found) for kind, found in evaluate_kinds(result, seen, after, k=K).items()]


_JUDGED: Mapping[str, tuple[Kind, ...]] = {"home": ("whole", "repeat", "new"), "discover": ("new",)}


def judge_placements(bundle: Bundle, seen: Interactions, shop: ShopData, period: str, cuts: Periods) -> list[Score]:
    """What the storefront would have shown, measured as it would have been served."""
    scores = []
    for name, kinds in _JUDGED.items():
        whole = truth_between(shop, seen, *_bounds(period, cuts), "whole")
        users = np.flatnonzero(whole.sizes > 0)
        lists = served(bundle, PLACEMENTS[name], users, K)
        for kind in kinds:
            truth = truth_between(shop, seen, *_bounds(period, cuts), kind)
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
