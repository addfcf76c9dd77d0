"""Sweep: tries what a recipe spans, on the validation period alone, and writes the best as a recipe.

Trials see nothing of the test period: its events are taken out before the first one begins. Which one is best is
therefore known only as well as one period can tell it, and the best of many looks better than it is: what it is worth
on the test period is what `hawker train` of the written recipe reports, once.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import BadInput, HawkerError, NotEnoughData
from engine.settings import Settings
from engine.storage.durable import check_replaceable, replace_file
from engine.storage.home import Home
from engine.storage.lake import Lake
from training.choose import choose
from training.evaluate import Interval, Periods, paired_difference
from training.interactions import DAY
from training.models import MODELS
from training.onward import onward_of
from training.outcome import K, Score
from training.recipe import Recipe, parse_recipe, space_of
from training.recipe_text import recipe_text
from training.run import periods_of
from training.search import Search
from training.shop_data import ShopData, read_shop
from training.snapshot import CARRIED, Progress, fit, interactions_at
from training.sweep_record import SweepRecord
from training.sweep_space import Space, with_values
from training.sweep_state import SweepState, Trial, file_name
from training.swept import Swept, short
from training.tracking import Tracker
from training.validation import validate

_NDCG = f"ndcg@{K}"
_MOST_FAILURES = 3  # in a row, before anything has succeeded


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a sweep ends, over what the recipe says; and where its best recipe is written."""

    trials: int | None = None
    minutes: float | None = None
    out: Path | None = None


def sweep(
    home: Home,
    settings: Settings,
    document: Mapping[str, Any],
    bounds: Bounds,
    *,
    until: datetime | None,
    say: Progress = lambda _: None,
) -> Swept:
    """Try what the document's `[sweep]` table spans; the first trial is the recipe as it is.

    The same recipe, lake and `until` go on where an earlier sweep ended: trials that are finished are not tried again.
    Ctrl-C ends it with the best so far. Raises BadInput, NotEnoughData, NotAllowed while the same sweep runs elsewhere.
    """
    recipe = parse_recipe(document)
    space = space_of(recipe)
    path = _checked(bounds.out or Path(f"{file_name(recipe.name)}-best.toml"))
    say("read the lake")
    shop = read_shop(Lake(home), until)
    cuts = periods_of(shop, recipe)
    shop = _before_test(shop, cuts)
    about = {"recipe": document, "data": {name: shop.versions[name] for name in ("events", "items", "users")}}
    about["recipe"] = {**document, "sweep": {**recipe.sweep, "trials": 0, "timeout_minutes": 0}}
    state = SweepState(home, recipe.name, {**about, "until": cuts.end})
    record = SweepRecord(Tracker(home, settings), recipe.name, state.digest, shop.versions)
    most = bounds.trials or space.trials
    minutes = space.timeout_minutes if bounds.minutes is None else bounds.minutes
    with state.alone():
        round_ = _Round(shop, recipe, document=document, space=space, cuts=cuts, state=state, record=record, say=say)
        interrupted = round_.run(most, minutes)
        return _finished(round_, path, interrupted=interrupted)


def _checked(path: Path) -> Path:
    """Refused before hours of trials, not after them."""
    try:
        check_replaceable(path.absolute())
    except OSError as problem:
        raise BadInput(f"--out {path} cannot be written: {problem.strerror}", field="out") from problem
    return path


def _before_test(shop: ShopData, cuts: Periods) -> ShopData:
    """The shop without its test period."""
    rows = shop.log.time < cuts.test
    return dataclasses.replace(shop, until=cuts.test, log=shop.log.where(rows), list_amounts=shop.list_amounts[rows])


