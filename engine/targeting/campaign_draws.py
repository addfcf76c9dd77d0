"""Draws of campaigns: who is held out and who gets which variant, by salted hashes that give the same again.

Nothing is stored to remember a draw: whoever has the salt finds the same arm for the same customer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.trials.draws import fractions

ARMS = ("treatment", "holdout", "global_holdout")
_VARIANT, _ORDER = b"variant", b"order"


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """`arm` (n,) numbers ARMS; `order` (n,) in [0, 1) is who comes first where not everybody can come."""

    arm: NDArray[np.int8]
    variant: NDArray[np.float64]
    order: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Holdouts:
    """Salts and shares of the shop's own holdout, which is the same in every campaign, and of this campaign's."""

    shop_salt: str
    shop_share: float
    salt: str
    share: float

    def chance(self, arm: int) -> float:
        """The chance of an arm of ARMS."""
        rest = 1 - self.shop_share
        return (rest * (1 - self.share), rest * self.share, self.shop_share)[arm]


def draw(user_ids: Sequence[str], holdouts: Holdouts) -> Draw:
    """The arm of each customer, a number for the variant and one for the order, each drawn on its own."""
    shop = fractions(holdouts.shop_salt, user_ids) < holdouts.shop_share
    mine = fractions(holdouts.salt, user_ids) < holdouts.share
    arm = np.where(shop, 2, np.where(mine, 1, 0)).astype(np.int8)
    return Draw(arm, fractions(holdouts.salt, user_ids, _VARIANT), fractions(holdouts.salt, user_ids, _ORDER))


def message_id(campaign_id: str, user_id: str, step: int = 0) -> str:
    """The name of one message, the same however often it is sent."""
    return f"{campaign_id}-{hashlib.blake2b(user_id.encode(), digest_size=10).hexdigest()}-{step}"
