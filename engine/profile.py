"""Profile: what we know of one user right now; the unknown user included."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.events import TYPE_CODES

PURCHASE, DISMISS = TYPE_CODES["purchase"], TYPE_CODES["dismiss"]


@dataclass(frozen=True, init=False)
class Profile:
    """A user's interactions, oldest first. Times are epoch seconds (UTC).

    `row` is the user's row in the bundle, -1 for one that the bundle does not know. `is_stored` says
    that these are exactly the events which the bundle was trained on, so that what was learned for
    this very user (factors, score lists) fits. `is_continued`: they begin with exactly those events, and newer
    ones follow; what was learned for this user is older than the profile, and says nothing of its future.
    `declared` is what is known of somebody who did nothing yet (`engine/declared.py`).
    """

    row: int
    items: NDArray[np.int32]
    types: NDArray[np.uint8]
    times: NDArray[np.int64]
    quantities: NDArray[np.float32]
    is_stored: bool = False
    is_continued: bool = False
    declared: tuple[str, ...] = ()
    _known: dict[Hashable, tuple[object, Any]] = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        row: int,
        items: NDArray[np.int32],
        types: NDArray[np.uint8],
        times: NDArray[np.int64],
        quantities: NDArray[np.float32],
        is_stored: bool = False,
        is_continued: bool = False,
        declared: tuple[str, ...] = (),
    ) -> None:
        # Every page makes two; a frozen dataclass sets field by field, which takes three times as long.
        self.__dict__.update(
            row=row,
            items=items,
            types=types,
            times=times,
            quantities=quantities,
            is_stored=is_stored,
            is_continued=is_continued,
            declared=declared,
            _known={},
        )

    def __len__(self) -> int:
        return len(self.items)

    def once(self, what: Hashable, of: object, make: Callable[[], Any]) -> Any:
        """What `make` gives; made once for this profile and `of`, since several stages of a request ask for it."""
        known = self._known.get(what)
        if known is None or known[0] is not of:
            known = self._known[what] = (of, make())
        return known[1]

    @cached_property
    def purchases(self) -> NDArray[np.bool_]:
        return np.asarray(self.types == PURCHASE)

    @cached_property
    def purchased(self) -> NDArray[np.int32]:
        """The items ever bought, ascending, each once."""
        return np.unique(self.items[self.purchases])

    @cached_property
    def orders(self) -> NDArray[np.int64]:
        """The times of the purchases, ascending, each once: what is bought in one second is one order."""
        times = self.times[self.purchases]
        first = np.ones(len(times), bool)
        np.not_equal(times[1:], times[:-1], out=first[1:])
        return times[first]

    @cached_property
    def dismissed(self) -> NDArray[np.int32]:
        """The items that the user does not want to see, ascending; those bought since are back."""
        if DISMISS not in self.types.tobytes():  # a type is a byte
            return np.zeros(0, np.int32)
        telling = np.isin(self.types, (DISMISS, PURCHASE, TYPE_CODES["cart_add"], TYPE_CODES["wishlist_add"]))
        items, newest = np.unique(self.items[telling][::-1], return_index=True)
        return np.asarray(items[self.types[telling][::-1][newest] == DISMISS])


def unknown(declared: tuple[str, ...] = ()) -> Profile:
    """Somebody who did nothing yet, and of whom nothing is known but what is `declared`."""
    nothing = np.zeros(0, np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.float32)
    return Profile(-1, *nothing, declared=declared)


def with_tail(
    profile: Profile,
    items: NDArray[np.int32],
    types: NDArray[np.uint8],
    times: NDArray[np.int64],
    quantities: NDArray[np.float32],
) -> Profile:
    """The profile and what happened since, oldest first; all of the tail lies after the profile."""
    if not len(items):
        return profile
    order = np.argsort(times, kind="stable")
    return Profile(
        profile.row,
        np.concatenate([profile.items, items[order]]),
        np.concatenate([profile.types, types[order]]),
        np.concatenate([profile.times, times[order]]),
        np.concatenate([profile.quantities, quantities[order]]),
        is_continued=profile.is_stored or profile.is_continued,
    )


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
