"""Visits: what people took one after the other, and what tends to come next.

Two ways, both from the last items of the visit at hand. `Followers` know what followed each item wherever it was
taken; `Visits` are past visits themselves, of which those like this one speak for what else they held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Item rows int32 [n] and their scores float32 [n].
Spoken = tuple[NDArray[np.int32], NDArray[np.float32]]
#: How many different items of a visit have a say, the last ones.
LAST_ITEMS = 10


@dataclass(frozen=True, slots=True)
class Recent:
    """The last items of a visit, newest first, each once: `rows` int32 [n], and how many steps `ago` int64 [n]."""

    rows: NDArray[np.int32]
    ago: NDArray[np.int64]

    @classmethod
    def of(cls, items: NDArray[np.int32], most: int = LAST_ITEMS) -> Recent:
        """From the items of a visit in their order, oldest first; an item counts where it was last."""
        newest_first = items[::-1]
        _, first = np.unique(newest_first, return_index=True)
        ago = np.sort(first)[:most]
        return cls(newest_first[ago].astype(np.int32), ago)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Followers:
    """For each item what people went on to, strongest first.

    `indptr` int32 [n_items + 1], `items` int32 and `weights` float32 as those of Neighbours. `by_age` float32 [m] is
    what an item counts that was taken last, last but one, and so on; older ones count nothing.
    """

    indptr: NDArray[np.int32]
    items: NDArray[np.int32]
    weights: NDArray[np.float32]
    by_age: NDArray[np.float32]

    def of(self, row: int) -> Spoken:
        """What followed this item; nothing where the item came after the lists were learned."""
        part = slice(int(self.indptr[row]), int(self.indptr[row + 1])) if row < len(self.indptr) - 1 else slice(0)
        return self.items[part], self.weights[part]

    def speak(self, recent: Recent) -> Spoken:
        """What followed the last items, each counting by its age."""
        known = (recent.rows < len(self.indptr) - 1) & (recent.ago < len(self.by_age))
        rows, ago = recent.rows[known], recent.ago[known]
        owner, places = runs(self.indptr, rows)
        return summed(self.items[places], self.weights[places] * self.by_age[ago][owner])


@dataclass(frozen=True, slots=True)
class Visits:
    """Past visits, oldest first: visit v went through `items[indptr[v] : indptr[v + 1]]`.

    Item i was met in the visits `met_in[met[i] : met[i + 1]]`, newest first, at the place `met_at` of each. What counts
    how much was settled when they were learned, float32: `weights` [n_visits] a visit; `telling` [n_items] an item that
    two visits share; `worth` [n_items] an item that is spoken for; `by_age` [m] as of Followers; `after` and `before`
    [s] an item that stood so many places behind or before the shared one. `nearest` [1] visits speak.
    """

    indptr: NDArray[np.int32]
    items: NDArray[np.int32]
    weights: NDArray[np.float32]
    met: NDArray[np.int32]
    met_in: NDArray[np.int32]
    met_at: NDArray[np.int32]
    telling: NDArray[np.float32]
    worth: NDArray[np.float32]
    by_age: NDArray[np.float32]
    after: NDArray[np.float32]
    before: NDArray[np.float32]
    nearest: NDArray[np.int32]

    def like(self, recent: Recent) -> Like:
        """The `nearest` visits that share most with this one, and where each meets it."""
        known = (recent.rows < len(self.met) - 1) & (recent.ago < len(self.by_age))
        rows, ago = recent.rows[known], recent.ago[known]
        owner, places = runs(self.met, rows)
        counts = self.by_age[ago] * self.telling[rows]
        # Newest items first: the first meeting of a visit is that with the newest item that it shares.
        visits, first, at = np.unique(self.met_in[places], return_index=True, return_inverse=True)
        shared = np.bincount(at, counts[owner], minlength=len(visits)) * self.weights[visits]
        most = int(self.nearest[0])
        if len(visits) > most:
            # In the order of the visits, so that sums do not depend on how the cut was made.
            best = np.sort(np.argpartition(-shared, most - 1)[:most])
            visits, first, shared = visits[best], first[best], shared[best]
        return Like(visits, shared.astype(np.float32), self.met_at[places[first]])

    def speak(self, recent: Recent) -> Spoken:
        """What visits like this one held, each item by its place there."""
        return summed(*self.held(self.like(recent)))

    def held(self, like: Like) -> Spoken:
        """What the like visits held: item rows in no order, and how much each counts by its place there."""
        owner, places = runs(self.indptr, like.visits)
        items = self.items[places]
        step = places - self.indptr[like.visits][owner] - like.met_at[owner]
        near = (step >= -len(self.before)) & (step <= len(self.after))
        items, step, owner = items[near], step[near], owner[near]
        curve = np.concatenate([self.before[::-1], np.ones(1, np.float32), self.after])
        return items, like.shared[owner] * curve[step + len(self.before)] * self.worth[items]


@dataclass(frozen=True, slots=True)
class Like:
    """Visits like the one at hand: `visits` int32 [n], how much they share, and the place of the newest shared item."""

    visits: NDArray[np.int32]
    shared: NDArray[np.float32]
    met_at: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Onward:
    """What visits taught. A longer pause than `gap_minutes` [1] begins another visit.

    `taken` float32 [n_items, d] are directions of items that visits take together, `told` [n_items, e] of items that
    are described alike, all of length 1 or 0. float32 [n_items]: `recent` and `lasting` count visits that took an item,
    fading fast and slowly; `idle` and `age` are the days since it was last and first taken.
    """

    followers: Followers
    visits: Visits
    taken: NDArray[np.float32]
    told: NDArray[np.float32]
    recent: NDArray[np.float32]
    lasting: NDArray[np.float32]
    idle: NDArray[np.float32]
    age: NDArray[np.float32]
    gap_minutes: NDArray[np.float32]

    @classmethod
    def silent(cls, n_items: int) -> Onward:
        """Of a shop whose visits nobody recorded: it speaks for nothing."""
        rows, ends, none = np.zeros(0, np.int32), np.zeros(n_items + 1, np.int32), np.zeros(0, np.float32)
        each, flat = np.zeros(n_items, np.float32), np.zeros((n_items, 0), np.float32)
        followers = Followers(ends, rows, none, none)
        visits = Visits(ends[:1], rows, none, ends, rows, rows, each, each, none, none, none, np.ones(1, np.int32))
        return cls(followers, visits, flat, flat, each, each, each, each, np.full(1, 30.0, np.float32))

    def __len__(self) -> int:
        return len(self.recent)


def runs(indptr: NDArray[np.integer], rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places of all that belongs to each row: (index into rows, place), one a place."""
    starts = indptr[rows].astype(np.int64)
    lengths = indptr[rows + 1] - starts
    owner = np.repeat(np.arange(len(rows)), lengths)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return owner, starts[owner] + within


def summed(items: NDArray[np.int32], scores: NDArray[np.float32]) -> Spoken:
    """The scores of each item added up, items ascending."""
    rows, at = np.unique(items, return_inverse=True)
    return rows, np.bincount(at, scores, minlength=len(rows)).astype(np.float32)
