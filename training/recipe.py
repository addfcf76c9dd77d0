"""Recipe: one TOML of a training run; it says only what differs from the defaults."""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.events import EVENT_TYPES
from training.models import MODELS
from training.sweep_space import Space, read_space, with_values

_LARGEST_SEED = 2**32 - 1  # more do not fit into the generators of some libraries
_SHIPPED = Path(__file__).parent.parent / "experiments" / "recipes"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run learns, and how it is judged.

    `horizon_days`: length of the validation and the test period, and of what a ranking looks ahead;
    0 takes 28 days, less in a short history. `windows`: how many such periods before the
    test period teach the ranking. `compare`: families that are fitted and evaluated beside the served
    ones. `factors`: the factor model that is served through the index. `weights` and `half_lives`
    (days) by event type, `models` parameters by family; what they leave out keeps its default.
    `peers`: how far what new customers declare bends the best sellers for them, from 0 to 1; below 0 it is
    chosen on validation. `sweep`: what `hawker train --sweep` tries (see `training/sweep_space.py`).
    """

    name: str = "default"
    horizon_days: int = 0
    windows: int = 3
    factors: str = "als"
    compare: tuple[str, ...] = ("bpr", "graph_filter", "hybrid")
    seed: int = 1
    threads: int = 2
    ranking_users: int = 4000
    weights: Mapping[str, float] = field(default_factory=dict)
    half_lives: Mapping[str, float | None] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    peers: float = -1.0
    sweep: Mapping[str, Any] = field(default_factory=dict)


def read_recipe(name_or_path: str) -> Recipe:
    """A shipped recipe by name, or a TOML file by path; every unknown key is refused with the nearest known one."""
    return parse_recipe(read_document(name_or_path))


def read_document(name_or_path: str) -> dict[str, Any]:
    """What a recipe's file says, not checked yet, with the file's name as its `name` unless it says another."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = _SHIPPED / f"{name_or_path}.toml"
        if not path.is_file():
            shipped = sorted(each.stem for each in _SHIPPED.glob("*.toml"))
            raise BadInput(f"no recipe is called {name_or_path!r}; there are {', '.join(shipped)}", field="recipe")
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise BadInput(f"the recipe {path} cannot be read: {problem}", field="recipe") from problem
    return {"name": path.stem, **document}


def parse_recipe(document: Mapping[str, Any]) -> Recipe:
    """A checked recipe from its TOML tables."""
    if "prediction" in document:
        raise BadInput("this recipe is of a prediction, not of what the storefront serves", field="prediction")
    known = {each.name: each for each in dataclasses.fields(Recipe)}
    refuse_unknown(document, known, "")
    values: dict[str, Any] = {
        name: tuple(value) if name == "compare" and isinstance(value, list) else value
        for name, value in document.items()
    }
    defaults = Recipe()
    for name, value in values.items():
        usual = getattr(defaults, name)
        expected = Mapping if isinstance(usual, Mapping) else int | float if isinstance(usual, float) else type(usual)
        _check(isinstance(value, expected) and not isinstance(value, bool), name, _kind(usual), value)
    recipe = dataclasses.replace(defaults, **values)
    _check_numbers(recipe)
    for name, table in (("weights", EVENT_TYPES), ("half_lives", EVENT_TYPES), ("models", MODELS)):
        refuse_unknown(getattr(recipe, name), table, f"{name}.")
    refuse_unknown(dict.fromkeys(map(str, recipe.compare)), MODELS, "compare: ")
    refuse_unknown({recipe.factors: None}, dict.fromkeys(("als", "bpr", "hybrid")), "factors: ")
    for name, weight in recipe.weights.items():
        _check(_is_number(weight) and math.isfinite(weight), f"weights.{name}", "a finite number", weight)
    for name, days in recipe.half_lives.items():
        # TOML has no null: `inf` is how a recipe says that a type never fades.
        _check(
            _is_number(days) and float(days or 0) > 0,
            f"half_lives.{name}",
            "a number of days above 0 (inf never fades)",
            days,
        )
    for family, params in recipe.models.items():
        _check(isinstance(params, Mapping), f"models.{family}", "a table", params)
        MODELS[family].complete(params)
    if recipe.sweep:
        for knob in space_of(recipe).knobs:
            for value in knob.ends:
                parse_recipe(with_values(document, {knob.path: value}))
    return recipe


def space_of(recipe: Recipe) -> Space:
    """What a sweep of this recipe tries; BadInput where it names nothing to try."""
    if not recipe.sweep:
        raise BadInput(
            f"the recipe {recipe.name!r} has no table [sweep]; REFERENCE.md shows how to say what to try", field="sweep"
        )
    return read_space(recipe.sweep, {**dict.fromkeys(("home", "discover")), **MODELS})


def _check_numbers(recipe: Recipe) -> None:
    for name in ("horizon_days", "seed"):
        _at_least(recipe, name, 0)
    for name in ("threads", "ranking_users"):
        _at_least(recipe, name, 1)
    # One window teaches the ranking that is judged on validation, the next one is validation.
    _at_least(recipe, "windows", 2)
    _check(recipe.peers <= 1, "peers", "1 or less", recipe.peers)
    _check(recipe.seed <= _LARGEST_SEED, "seed", f"{_LARGEST_SEED} or less", recipe.seed)


def _check(holds: bool, name: str, wanted: str, value: Any) -> None:
    if not holds:
        raise BadInput(f"{name} must be {wanted}, not {value!r}", field=name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def refuse_unknown(given: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    """BadInput for the first key of `given` that `known` lacks, with the nearest that it has."""
    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise BadInput(
                f"the recipe has an unknown key {where}{name}; did you mean {nearest}?", field=f"{where}{name}"
            )


def _at_least(recipe: Recipe, name: str, least: int) -> None:
    _check(getattr(recipe, name) >= least, name, f"{least} or more", getattr(recipe, name))


def _kind(usual: Any) -> str:
    if isinstance(usual, Mapping):
        return "a table"
    return {str: "a text", int: "a whole number", float: "a number", tuple: "a list of names"}[type(usual)]
