"""PredictionRecipe: one TOML of a prediction; its table `[prediction]` says only what differs from the defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput
from engine.storage.lake_predictions import NAME
from training.recipe import refuse_unknown

#: What can be predicted.
PREDICTS: Mapping[str, str] = {
    "purchase": "the user orders within the horizon",
    "churn": "the user orders nothing within the horizon",
    "category": "the user orders something of the category within the horizon; one row a user and category",
}
#: What may be compared with recency alone, the simplest first.
CANDIDATES = ("logistic", "trees")
_LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class PredictionRecipe:
    """What is predicted, of whom, and from how many past moments it is learned.

    Days are whole; `step_days` and `active_days` of 0 take what `steps` and `active` say. See REFERENCE.md.
    """

    name: str = "purchase"
    predicts: str = "purchase"
    horizon_days: int = 30
    step_days: int = 0
    active_days: int = 0
    history_days: int = 60
    every_days: int = 15
    moments: int = 12
    candidates: tuple[str, ...] = CANDIDATES
    refits: int = 20
    most_users: int = 20_000
    least_buyers: int = 200
    level: int = 1
    subjects: tuple[str, ...] = ()
    most_subjects: int = 20
    seed: int = 1
    threads: int = 1  # of boosting; several that wait for each other on a busy machine are slower than one

    @property
    def steps(self) -> int:
        """Into how many equal intervals the horizon is cut, each with a hazard of its own: default one."""
        return self.horizon_days // (self.step_days or self.horizon_days)

    @property
    def active(self) -> int:
        """Who ordered within so many days before a moment is predicted at it: default a year, for churn the horizon."""
        return self.active_days or (self.horizon_days if self.predicts == "churn" else 365)


def is_prediction(document: Mapping[str, Any]) -> bool:
    """Whether a recipe's file is of this kind."""
    return "prediction" in document


def parse_prediction(document: Mapping[str, Any]) -> PredictionRecipe:
    """A checked recipe from its TOML tables; BadInput names the key that cannot be."""
    refuse_unknown(document, dict.fromkeys(("name", "prediction")), "")
    table = document["prediction"]
    if not isinstance(table, Mapping):
        raise BadInput(f"prediction must be a table, not {table!r}", field="prediction")
    defaults = PredictionRecipe()
    known = {each.name: getattr(defaults, each.name) for each in dataclasses.fields(defaults) if each.name != "name"}
    refuse_unknown(table, known, "prediction.")
    values: dict[str, Any] = {"name": document.get("name", defaults.name)}
    for key, value in table.items():
        if isinstance(known[key], tuple) and isinstance(value, list):
            value = tuple(value)
        right = type(value) is type(known[key]) and (
            not isinstance(value, tuple) or all(isinstance(each, str) for each in value)
        )
        _check(right, key, _KINDS[type(known[key])], value)
        values[key] = value
    recipe = dataclasses.replace(defaults, **values)
    _check_values(recipe)
    return recipe


_KINDS: Mapping[type, str] = {str: "a text", int: "a whole number", tuple: "a list of texts"}


def _check_values(recipe: PredictionRecipe) -> None:
    if not isinstance(recipe.name, str) or not NAME.fullmatch(recipe.name):
        raise BadInput(
            f"a prediction is called by small letters, digits, - and _, a letter first, not {recipe.name!r}; "
            "rename the file or give it a name", field="name"
        )  # fmt: skip
    refuse_unknown({recipe.predicts: None}, PREDICTS, "prediction.predicts: ")
    refuse_unknown(dict.fromkeys(recipe.candidates), dict.fromkeys(CANDIDATES), "prediction.candidates: ")
    _check(len(recipe.candidates) > 0, "candidates", "at least one of " + ", ".join(CANDIDATES), [])
    for key, holds, wanted in _BOUNDS:
        _check(holds(getattr(recipe, key)), key, wanted, getattr(recipe, key))
    step = recipe.step_days
    _check(
        step == 0 or recipe.horizon_days % step == 0, "step_days", "0, or days that divide horizon_days", step
    )  # fmt: skip
    _check(recipe.steps <= 24, "step_days", "so long that at most 24 steps fill the horizon", step)
    if recipe.predicts != "category":
        _check(not recipe.subjects, "subjects", "left out where no category is predicted", list(recipe.subjects))


def _between(least: int, most: int) -> tuple[Callable[[int], bool], str]:
    return (lambda value: least <= value <= most), f"from {least:,} to {most:,}"


_BOUNDS = tuple(
    (key, *_between(least, most))
    for key, least, most in (
        ("horizon_days", 1, 730),
        ("step_days", 0, 730),
        ("active_days", 0, 3650),
        ("history_days", 1, 3650),
        ("every_days", 1, 365),
        ("moments", 2, 100),
        # Fewer refits have no 5th and 95th percentile worth the name.
        ("refits", 10, 500),
        ("most_users", 1_000, 1_000_000),
        ("least_buyers", 100, 1_000_000),
        ("level", 1, 10),
        ("most_subjects", 1, 200),
        ("seed", 0, _LARGEST_SEED),
        ("threads", 1, 256),
    )
)


def _check(holds: bool, key: str, wanted: str, value: Any) -> None:
    if not holds:
        raise BadInput(f"prediction.{key} must be {wanted}, not {value!r}", field=f"prediction.{key}")
