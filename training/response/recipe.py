"""ResponseRecipe: one TOML of the responses to offers; its table `[response]` says what differs from the defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput
from engine.storage.plan_predictions import RESPONSE
from training.recipe import refuse_unknown
from training.response.learners import LEARNERS


@dataclass(frozen=True, slots=True)
class ResponseRecipe:
    """How responses are learned. See REFERENCE.md."""

    candidates: tuple[str, ...] = tuple(LEARNERS)
    monotone: bool = True
    least_redeemers: int = 50
    seed: int = 1
    threads: int = 1

    @property
    def name(self) -> str:
        """Plans look for the one of this name."""
        return RESPONSE


def is_response(document: Mapping[str, Any]) -> bool:
    """Whether a recipe's file is of this kind."""
    return "response" in document


def parse_response(document: Mapping[str, Any]) -> ResponseRecipe:
    """A checked recipe from its TOML tables; BadInput names the key that cannot be."""
    refuse_unknown(document, dict.fromkeys(("name", "response")), "")
    table = document["response"]
    if not isinstance(table, Mapping):
        raise BadInput(f"response must be a table, not {table!r}", field="response")
    defaults = ResponseRecipe()
    known = {each.name: getattr(defaults, each.name) for each in dataclasses.fields(defaults)}
    refuse_unknown(table, known, "response.")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    for key, value in values.items():
        if type(value) is not type(known[key]):
            raise BadInput(f"response.{key} must be like {known[key]!r}, not {value!r}", field=f"response.{key}")
    recipe = dataclasses.replace(defaults, **values)
    refuse_unknown(dict.fromkeys(map(str, recipe.candidates)), LEARNERS, "response.candidates: ")
    for key, least, most in (("least_redeemers", 20, 1_000_000), ("seed", 0, 2**31 - 1), ("threads", 1, 256)):
        if not least <= getattr(recipe, key) <= most:
            raise BadInput(f"response.{key} must be from {least:,} to {most:,}", field=f"response.{key}")
    if not recipe.candidates:
        raise BadInput(f"response.candidates must name some of {', '.join(LEARNERS)}", field="response.candidates")
    return recipe
