"""Effects: what a learner leaves, which says what each arm changes with each customer.

The file travels with registered models and imports nothing of ours but the trees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What redemptions say: `gained` for everybody, times an arm's factor in `shape`.

    `alone` give logarithms of the orders that come with nothing, of which `share` redeem when they may.
    """

    alone: tuple[Trees, ...]
    gained: tuple[Trees, ...]
    share: float
    shape: tuple[float, ...]

    def at(self, columns: np.ndarray) -> np.ndarray:
        return np.asarray(mean_values(self.gained, columns)[:, None] * np.array(self.shape))

    def redeeming(self, columns: np.ndarray) -> np.ndarray:
        """The chance to redeem each arm, float64 [n, arms]."""
        anyway = self.share * np.exp(mean_values(self.alone, columns))
        return np.asarray(np.clip(anyway[:, None] + np.maximum(self.at(columns), 0), 0, 1))

    def as_json(self) -> dict[str, Any]:
        trees = {name: [each.text for each in getattr(self, name)] for name in ("alone", "gained")}
        return {"kind": "redeemed", **trees, "share": self.share, "shape": list(self.shape)}


def mean_values(several: Sequence[Trees], columns: np.ndarray) -> np.ndarray:
    """The mean of what these say of the rows, float64 [n]."""
    return np.asarray(np.mean([each.values(columns) for each in several], axis=0))


def read_effects(told: Mapping[str, Any]) -> Effects:
    """What `as_json` wrote."""
    if told["kind"] == "same":
        return Same(tuple(told["effects"]))
    if told["kind"] == "pooled":
        return Pooled(Trees(told["trees"]), tuple(told["levels"]), told["nothing"])
    if told["kind"] == "redeemed":
        alone, gained = (tuple(map(Trees, told[name])) for name in ("alone", "gained"))
        return Redeemed(alone, gained, told["share"], tuple(told["shape"]))
    return Apart(tuple(tuple((weight, Trees(text)) for weight, text in each) for each in told["parts"]))


def with_level(columns: np.ndarray, level: float | np.ndarray) -> np.ndarray:
    """The rows with the arm's level as one column more."""
    levels = np.broadcast_to(np.asarray(level, np.float32), len(columns))
    return np.concatenate([columns, levels[:, None]], axis=1)
