"""A study of next items: parameters chosen on validation, an order learned from the past, a test that is read once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.visits import Onward
from experiments.next_item import Judged, Sequences, Steps, judge
from training.evaluate import bootstrap_interval
from training.models.contract import Features
from training.onward import learn_onward, learn_order, replay_onward
from training.ranking import Replay

Models = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Window:
    """What was `known` at a moment, and the `steps` that came after it."""

    known: Sequences
    steps: Steps


@dataclass(frozen=True, slots=True)
class Study:
    """Three windows of one data set, each later than the one before, and the manners of the data set.

    Lists have `k` items; `repeats` says whether what was seen may come again; parameters are chosen by the measure
    `chosen_by`. At most `taught_by` steps of a window teach the order, and `judged_by` of the validation part judge.
    `prepare` changes what was learned before it is used.
    """

    teaching: Window
    validation: Window
    test: Window
    k: int
    repeats: bool
    chosen_by: str
    taught_by: int
    judged_by: int
    visitors_a_day: float
    features: Features | None = None
    prepare: Callable[[Onward], Onward] = lambda learned: learned
    threads: int = 1
    seed: int = 20


@dataclass(frozen=True, slots=True)
class Studied:
    """The `chosen` parameters, the means of each try on `validation`, the `test`, and seconds by stage.

    `fused` are the means on a sample of the test by the ranks of both ways, without the learned order.
    """

    chosen: Models
    validation: Sequence[Mapping[str, float]]
    test: Judged
    fused: Mapping[str, float]
    seconds: Mapping[str, float]

    @property
    def p90_ms(self) -> float:
        return self._milliseconds(0.9)

    def as_json(self) -> dict[str, Any]:
        """Plain figures; those of the test with 95 % bootstrap intervals over its steps."""
        measured = {name: bootstrap_interval(values, 0, 200) for name, values in self.test.measures.items()}
        return {
            "chosen": {family: dict(params) for family, params in self.chosen.items()},
            "validation": [dict(means) for means in self.validation],
            "test": {name: dataclasses.asdict(interval) for name, interval in measured.items()},
            "test, ranks fused": dict(self.fused),
            "milliseconds a list": {f"p{round(100 * part)}": self._milliseconds(part) for part in (0.5, 0.9, 0.99)},
            "seconds": dict(self.seconds),
        }

    def _milliseconds(self, part: float) -> float:
        return float(np.quantile(self.test.seconds, part) * 1000)


def run_study(study: Study, tried: Sequence[Models]) -> Studied:
    """Choose among what is `tried`, learn from both earlier windows, and judge the test once."""
    clock = [time.perf_counter()]
    validation = [_validated(study, models) for models in tried]
    models = tried[int(np.argmax([means[study.chosen_by] for means in validation]))]
    clock.append(time.perf_counter())
    # All of it anew, so that the seconds are those of a training that knows what it wants.
    replays = [_replayed(study, window, models) for window in (study.teaching, study.validation)]
    order = learn_order(replays, seed=study.seed, threads=study.threads)
    learned = _learned(study, study.test.known, models)
    clock.append(time.perf_counter())
    test = judge(learned, order, study.test.steps, study.k, repeats=study.repeats)
    clock.append(time.perf_counter())
    some = study.test.steps.some(study.judged_by, seed=study.seed)
    fused = judge(learned, None, some, study.k, repeats=study.repeats).means()
    seconds = dict(zip(("choose", "train", "judge"), np.diff(clock).tolist(), strict=True))
    return Studied(models, validation, test, fused, seconds)


def _validated(study: Study, models: Models) -> dict[str, float]:
    taught = _replayed(study, study.teaching, models)
    order = learn_order([taught], seed=study.seed, threads=study.threads)
    learned = _learned(study, study.validation.known, models)
    some = study.validation.steps.some(study.judged_by, seed=study.seed)
    return judge(learned, order, some, study.k, repeats=study.repeats).means()


def _replayed(study: Study, window: Window, models: Models) -> Replay:
    learned = _learned(study, window.known, models)
    return replay_onward(learned, window.steps.some(study.taught_by, seed=study.seed).pairs())


def _learned(study: Study, known: Sequences, models: Models) -> Onward:
    seen = known.seen(visitors_a_day=study.visitors_a_day, features=study.features)
    return study.prepare(learn_onward(seen, models, seed=study.seed, threads=study.threads))
