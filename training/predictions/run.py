"""The run of a prediction, top to bottom: from the lake to calibrated probabilities, with the evidence for them.

Time goes                 ... moments that teach | validation | test | now
each of the last two is one horizon long. Models learn from what was known at the start of validation, are chosen and
calibrated by what came in it, and are judged once by what came after. Then everything moves up one horizon: what is
written learned from all that was known at the start of test and is calibrated by what came in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import NotEnoughData
from engine.storage.lake import Lake
from training.predictions import accuracy
from training.predictions.accuracy import Judged, auc_difference, auc_interval
from training.predictions.calibration import Calibration, calibrate, logistic
from training.predictions.facts import largest, span
from training.predictions.learners import Lesson, learn
from training.predictions.model import Learned, PredictionModel
from training.predictions.moments import Moment
from training.predictions.outcome import Comparison, Trained, interval_json
from training.predictions.past import DAY, Held, Past
from training.predictions.recipe import PredictionRecipe

_USERS_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class _Cuts:
    """When the shop began, validation and test begin, the last horizon ends, and now."""

    first: datetime
    validation: datetime
    test: datetime
    end: datetime
    now: datetime


def train_prediction(
    lake: Lake, recipe: PredictionRecipe, *, until: datetime | None = None, say: Callable[[str], None] = lambda _: None
) -> Trained:
    """Learn, choose, judge and predict, from nothing later than `until`. Nothing is written.

    Raises NotEnoughData with what to do when the shop is too young, too small, or everybody does the same.
    """
    clock = _Stages(say)
    versions = lake.versions()
    lake = lake.at(versions)
    with clock("read the lake"):
        cuts = _cuts(lake, recipe, until)
        past = Past(lake, recipe, cuts.first, _subjects(lake, recipe, cuts))
        lesson, held = (
            past.lesson(_teaching(cuts.validation, recipe, cuts), cuts.validation),
            past.held(cuts.validation),
        )
        judged_on = past.held(cuts.test)
        _check(lesson, held, judged_on, recipe)
    with clock("choose and judge"):
        chosen, validation, test, figures = _judge(lesson, held, judged_on, recipe)
    written = chosen if validation.is_better and test.is_better else "recency"
    with clock("learn anew"):
        lesson = past.lesson(_teaching(cuts.test, recipe, cuts), cuts.test)
        model = _final(written, lesson, judged_on, recipe, past.people)
        baseline = _final("recency", lesson, judged_on, recipe, past.people, refits=0)
    with clock("predict"):
        rows = _predicted(past.moment(cuts.now), model, baseline, written, cuts.now)
    return Trained(
        recipe=recipe,
        as_of=cuts.now,
        periods={"validation": cuts.validation, "test": cuts.test, "end": cuts.end},
        chosen=chosen,
        validation=validation,
        test=test,
        figures=figures,
        rows=rows,
        model=model,
        data_versions=versions,
        seconds=clock.seconds,
    )


def _judge(
    lesson: Lesson, held: Held, judged_on: Held, recipe: PredictionRecipe
) -> tuple[str, Comparison, Comparison, dict[str, Any]]:
    """The candidate that is best on validation, beside recency there and on the test period, and the figures."""
    learned = {name: _learn(name, lesson, recipe) for name in ("recency", *recipe.candidates)}
    on_validation = {name: held.judged(each.odds(held.columns)) for name, each in learned.items()}
    aucs = {name: auc_interval(each, seed=recipe.seed) for name, each in on_validation.items()}
    chosen = max(recipe.candidates, key=lambda name: aucs[name].mean)
    validation = _compared(on_validation[chosen], on_validation["recency"], recipe)
    fits = {name: _calibrated(learned[name], held) for name in (chosen, "recency")}
    chances = {name: calibration(each.odds(judged_on.columns)) for name, (each, calibration) in fits.items()}
    test = _compared(judged_on.judged(chances[chosen]), judged_on.judged(chances["recency"]), recipe)
    figures = {
        "candidates": {name: interval_json(each) for name, each in aucs.items()},
        "validation": validation.as_json(),
        "test": test.as_json() | _figures(chances, chosen, judged_on, learned[chosen], recipe),
    }
    return chosen, validation, test, figures


def _cuts(lake: Lake, recipe: PredictionRecipe, until: datetime | None) -> _Cuts:
    found = span(lake, until)
    if found is None or found[2] < recipe.least_buyers:
        buyers, before = (found[2] if found else 0), f" before {until.isoformat()}" if until else ""
        raise NotEnoughData(
            f"{buyers:,} users bought something{before}; predictions need {recipe.least_buyers}. Import more of the "
            "shop's history, and until then group customers by recency and frequency"
        )
    first, last, _ = found
    now = until or last + timedelta(seconds=1)
    # Whole days: a period that began at the second of the last event would cut a day in two.
    end = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    horizon = recipe.horizon_days
    cuts = _Cuts(first, end - 2 * horizon * DAY, end - horizon * DAY, end, now)
    if len(_teaching(cuts.validation, recipe, cuts)) < 2:
        needed = 2 * horizon + horizon // recipe.steps + recipe.every_days + recipe.history_days
        raise NotEnoughData(
            f"the shop's history has {(end - first) / DAY:.0f} days, from {first:%Y-%m-%d}; {recipe.name} looks "
            f"{horizon} days ahead and needs {needed}. Import more, or choose a shorter horizon_days in the recipe"
        )
    return cuts


def _teaching(known: datetime, recipe: PredictionRecipe, cuts: _Cuts) -> list[datetime]:
    """The moments that teach at `known`: the latest whose first step is over, and earlier ones while history lasts."""
    latest = known - recipe.horizon_days // recipe.steps * DAY
    moments = (latest - number * recipe.every_days * DAY for number in range(recipe.moments))
    return [each for each in moments if each >= cuts.first + recipe.history_days * DAY]


def _subjects(lake: Lake, recipe: PredictionRecipe, cuts: _Cuts) -> tuple[str, ...]:
    """The categories predicted, by what was known before validation: those named, or those with most buyers."""
    if recipe.predicts != "category":
        return ()
    known = dict(largest(lake, cuts.validation, recipe.level))
    for name in recipe.subjects:
        if known.get(name, 0) < recipe.least_buyers:
            raise NotEnoughData(
                f"{known.get(name, 0):,} users bought in the category {name!r} before {cuts.validation:%Y-%m-%d}; "
                f"{recipe.least_buyers} are needed: leave it out, or predict a more general category",
                field="prediction.subjects",
            )
    found = recipe.subjects or tuple(name for name, buyers in known.items() if buyers >= recipe.least_buyers)
    if not found:
        raise NotEnoughData(
            f"no category of level {recipe.level} had {recipe.least_buyers} buyers before "
            f"{cuts.validation:%Y-%m-%d}; give the items categories, or choose a lower level",
            field="prediction.level",
        )
    return found[: recipe.most_subjects] if not recipe.subjects else found


def _check(lesson: Lesson, held: Held, judged_on: Held, recipe: PredictionRecipe) -> None:
    for what, rows, users in (
        ("before the validation period", lesson.ordered, lesson.users),
        ("in the validation period", held.ordered, held.users),
        ("in the test period", judged_on.ordered, judged_on.users),
    ):
        people = len(np.unique(users))
        if people < recipe.least_buyers:
            raise NotEnoughData(
                f"{people:,} users had ordered within {recipe.active} days {what}; predictions need "
                f"{recipe.least_buyers}. Import more of the shop's history, or a longer active_days in the recipe"
            )
        if not accuracy.tellable(rows):
            did = int(rows.sum())
            raise NotEnoughData(
                f"{did:,} of {len(rows):,} ordered within the horizon {what}: almost all do the same, so there is "
                f"nothing to tell apart. Choose a {'shorter' if did > len(rows) / 2 else 'longer'} horizon_days"
            )


def _learn(name: str, lesson: Lesson, recipe: PredictionRecipe, weights: np.ndarray | None = None) -> Learned:
    return learn(name, lesson, weights, seed=recipe.seed, threads=recipe.threads)


def _calibrated(learned: Learned, held: Held, weights: np.ndarray | None = None) -> tuple[Learned, Calibration]:
    return learned, calibrate(learned.odds(held.columns), held.ordered, weights)


def _compared(ours: Judged, theirs: Judged, recipe: PredictionRecipe) -> Comparison:
    seed = recipe.seed
    return Comparison(
        auc_interval(ours, seed=seed), auc_interval(theirs, seed=seed), auc_difference(ours, theirs, seed=seed)
    )


def _figures(
    chances: Mapping[str, np.ndarray], chosen: str, held: Held, learned: Learned, recipe: PredictionRecipe
) -> dict[str, Any]:
    """Calibration on the test period: of what was said there, how much came."""
    is_absence = recipe.predicts == "churn"
    outcomes = ~held.ordered if is_absence else held.ordered
    said = {name: 1 - each if is_absence else each for name, each in chances.items()}
    raw = logistic(learned.odds(held.columns))
    return {
        "users": len(np.unique(held.users)),
        "rows": len(outcomes),
        "base_rate": float(outcomes.mean()),
        "ece": accuracy.calibration_error(said[chosen], outcomes),
        "ece_by_chance": accuracy.error_by_chance(said[chosen], seed=recipe.seed),
        "ece_uncalibrated": accuracy.calibration_error(1 - raw if is_absence else raw, outcomes),
        "ece_of_recency": accuracy.calibration_error(said["recency"], outcomes),
        "ece_of_recency_by_chance": accuracy.error_by_chance(said["recency"], seed=recipe.seed),
        "brier": accuracy.brier(said[chosen], outcomes),
        "brier_of_recency": accuracy.brier(said["recency"], outcomes),
        "lift_at_10_percent": accuracy.lift(said[chosen], outcomes),
        "lift_of_recency_at_10_percent": accuracy.lift(said["recency"], outcomes),
    }


def _final(
    name: str, lesson: Lesson, held: Held, recipe: PredictionRecipe, people: int, *, refits: int | None = None
) -> PredictionModel:
    """The model on all users, and refits on users drawn with replacement, learned and calibrated on the same draw."""
    fits = [_calibrated(_learn(name, lesson, recipe), held)]
    for number in range(recipe.refits if refits is None else refits):
        drawn = np.random.default_rng([recipe.seed, number]).integers(0, people, people)
        times = np.bincount(drawn, minlength=people).astype(np.float64)
        fits.append(_calibrated(_learn(name, lesson, recipe, times[lesson.users]), held, times[held.users]))
    return PredictionModel(lesson.names, recipe.predicts == "churn", tuple(fits))


def _predicted(
    moment: Moment, model: PredictionModel, baseline: PredictionModel, written: str, now: datetime
) -> pa.Table:
    """One row a user, or a user and subject, who is active now."""
    blocks = []
    for begin in range(0, len(moment.users), _USERS_AT_ONCE):
        rows = np.arange(begin, min(begin + _USERS_AT_ONCE, len(moment.users)))
        columns = moment.columns(rows)
        score, low, high = model.predict(columns)
        blocks.append(np.stack([score, low, high, baseline.predict(columns)[0]]))
    found = np.concatenate(blocks, axis=1) if blocks else np.zeros((4, 0))
    subjects = pa.array(moment.subjects or (None,), pa.string())
    return pa.table(
        {
            "user_id": pa.array(np.repeat(moment.users, moment.width), pa.string()),
            "subject": subjects.take(pa.array(np.tile(np.arange(moment.width), len(moment.users)))),
            **{name: found[place] for place, name in enumerate(("score", "low", "high", "baseline"))},
            "model": pa.array([written]).take(pa.array(np.zeros(found.shape[1], np.int64))),
            "as_of": pa.array([now] * found.shape[1], pa.timestamp("us", tz="UTC")),
        }
    )


class _Stages:
    """Seconds by stage; entering a stage says so."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._say = say

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._say(stage)
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
