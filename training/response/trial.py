"""Trial: customers whose offers were drawn by chance, as learners see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.errors import NotEnoughData
from engine.targeting.fairness import check_inputs

#: Below so many customers of one arm nothing is learned of it.
LEAST_OF_AN_ARM = 200


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One row a customer and campaign, arrays [n].

    `columns` float32 [n, names] is what was known when the offers were drawn. `arm` 0 got nothing; arm k stands at
    `levels[k - 1]` on an axis that orders the arms (the depth of its discount). `propensity` is the known chance of the
    arm that was drawn. `orders` and `redeemed` came after it. `user` numbers customers, `campaign` campaigns: an arm is
    only compared with those who got nothing in campaigns that had it.
    """

    columns: np.ndarray
    names: tuple[str, ...]
    arm: np.ndarray
    levels: tuple[float, ...]
    propensity: np.ndarray
    orders: np.ndarray
    redeemed: np.ndarray
    user: np.ndarray
    campaign: np.ndarray

    def __post_init__(self) -> None:
        """NotAllowed for an input that may not decide how deep a discount is."""
        check_inputs(self.names)

    def __len__(self) -> int:
        return len(self.arm)

    @property
    def arms(self) -> int:
        """How many there are beside getting nothing."""
        return len(self.levels)

    def where(self, rows: np.ndarray) -> Trial:
        """The same trial of these rows (bool or places)."""
        parts: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return replace(self, **parts)

    @classmethod
    def joined(cls, trials: Sequence[Trial]) -> Trial:
        """Several with the same names and levels as one."""
        parts: dict[str, Any] = {name: np.concatenate([getattr(each, name) for each in trials]) for name in _ARRAYS}
        return replace(trials[0], **parts)

    def facing(self, arm: int) -> np.ndarray:
        """Rows, bool [n], of campaigns that had this arm."""
        return np.isin(self.campaign, np.unique(self.campaign[self.arm == arm]))

    def check(self) -> None:
        """NotEnoughData where an arm, or getting nothing, has too few customers."""
        found = np.bincount(self.arm, minlength=self.arms + 1)
        for number, customers in enumerate(found):
            if customers < LEAST_OF_AN_ARM:
                what = f"the offers of depth {self.levels[number - 1]:g}" if number else "the holdout"
                raise NotEnoughData(
                    f"{customers:,} customers of past campaigns are of {what}; {LEAST_OF_AN_ARM} are needed to learn "
                    "what that changes. Run larger campaigns, or a larger holdout"
                )


_ARRAYS = ("columns", "arm", "propensity", "orders", "redeemed", "user", "campaign")
