"""Search: which values to try next, learned from those that were tried. The only file that imports optuna.

The search itself keeps nothing: it is told all finished trials anew, so that one that was interrupted goes on exactly
as if it had not been. Its chance comes from the seed and the number of the trial.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from training.sweep_space import Knob

_RANDOM_FIRST = 8  # trials that only look around; the estimator needs some to tell good places from bad


class Search:
    """Tree-structured Parzen estimators over the knobs (Bergstra et al., 2011), as high as possible."""

    def __init__(self, knobs: Sequence[Knob], seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self._seed = optuna, seed
        self._ranges = {knob.path: _range(optuna.distributions, knob) for knob in knobs}
        self._finished: list[Any] = []

    def told(self, values: Mapping[str, Any], score: float) -> None:
        """Learn from a finished trial; one with values outside of the space, such as the recipe's own, is left out."""
        inside = all(path in values and _fits(each, values[path]) for path, each in self._ranges.items())
        if inside:
            make = self._optuna.trial.create_trial
            self._finished.append(make(params=dict(values), distributions=self._ranges, value=score))

    def ask(self, number: int) -> dict[str, Any]:
        """The values of trial `number`, by path."""
        sampler = self._optuna.samplers.TPESampler(seed=self._seed * 10_007 + number, n_startup_trials=_RANDOM_FIRST)
        study = self._optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials(self._finished)
        return dict(study.ask(self._ranges).params)


def _range(kinds: Any, knob: Knob) -> Any:
    if knob.choices:
        return kinds.CategoricalDistribution(knob.choices)
    high = knob.high
    if knob.step:  # the last step that is within the range
        high = knob.low + math.floor((knob.high - knob.low) / knob.step + 1e-9) * knob.step
    if knob.is_whole:
        return kinds.IntDistribution(int(knob.low), int(high), log=knob.log, step=int(knob.step or 1))
    return kinds.FloatDistribution(float(knob.low), float(high), log=knob.log, step=knob.step)


def _fits(within: Any, value: Any) -> bool:
    """Whether a value could have been asked for."""
    try:
        return bool(within._contains(within.to_internal_repr(value)))
    except (TypeError, ValueError):
        return False
