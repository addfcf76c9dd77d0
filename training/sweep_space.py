"""Sweep space: what a recipe's `[sweep]` table lets a sweep try, as knobs on the recipe itself."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput

_KEYS = ("objective", "trials", "timeout_minutes", "space")
_RANGE = {"low", "high", "step", "log"}
#: What may be tried. The rest decides what is judged, and on whom: trials would not be comparable.
_FREE = ("factors", "windows", "ranking_users", "weights", "half_lives", "models")


@dataclass(frozen=True, slots=True)
class Knob:
    """One value that a sweep chooses, by its dotted place in the recipe: of `choices`, or from `low` to `high`.

    `log` spreads tries over orders of magnitude; numbers are whole where both ends are.
    """

    path: str
    choices: tuple[Any, ...] = ()
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that show whether all between them are accepted."""
        return self.choices or (self.low, self.high)


@dataclass(frozen=True, slots=True)
class Space:
    """A sweep as a recipe asks for it: NDCG@20 of `objective` on the validation period, as high as `trials` get it.

    `objective` is a list that is served, or a family, and the purchases that count, such as `home/whole` or `als/new`.
    `timeout_minutes`: no trial begins after it; 0 is no limit.
    """

    knobs: tuple[Knob, ...]
    objective: str = "home/whole"
    trials: int = 20
    timeout_minutes: float = 0.0


def read_space(table: Mapping[str, Any], subjects: Mapping[str, Any]) -> Space:
    """A checked `[sweep]` table; BadInput names the place. `subjects` are the lists and families to judge by."""
    for key in table:
        _check(key in _KEYS, f"sweep.{key}", f"one of {', '.join(_KEYS)}")
    objective = table.get("objective", "home/whole")
    subject, _, kind = str(objective).partition("/")
    _check(
        subject in subjects and kind in ("whole", "new", "repeat"),
        "sweep.objective",
        f"a list or a family, and whole, new or repeat, such as home/whole; lists and families: {', '.join(subjects)}",
    )
    trials = table.get("trials", 20)
    _check(_is_whole(trials) and trials >= 1, "sweep.trials", "a whole number, 1 or more")
    minutes = table.get("timeout_minutes", 0.0)
    _check(_is_number(minutes) and minutes >= 0, "sweep.timeout_minutes", "a number of minutes, 0 for no limit")
    space = table.get("space")
    _check(isinstance(space, Mapping) and bool(space), "sweep.space", "a table of what to try")
    assert isinstance(space, Mapping)
    for name in space:
        _check(name in _FREE, f"sweep.space.{name}", f"one of {', '.join(_FREE)}")
    return Space(tuple(_knobs(space, "")), objective, trials, float(minutes))


def with_values(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's document with these values at their dotted places, and without its sweep.

    BadInput for a place within what the document says is a value.
    """
    found = {name: copy.deepcopy(value) for name, value in document.items() if name != "sweep"}
    for path, value in values.items():
        *tables, last = path.split(".")
        at = found
        for name in tables:
            at = at.setdefault(name, {})
            _check(isinstance(at, dict), f"sweep.space.{path}", f"a place of the recipe, where {name} is a value")
        at[last] = value
    return found


def _knobs(table: Mapping[str, Any], prefix: str) -> Iterator[Knob]:
    for name, value in table.items():
        path = f"{prefix}{name}"
        place = f"sweep.space.{path}"
        _check("." not in name, place, "a name without a point")
        if isinstance(value, list):
            plain = all(isinstance(each, str | bool) or (_is_number(each) and math.isfinite(each)) for each in value)
            _check(len(value) > 1 and plain, place, "a list of two or more texts, numbers or switches")
            yield Knob(path, choices=tuple(value))
        elif isinstance(value, Mapping) and "low" in value:
            yield _range(path, place, value)
        else:
            _check(isinstance(value, Mapping) and bool(value), place, "a list of choices, or a table with low and high")
            yield from _knobs(value, f"{path}.")


def _range(path: str, place: str, table: Mapping[str, Any]) -> Knob:
    for key in table:
        _check(key in _RANGE, f"{place}.{key}", "one of low, high, step, log")
    low, high, step, log = table["low"], table.get("high", math.nan), table.get("step"), table.get("log", False)
    ends = all(_is_number(each) and math.isfinite(each) for each in (low, high))
    _check(ends and low < high, place, "low and high, two numbers with low below high")
    _check(isinstance(log, bool), f"{place}.log", "true or false")
    _check(not log or (low > 0 and step is None), place, "above 0 and without a step where log is true")
    _check(step is None or (_is_number(step) and 0 < step <= high - low), f"{place}.step", "within low and high")
    whole = _is_whole(low) and _is_whole(high)
    _check(step is None or not whole or _is_whole(step), f"{place}.step", "a whole number, as low and high are")
    return Knob(path, low=low, high=high, step=step, log=log)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check(holds: bool, place: str, wanted: str) -> None:
    if not holds:
        raise BadInput(f"{place} must be {wanted}", field=place)
