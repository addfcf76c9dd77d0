"""Experiment reader: the variants of a placement, their weights, and what each changes.

    [home.experiment]
    name = "more-variety"

    [home.experiment.variants.control]
    weight = 0.5

    [home.experiment.variants.varied]
    weight = 0.5
    diversity = 0.4

The control is the placement as it is. What an experiment draws by is its name, unless it says a salt.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from engine.errors import BadInput, NotAllowed, UnknownThing
from engine.expression import nearest
from engine.recommend.experiment import CONTROL, Experiment

NAME_PATTERN = r"[a-z][a-z0-9-]{0,62}"
MOST_VARIANTS, LONGEST_SALT = 10, 100
_WORDS = ("name", "salt", "variants")
#: Weights are written in so many digits: three of .333 are a whole.
_ROUNDED = 0.0015


def read_experiment(placement: str, given: Any) -> tuple[Experiment, dict[str, Mapping[str, Any]]]:
    """The experiment, and what each variant changes. Raises BadInput whose field is the path of the word."""
    if not isinstance(given, Mapping):
        raise BadInput("experiment: must be a table of name and variants", field="experiment")
    for word in given:
        if word not in _WORDS:
            told = f"experiment: {word!a} is no word of it{nearest(str(word), _WORDS)}"
            raise BadInput(told, field=f"experiment.{word}")
    name, salt = given.get("name"), given.get("salt")
    if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
        told = "experiment: name it with small letters, digits and dashes; a new draw needs a new name"
        raise BadInput(told, field="experiment.name")
    if salt is not None and (not isinstance(salt, str) or not 0 < len(salt) <= LONGEST_SALT):
        told = f"experiment: salt must be a text of at most {LONGEST_SALT} characters"
        raise BadInput(told, field="experiment.salt")
    variants = _variants(given.get("variants"))
    shares = _shares(variants)
    changes: dict[str, Mapping[str, Any]] = {
        each: {k: v for k, v in told.items() if k != "weight"} for each, told in variants.items()
    }
    if changes[CONTROL]:
        word = next(iter(changes[CONTROL]))
        told = f"experiment.variants.{CONTROL}: is the placement as it is; {word!a} belongs to another variant"
        raise BadInput(told, field=f"experiment.variants.{CONTROL}.{word}")
    return Experiment(name, f"{placement}/{name}" if salt is None else salt, shares), changes


def settled(definition: Mapping[str, Any], variant: str) -> dict[str, Any]:
    """The definition without its experiment, as this variant had it. Raises NotAllowed, UnknownThing."""
    running = definition.get("experiment")
    if not running:
        raise NotAllowed("no experiment runs on this placement", code="no_experiment", field="experiment")
    variants = running["variants"]
    if variant not in variants:
        told = f"variant: the experiment has {', '.join(sorted(variants))}, not {variant[:80]!a}"
        raise UnknownThing(told, code="unknown_variant", field="variant")
    made = {**definition, **variants[variant]}
    return {word: value for word, value in made.items() if word not in ("experiment", "weight") and value is not None}


def _variants(given: Any) -> dict[str, Mapping[str, Any]]:
    """The control first, then by name: what keeps definitions does not keep the order of their words."""
    where = "experiment.variants"
    if not isinstance(given, Mapping) or not 2 <= len(given) <= MOST_VARIANTS:
        raise BadInput(f"{where}: must be 2 to {MOST_VARIANTS} variants by name", field=where)
    if CONTROL not in given:
        raise BadInput(f"{where}: one must be called {CONTROL}, the placement as it is", field=where)
    for name, told in given.items():
        if not re.fullmatch(NAME_PATTERN, name):
            raise BadInput(f"{where}: {name!a} is no name; write small letters, digits and dashes", field=where)
        if not isinstance(told, Mapping):
            raise BadInput(f"{where}.{name}: must be a table of weight and changes", field=f"{where}.{name}")
    return {name: given[name] for name in (CONTROL, *sorted(set(given) - {CONTROL}))}


def _shares(variants: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, float], ...]:
    weights = {}
    for name, told in variants.items():
        weight: Any = told.get("weight")
        if type(weight) not in (int, float) or not 0 < weight < 1:
            told_what = f"experiment.variants.{name}: weight must be a number above 0 and below 1"
            raise BadInput(told_what, field=f"experiment.variants.{name}.weight")
        weights[name] = float(weight)
    whole = math.fsum(weights.values())
    if abs(whole - 1) > _ROUNDED:
        told_sum = f"experiment.variants: the weights sum up to {whole:g}, not to 1"
        raise BadInput(told_sum, field="experiment.variants")
    return tuple((name, weight / whole) for name, weight in weights.items())
