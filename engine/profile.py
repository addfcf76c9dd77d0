"""Profile: what we know of one user right now; the unknown user included."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.events import TYPE_CODES

PURCHASE = TYPE_CODES["purchase"]


@dataclass(frozen=True)
class Profile:
    """A user's interactions, oldest first. Times are epoch seconds (UTC).

    `row` is the user's row in the bundle, -1 for one that the bundle does not know. `is_stored` says
    that these are exactly the events which the bundle was trained on, so that what was learned for
    this very user (factors, score lists) fits.
    """

    row: int
    items: NDArray[np.int32]
    types: NDArray[np.uint8]
    times: NDArray[np.int64]
    quantities: NDArray[np.float32]
    is_stored: bool = False

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def purchases(self) -> NDArray[np.bool_]:
        return np.asarray(self.types == PURCHASE)

    @cached_property
    def purchased(self) -> NDArray[np.int32]:
        """The items ever bought, ascending, each once."""
        return np.unique(self.items[self.purchases])


def unknown() -> Profile:
    """Somebody of whom nothing is known."""
    return Profile(-1, np.zeros(0, np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class History:
    """All users' interactions, grouped by user row, oldest first. `indptr` [n_users + 1] says where each begins."""

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    types: NDArray[np.uint8]
    times: NDArray[np.int64]
    quantities: NDArray[np.float32]

    def profile(self, row: int) -> Profile:
        part = slice(int(self.indptr[row]), int(self.indptr[row + 1]))
        return Profile(row, self.items[part], self.types[part], self.times[part], self.quantities[part], is_stored=True)
