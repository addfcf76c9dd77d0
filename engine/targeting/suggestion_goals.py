"""What campaigns may be for, whom each is usually sent to, and what is assumed where nothing was measured yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import BadInput

#: Days in which a campaign is expected to work; orders after them are not counted.
WINDOW_DAYS = 28


@dataclass(frozen=True, slots=True)
class Goal:
    """`groups` are ready-made groups that it fits; `needs` is what must be named; `reason_class` that of its offers.

    `uplift` is the assumed part of the reached who order because of it, at the deepest discount, with a 95 % range.
    """

    meaning: str
    groups: tuple[str, ...]
    uplift: tuple[float, float, float]
    reason_class: str
    needs: Literal["item", "category"] | None = None


_NEAR = ("lifecycle.nurtured", "lifecycle.converted", "lifecycle.retained", "lifecycle.lapsed", "aipl.interested")

#: The assumptions are ours and cautious, not measured: each range begins at no effect at all.
GOALS: Mapping[str, Goal] = {
    "win-back": Goal(
        "Bring back those who stopped coming.",
        ("activity.dormant", "activity.churned", "lifecycle.lapsed", "rfm.keep", "rfm.rescue", "rfm.fading",
         "rfm.lost"),
        (0.015, 0.0, 0.04), "win_back",
    ),
    "second-order": Goal(
        "Make buyers of one order come again.",
        ("value.new", "lifecycle.converted", "frequency.low", "rfm.fresh"), (0.02, 0.0, 0.05), "activity",
    ),
    "clear-stock": Goal(
        "Sell what lies on stock to those who like its kind.", _NEAR, (0.012, 0.0, 0.03), "interest", "item",
    ),
    "launch-item": Goal(
        "Tell those of a new item who like its kind.", _NEAR, (0.008, 0.0, 0.02), "interest", "item",
    ),
    "grow-category": Goal(
        "Make more customers buy in a category.", _NEAR, (0.01, 0.0, 0.025), "interest", "category",
    ),
}  # fmt: skip

#: Assumed where nothing tells: name to value and meaning.
PRIORS: Mapping[str, tuple[float, str]] = {
    "margin": (0.30, "part of what is paid that is left after the costs of the goods"),
    "use": (0.35, "part of those who order anyway who use a discount that they were given"),
    "half_depth": (0.10, "discount, as part of a basket, that brings half of the full effect"),
    "message_alone": (0.25, "part of the full effect that a message without any discount brings"),
    "holdout": (0.20, "part of the audience that is held out, so that the effect is measured"),
}


def everybody_for(goal: str) -> str:
    """What the audience of all of a goal's groups together is called."""
    return f"everybody for {goal}"


def depth_effect(depths: ArrayLike) -> NDArray[np.floating[Any]]:
    """The part of the full effect that discounts of these depths bring; none brings less than a message alone."""
    deep = np.asarray(depths, np.float64)
    return np.maximum(deep / (deep + PRIORS["half_depth"][0]), PRIORS["message_alone"][0])


def goal_of(name: str, *, item: str | None, category: str | None) -> Goal:
    """BadInput for a goal that is none, or without the item or category that it is about."""
    if name not in GOALS:
        raise BadInput(f"goal: one of {', '.join(GOALS)}, not {name!a}", field="goal")
    goal = GOALS[name]
    if goal.needs == "item" and item is None:
        raise BadInput(f"item_id: name the item that {name} is about", field="item_id")
    if goal.needs == "category" and category is None:
        raise BadInput(f"category: name the category that {name} is about", field="category")
    return goal
