"""Draws of campaigns: who is held out and who gets which variant, by salted hashes that give the same again.

Nothing is stored to remember a draw: whoever has the salt finds the same arm for the same customer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def fraction(salt: str, user_id: str, person: bytes = b"") -> float:
    """A number in [0, 1) that only salt, customer and what it is drawn for decide."""
    return float(fractions(salt, [user_id], person)[0])


def fractions(salt: str, user_ids: Sequence[str], person: bytes = b"") -> NDArray[np.float64]:
    """(n,) float64 in [0, 1): blake2b of the salt, a NUL and the customer's id, its first 53 bits."""
    begun = hashlib.blake2b(f"{salt}\0".encode(), digest_size=8, person=person)

    def digest(user_id: str) -> bytes:
        one = begun.copy()
        one.update(user_id.encode())
        return one.digest()

    numbers = np.frombuffer(b"".join(map(digest, user_ids)), ">u8").astype(np.uint64)
    return (numbers >> np.uint64(11)).astype(np.float64) / 2.0**53


def draw(user_ids: Sequence[str], holdouts: Holdouts) -> Draw:
    """The arm of each customer, a number for the variant and one for the order, each drawn on its own."""
    shop = fractions(holdouts.shop_salt, user_ids) < holdouts.shop_share
    mine = fractions(holdouts.salt, user_ids) < holdouts.share
    arm = np.where(shop, 2, np.where(mine, 1, 0)).astype(np.int8)
    return Draw(arm, fractions(holdouts.salt, user_ids, _VARIANT), fractions(holdouts.salt, user_ids, _ORDER))


def places(numbers: NDArray[np.float64], shares: Sequence[float]) -> NDArray[Any]:
    """(n,) which of the shares, laid end to end, each number of [0, 1) falls into."""
    edges = np.cumsum(np.asarray(shares, np.float64))
    return np.minimum(np.searchsorted(edges, numbers, side="right"), len(edges) - 1)


def message_id(campaign_id: str, user_id: str, step: int = 0) -> str:
    """The name of one message, the same however often it is sent."""
    return f"{campaign_id}-{hashlib.blake2b(user_id.encode(), digest_size=10).hexdigest()}-{step}"