class _Round:
    """One run of a sweep over what earlier ones left."""

    def __init__(
        self,
        shop: ShopData,
        recipe: Recipe,
        *,
        document: Mapping[str, Any],
        space: Space,
        cuts: Periods,
        state: SweepState,
        record: SweepRecord,
        say: Progress,
    ) -> None:
        self.shop, self.document, self.space, self.cuts = shop, document, space, cuts
        self.state, self.record, self._say = state, record, say
        say("choose weights and half-lives")
        self.chosen, _ = choose(shop, recipe, cuts)
        self._kept: dict[tuple[int, str], Any] = {}
        self._swept = {knob.path.split(".")[1] for knob in space.knobs if knob.path.startswith("models.")}
        # Where what an event weighs is tried, nothing fitted on it can be kept.
        self._keeps = not any(knob.path.split(".")[0] in ("weights", "half_lives") for knob in space.knobs)

    def run(self, most: int, minutes: float) -> bool:
        """Whether somebody interrupted it."""
        began, failures = time.monotonic(), 0
        search = Search(self.space.knobs, self.chosen.seed)
        for each in self.state.trials:
            if each.score is not None:
                search.told(each.values, each.score)
        try:
            for number in range(len(self.state.trials), most):
                if number and minutes and time.monotonic() - began > 60 * minutes:
                    break
                values = search.ask(number) if number else self._as_it_is()
                trial = self._again(number, values) or self._try(number, values)
                if trial.score is not None:
                    search.told(trial.values, trial.score)
                failures = 0 if trial.score is not None else failures + 1
                if failures >= _MOST_FAILURES and self.state.best() is None:
                    break
        except KeyboardInterrupt:
            self.state.read()  # its line may be on the disk already
            if self.state.best() is None:
                raise
            return True
        return False

    def document_with(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The recipe's document with what a trial sets. How long a period is follows from the number of windows where a
        recipe does not say it; where that is tried, all are judged on the same and trained on the same."""
        found = with_values(self.document, values)
        if "windows" in values:
            found["horizon_days"] = (self.cuts.end - self.cuts.test) // DAY
        return found

    def recipe_with(self, values: Mapping[str, Any]) -> Recipe:
        """The recipe of a trial: what it sets, and for the rest what the recipe says or the validation period chose."""
        asked = parse_recipe(self.document_with(values))
        if "windows" in values:  # more than fit into the history would be refused when the best one is trained
            periods_of(dataclasses.replace(self.shop, until=self.cuts.end), asked)
        weights = {**self.chosen.weights, **asked.weights}
        return dataclasses.replace(asked, weights=weights, half_lives={**self.chosen.half_lives, **asked.half_lives})

    def _try(self, number: int, values: Mapping[str, Any]) -> Trial:
        told = ", ".join(f"{path} {short(value)}" for path, value in values.items())
        began = time.perf_counter()

        def say(stage: str) -> None:
            self._say(f"trial {number} ({told}): {stage}")

        subject, _, kind = self.space.objective.partition("/")
        score: Score | None = None
        error = ""
        try:
            found = validate(self.shop, self.recipe_with(values), self.cuts, subject, fitted=self._fitted, say=say)
            score = next((each for each in found if (each.subject, each.kind) == (subject, kind)), None)
            error = "" if score else f"nobody's purchases of the validation period are of the kind {kind}"
        except HawkerError as problem:
            error = problem.message
        mean = None if score is None else float(score.per_user[_NDCG].mean())
        trial = Trial(number, dict(values), mean, round(time.perf_counter() - began, 2), error)
        before = self.state.best()
        if score is not None and (number == 0 or before is None or (mean or 0.0) > (before.score or 0.0)):
            self.state.keep_users(number, score.users, score.per_user[_NDCG])
        return self._keep(trial)

    def _again(self, number: int, values: Mapping[str, Any]) -> Trial | None:
        """The trial of values that were tried before, which the same would come of; small spaces have few others."""
        known = next((each for each in self.state.trials if each.values == values), None)
        return known and self._keep(dataclasses.replace(known, number=number, seconds=0.0))

    def _keep(self, trial: Trial) -> Trial:
        self.state.add(trial)
        self._say("record in MLflow")
        self.record.trial(trial, self.space.objective)
        return trial

    def _as_it_is(self) -> dict[str, Any]:
        """The recipe's own values of the knobs."""
        found: dict[str, Any] = {}
        for knob in self.space.knobs:
            table, *inside = knob.path.split(".")
            value: Any = getattr(self.chosen, table)
            if table == "models":
                value = MODELS[inside[0]].complete(self.chosen.models.get(inside[0]))
                inside = inside[1:]
            for name in inside:
                value = value[name]
            if value is not None:  # a half-life that a family is not given has no number
                found[knob.path] = value
        return found

    def _fitted(self, start: int, recipe: Recipe) -> Mapping[str, Any]:
        """Families that no trial changes, fitted once for the start of each window."""
        if not self._keeps:
            return {}
        usual = {*CARRIED.values(), self.chosen.factors} - self._swept
        wanted = sorted(usual & {*CARRIED.values(), recipe.factors})
        seen = None
        for name in wanted:
            if (start, name) not in self._kept:
                seen = seen or interactions_at(self.shop, recipe, start)
                self._kept[start, name] = fit(name, seen, recipe)
        if not {"transitions", "visit_neighbours"} & self._swept:
            wanted.append("onward")
            if (start, "onward") not in self._kept:
                seen = seen or interactions_at(self.shop, recipe, start)
                learned = onward_of(seen, recipe.models, seed=recipe.seed, threads=recipe.threads)
                self._kept[start, "onward"] = learned
        return {name: self._kept[start, name] for name in wanted}


def _finished(done: _Round, path: Path, *, interrupted: bool) -> Swept:
    """Write the best trial's recipe, and say how it compares with the recipe as it was."""
    best, first = done.state.best(), done.state.trials[0]
    if best is None:
        raise NotEnoughData(f"no trial of the sweep succeeded; the last one: {done.state.trials[-1].error}")
    document = done.document_with(best.values)
    if best.number:
        document["name"] = f"{document.get('name', 'recipe')}-best"
    said = (
        f"Trial {best.number} of {len(done.state.trials)} of a sweep: NDCG@{K} of {done.space.objective} on the"
        f" validation period {best.score:.4f}; of the recipe as it was {first.score or 0.0:.4f}."
    )
    replace_file(path.absolute(), recipe_text(document, said).encode())
    difference = _difference(done.state, best, done.chosen.seed)
    warning = done.record.finished(best, difference)
    return Swept(done.space.objective, tuple(done.state.trials), best, first, difference, path, interrupted, warning)


def _difference(state: SweepState, best: Trial, seed: int) -> Interval | None:
    ours, theirs = state.users(best.number), state.users(0)
    if ours is None or theirs is None or not np.array_equal(ours[0], theirs[0]):
        return None
    return paired_difference(ours[1], theirs[1], seed)
