"""Effects: what a learner leaves, which says what each arm changes with each customer.

The file travels with registered models and imports nothing of ours but the trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from training.boosting import Trees


class Effects(Protocol):
    """What a learner leaves: the effect of each arm, float64 [n, arms], on rows float32 [n, names]."""

    def at(self, columns: np.ndarray) -> np.ndarray: ...

    def as_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Same:
    """The same effect of an arm for everybody."""

    effects: tuple[float, ...]

    def at(self, columns: np.ndarray) -> np.ndarray:
        return np.tile(np.array(self.effects), (len(columns), 1))

    def as_json(self) -> dict[str, Any]:
        return {"kind": "same", "effects": list(self.effects)}


@dataclass(frozen=True, slots=True)
class Pooled:
    """One model for all arms, whose last column is the arm's level; less what it says of nothing, if that taught it."""

    trees: Trees
    levels: tuple[float, ...]
    nothing: float | None = None

    def at(self, columns: np.ndarray) -> np.ndarray:
        found = np.stack([self._values(columns, level) for level in self.levels], axis=1)
        return found if self.nothing is None else found - self._values(columns, self.nothing)[:, None]

    def _values(self, columns: np.ndarray, level: float) -> np.ndarray:
        return self.trees.values(with_level(columns, level))

    def as_json(self) -> dict[str, Any]:
        return {"kind": "pooled", "trees": self.trees.text, "levels": list(self.levels), "nothing": self.nothing}


@dataclass(frozen=True, slots=True)
class Apart:
    """Models by arm: each effect is a sum of trees' values with fixed weights."""

    parts: tuple[tuple[tuple[float, Trees], ...], ...]

    def at(self, columns: np.ndarray) -> np.ndarray:
        return np.stack([sum(weight * trees.values(columns) for weight, trees in each) for each in self.parts], axis=1)

    def as_json(self) -> dict[str, Any]:
        return {"kind": "apart", "parts": [[[weight, trees.text] for weight, trees in each] for each in self.parts]}


def read_effects(told: Mapping[str, Any]) -> Effects:
    """What `as_json` wrote."""
    if told["kind"] == "same":
        return Same(tuple(told["effects"]))
    if told["kind"] == "pooled":
        return Pooled(Trees(told["trees"]), tuple(told["levels"]), told["nothing"])
    return Apart(tuple(tuple((weight, Trees(text)) for weight, text in each) for each in told["parts"]))


def with_level(columns: np.ndarray, level: float | np.ndarray) -> np.ndarray:
    """The rows with the arm's level as one column more."""
    levels = np.broadcast_to(np.asarray(level, np.float32), len(columns))
    return np.concatenate([columns, levels[:, None]], axis=1)
