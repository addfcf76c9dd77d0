"""Visits of a shop: everybody's events, cut where a pause shows that somebody came again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.visits import Recent
from training.interactions import DAY, Log

#: Events read back for the last items of a user: more of the same item do not push the others out of sight.
_LOOKED_BACK = 50


@dataclass(frozen=True, slots=True)
class VisitLog:
    """Visits in the order of their ends: visit v went through `items[indptr[v] : indptr[v + 1]]`, oldest first.

    `ended` [n] are epoch seconds, `visitor` [n] the log's user rows.
    """

    n_items: int
    indptr: np.ndarray
    items: np.ndarray
    ended: np.ndarray
    visitor: np.ndarray

    def __len__(self) -> int:
        return len(self.ended)

    @property
    def sizes(self) -> np.ndarray:
        return np.diff(self.indptr)

    @property
    def owner(self) -> np.ndarray:
        """The visit of each of `items`."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.sizes)

    def fading(self, now: int, half_life_days: float) -> np.ndarray:
        """What each visit still counts at `now`: float64 [n], 1 for one that ends then."""
        return np.asarray(0.5 ** (np.maximum(now - self.ended, 0) / DAY / half_life_days))


def visits_of(log: Log, *, gap_minutes: float) -> VisitLog:
    """The visits of every visitor: a pause longer than `gap_minutes` begins another; infinity makes one of a history.

    An item looked at, put into the cart and bought in a row is one step. Visits of one step are left out: nothing
    followed.
    """
    order = np.lexsort((log.time, log.user))
    user, item, time = log.user[order], log.item[order], log.time[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (user[1:] != user[:-1]) | (np.diff(time) > gap_minutes * 60)
    steps = begins.copy()
    steps[1:] |= item[1:] != item[:-1]
    number = np.cumsum(begins)[steps] - 1
    ended = np.full(int(begins.sum()), np.iinfo(np.int64).min)
    np.maximum.at(ended, np.cumsum(begins) - 1, time)
    return _in_order(number, item[steps], ended, user[begins], log.n_items)


def _in_order(number: np.ndarray, items: np.ndarray, ended: np.ndarray, visitor: np.ndarray, n_items: int) -> VisitLog:
    sizes = np.bincount(number, minlength=len(ended))
    kept = np.flatnonzero(sizes > 1)
    kept = kept[np.lexsort((visitor[kept], ended[kept]))]
    starts = np.cumsum(sizes) - sizes
    owner = np.repeat(np.arange(len(kept)), sizes[kept])
    indptr = np.concatenate([[0], np.cumsum(sizes[kept])])
    places = np.arange(len(owner)) - indptr[:-1][owner] + starts[kept][owner]
    return VisitLog(n_items, indptr.astype(np.int64), items[places].astype(np.int32), ended[kept], visitor[kept])


def last_items(log: Log, users: np.ndarray) -> list[Recent]:
    """The last items that each of these users took, in the order of `users`."""
    order = np.lexsort((log.time, log.user))
    owners = log.user[order]
    starts, ends = np.searchsorted(owners, users), np.searchsorted(owners, users, side="right")
    return [
        Recent.of(log.item[order[max(start, end - _LOOKED_BACK) : end]])
        for start, end in zip(starts, ends, strict=True)
    ]
