"""Which item comes next: public sequences as events, cut at a step, and lists judged by what came."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.learned import Ranking
from engine.recommend.onward import next_items
from engine.recommend.readied import Readied
from engine.visits import Onward
from training.evaluate import per_user
from training.interactions import DAY, Log, interactions, purchase_counts
from training.models.contract import Features, Interactions


@dataclass(frozen=True, slots=True)
class Sequences:
    """What visitors took, oldest visitor first: visitor v took `items[indptr[v] : indptr[v + 1]]`, in that order."""

    n_items: int
    indptr: np.ndarray
    items: np.ndarray

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, visitor: int) -> np.ndarray:
        return np.asarray(self.items[self.indptr[visitor] : self.indptr[visitor + 1]])

    @property
    def owner(self) -> np.ndarray:
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def between(self, first: int, end: int) -> Sequences:
        """The visitors from `first` on and before `end`."""
        part = slice(int(self.indptr[first]), int(self.indptr[end]))
        return Sequences(self.n_items, self.indptr[first : end + 1] - self.indptr[first], self.items[part])

    def without_last(self, steps: int) -> Sequences:
        """Everybody's items but the last `steps`; who had no more keeps none."""
        place = np.arange(len(self.items)) - self.indptr[:-1][self.owner]
        kept = place < np.diff(self.indptr)[self.owner] - steps
        sizes = np.bincount(self.owner[kept], minlength=len(self))
        return Sequences(self.n_items, np.concatenate([[0], np.cumsum(sizes)]), self.items[kept])

    def known_in(self, other: Sequences) -> Sequences:
        """The same without the items that `other` does not hold: nobody could have listed them."""
        kept = np.isin(self.items, other.items)
        sizes = np.bincount(self.owner[kept], minlength=len(self))
        return Sequences(self.n_items, np.concatenate([[0], np.cumsum(sizes)]), self.items[kept])

    def seen(self, *, visitors_a_day: float, features: Features | None = None) -> Interactions:
        """What models may learn from: visitors come evenly spread, in their order, and take a step a second.

        Neither data set knows the time of a step; where the order of the visitors says nothing either, infinitely many
        come a day.
        """
        log = self._log(visitors_a_day)
        now = int(log.time.max(initial=0)) + 1
        matrix, bought = interactions(log, now=now), purchase_counts(log)
        return Interactions(matrix=matrix, bought=bought, log=log, now=now, item_features=features)

    def _log(self, visitors_a_day: float) -> Log:
        owner = self.owner
        place = np.arange(len(self.items)) - self.indptr[:-1][owner]
        n = len(self.items)
        return Log(
            n_users=len(self), n_items=self.n_items, user=owner.astype(np.int32), item=self.items,
            type=np.zeros(n, np.uint8), time=(owner * (DAY / visitors_a_day)).astype(np.int64) + place,
            quantity=np.ones(n, np.float32), order=np.full(n, -1, np.int64),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Steps:
    """Visits cut at a step: what was `seen` of each, and the `wanted` item [n] that came next."""

    seen: Sequences
    wanted: np.ndarray

    def __len__(self) -> int:
        return len(self.wanted)

    def pairs(self) -> Iterator[tuple[np.ndarray, int]]:
        """(items so far, next item)."""
        return ((self.seen[step], int(self.wanted[step])) for step in range(len(self)))

    def some(self, most: int, *, seed: int) -> Steps:
        """At most `most` of them, drawn at random."""
        if len(self) <= most:
            return self
        chosen = np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False))
        return Steps(joined(self.seen.n_items, [self.seen[each] for each in chosen]), self.wanted[chosen])


def every_step(visits: Sequences) -> Steps:
    """Each visit cut before its second item, before its third, and so on."""
    seen = [visits[visit][:place] for visit in range(len(visits)) for place in range(1, len(visits[visit]))]
    wanted = [visits[visit][place] for visit in range(len(visits)) for place in range(1, len(visits[visit]))]
    return Steps(joined(visits.n_items, seen), np.array(wanted, np.int32))


def last_steps(histories: Sequences) -> Steps:
    """Each history cut before its last item."""
    sizes = np.diff(histories.indptr)
    wanted = histories.items[histories.indptr[1:][sizes > 0] - 1]
    assert len(wanted) == len(histories)
    return Steps(histories.without_last(1), wanted)


def joined(n_items: int, each: Sequence[np.ndarray]) -> Sequences:
    """Sequences from the items of each visitor."""
    sizes = [len(items) for items in each]
    items = np.concatenate(each) if each else np.zeros(0, np.int32)
    return Sequences(n_items, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), items.astype(np.int32))


@dataclass(frozen=True, slots=True)
class Judged:
    """Lists held against what came: `measures` per step, and the `seconds` that each list took."""

    measures: dict[str, np.ndarray]
    seconds: np.ndarray

    def means(self) -> dict[str, float]:
        return {name: float(values.mean()) for name, values in self.measures.items()}


def judge(learned: Onward, order: Ranking | None, steps: Steps, k: int, *, repeats: bool) -> Judged:
    """List `k` items for each step as a storefront would, one after the other, and look where the wanted one stands.

    Without `repeats` what was seen is not listed. An item that is not listed counts nothing, however many there are.
    """
    ready = None if order is None else Readied(order)
    lists, seconds = np.full((len(steps), k), -1, np.int64), np.zeros(len(steps))
    for step in range(len(steps)):
        items = steps.seen[step]
        began = time.perf_counter()
        rows, _ = next_items(learned, ready, items)
        if not repeats:
            rows = rows[~np.isin(rows, items)]
        seconds[step] = time.perf_counter() - began
        lists[step, : min(k, len(rows))] = rows[:k]
    found = per_user(lists == steps.wanted[:, None], np.ones(len(steps), np.int64), k)
    return Judged({name: found[name] for name in (f"hit_rate@{k}", f"mrr@{k}", f"ndcg@{k}")}, seconds)
