"""ResponseModel: what each level of discount brings with each customer, as it is registered and written.

The file travels with registered models and imports nothing of ours but its neighbours that do too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from training.boosting import Trees
from training.response.effects import Effects, Redeemed, read_effects, with_level

_AT_ONCE = 200_000  # rows


@dataclass(frozen=True, slots=True)
class ResponseModel:
    """`names` are the columns that it asks for, `levels` the depths of discount that it knows.

    With `effects` None nothing was drawn by chance: it only says who redeems, whatever the depth, and `levels` is
    empty. `learner` names what was chosen.
    """

    names: tuple[str, ...]
    levels: tuple[float, ...]
    redemption: Trees
    effects: Effects | None
    learner: str

    @property
    def outputs(self) -> tuple[str, ...]:
        """What its answers are called: subjects of the rows that plans read."""
        if self.effects is None:
            return ("redeem",)
        return tuple(f"{what} {level:.2f}" for what in ("redeem", "extra") for level in self.levels)

    def predict(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`redeem` and `extra`, float64 [n, levels]; with no levels `redeem` [n, 1] and `extra` [n, 0]."""
        parts = [columns[begin : begin + _AT_ONCE] for begin in range(0, len(columns), _AT_ONCE)] or [columns]
        found = [self._predict(part) for part in parts]
        return np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])

    def _predict(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.effects is None:
            return chances(self.redemption.values(columns))[:, None], np.zeros((len(columns), 0))
        return uses_with(self.effects, self.redemption, columns, self.levels), self.effects.at(columns)

    def to_text(self) -> str:
        """All of it as JSON."""
        effects = None if self.effects is None else self.effects.as_json()
        told = {"names": self.names, "levels": self.levels, "learner": self.learner}
        return json.dumps({**told, "redemption": self.redemption.text, "effects": effects})


def read_model(text: str) -> ResponseModel:
    """The model that `to_text` wrote."""
    told = json.loads(text)
    effects = None if told["effects"] is None else read_effects(told["effects"])
    names, levels = tuple(told["names"]), tuple(told["levels"])
    return ResponseModel(names, levels, Trees(told["redemption"]), effects, told["learner"])


def uses_with(effects: Effects, trees: Trees, columns: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """The chance to redeem, float64 [n, arms]: the effects' own where redemptions are what they were learned from.

    What an offer brings and what it costs are then wrong together or not at all, which choosing between offers minds.
    """
    return effects.redeeming(columns) if isinstance(effects, Redeemed) else redemption_chances(trees, columns, levels)


def redemption_chances(trees: Trees, columns: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Float64 [n, arms], by a model whose last column is the arm's level."""
    return np.stack([chances(trees.values(with_level(columns, level))) for level in levels], axis=1)


def chances(odds: np.ndarray) -> np.ndarray:
    """Probabilities of log odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))))
