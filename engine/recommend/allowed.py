"""Allowed: the items that a condition lets pass, as a column over the whole catalogue where it says the same to all.

Such a column is computed once for a bundle and patched with what the shop says since. A condition that speaks of the
request is computed on the candidates, and on the catalogue by falling sales until enough passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.expression import Expression, is_fixed
from engine.item_table import Changes
from engine.recommend.rules import Rows, Scope, bound, holds, numbers

Flags = NDArray[np.bool_]
MOST_BEST = 500
_FIRST_ASKED = 4_096  # of the best sellers; then four times as many, and so on
#: Where fewer items than this share pass, they are looked at themselves instead of asking an index of all.
_FEW = 0.05


class Allowed:
    """What passes one condition in one bundle."""

    def __init__(self, condition: Expression, scope: Scope, bundle: Bundle) -> None:
        self._bound = bound(condition, scope)
        self._fixed = is_fixed(condition)
        self._bundle = bundle

    def keeps(self, rows: Rows) -> Flags:
        """[len(rows)] which of these pass."""
        if self._fixed or "whole" in self.__dict__:
            return np.asarray(self.whole.kept[rows])
        return _over_changes(self._bound, self._bundle, rows)

    @cached_property
    def whole(self) -> _Whole:
        return _whole(self._bound, self._bundle)

    @property
    def few(self) -> Rows | None:
        """The rows that pass, where that is known without a pass over the catalogue and they are few."""
        return self.whole.few if self._fixed else None

    def best(self) -> Rows:
        """Of what passes the best sellers, at most `MOST_BEST`, that are on sale."""
        return self.whole.best if self._fixed or "whole" in self.__dict__ else self._first

    @cached_property
    def _first(self) -> Rows:
        """The same without the whole catalogue: the best sellers are asked first, and no further than needed."""
        found: list[Rows] = []
        rows, begin, size = _by_sales(self._bundle), 0, _FIRST_ASKED
        while begin < len(rows) and sum(map(len, found)) < MOST_BEST:
            asked = rows[begin : begin + size]
            asked = asked[self._bundle.sellable[asked]]
            found.append(asked[_over_changes(self._bound, self._bundle, asked)])
            begin, size = begin + size, 4 * size
        return np.concatenate(found)[:MOST_BEST] if found else np.zeros(0, np.int32)


@dataclass(frozen=True)
class _Whole:
    """`kept` [n] in a bundle after `applied` was laid over it; `recent` are its items' sales."""

    kept: Flags
    applied: tuple[Changes, ...]
    sellable: Flags
    recent: NDArray[np.float32]

    @cached_property
    def few(self) -> Rows | None:
        if np.count_nonzero(self.kept) > max(_FEW * len(self.kept), MOST_BEST):
            return None
        return np.flatnonzero(self.kept).astype(np.int32)

    @cached_property
    def best(self) -> Rows:
        rows = self.few if self.few is not None else np.flatnonzero(self.kept).astype(np.int32)
        rows = rows[self.sellable[rows]]
        sold = self.recent[rows]
        if len(rows) > MOST_BEST:
            top = np.argpartition(-sold, MOST_BEST)[:MOST_BEST]
            rows, sold = rows[top], sold[top]
        return rows[np.lexsort((rows, -sold))]


def _by_sales(bundle: Bundle) -> Rows:
    """All rows by falling recent sales; items newer than the bundle have none yet and stand last."""
    known, n = len(bundle.facts), len(bundle.items)
    found: Rows | None = bundle.kept.get("by sales")
    if found is None:
        found = np.argsort(-bundle.statistics.recent[:known], kind="stable").astype(np.int32)
        bundle.kept.put("by sales", found, found.nbytes)
    return found if n == known else np.r_[found, np.arange(known, n, dtype=np.int32)]


def _whole(condition: Expression, bundle: Bundle) -> _Whole:
    key = ("allowed", repr(condition))  # (1 and true are equal, but not the same)
    found: _Whole | None = bundle.kept.get(key)
    recent = bundle.statistics.recent
    if found is not None and found.applied == bundle.changes and len(found.kept) == len(bundle.items):
        if found.sellable is not bundle.sellable:
            found = _Whole(found.kept, found.applied, bundle.sellable, recent)
            bundle.kept.put(key, found, len(found.kept))
        return found
    n, known = len(bundle.items), len(bundle.facts)
    if found is not None and not _covers(bundle.changes, found.applied, known):
        found = None
    kept = np.zeros(n, bool)
    kept[:known] = holds(condition, bundle.table) if found is None else found.kept[:known]
    for each in bundle.changes:
        if found is None or len(found.kept) != n or all(each is not one for one in found.applied):
            kept[each.rows] = holds(condition, each.table)
    made = _Whole(kept, bundle.changes, bundle.sellable, recent)
    bundle.kept.put(key, made, n)
    return made


def _covers(changes: tuple[Changes, ...], applied: tuple[Changes, ...], known: int) -> bool:
    """Whether all that was laid over before is told by `changes` too, as it was or anew."""
    gone = [each.rows[each.rows < known] for each in applied if all(each is not one for one in changes)]
    told = [each.rows for each in changes]
    return not gone or bool(told and np.isin(np.concatenate(gone), np.concatenate(told)).all())


def _over_changes(condition: Expression, bundle: Bundle, rows: Rows) -> Flags:
    """The condition on these rows, as the shop speaks of them now."""
    known = rows < len(bundle.facts)
    kept = np.zeros(len(rows), bool)
    kept[known] = holds(condition, bundle.table, rows[known])
    for each in bundle.changes:
        at, places = _places(each.rows, rows)
        if len(at):
            kept[places] = holds(condition, each.table, at)
    return kept


def factors_of(formula: Expression, scope: Scope, bundle: Bundle, rows: Rows) -> NDArray[np.float64]:
    """[len(rows)] the number that a formula gives each item, NaN where it has none."""
    said = bound(formula, scope)
    known = rows < len(bundle.facts)
    found = np.full(len(rows), np.nan)
    found[known] = numbers(said, bundle.table, rows[known])
    for each in bundle.changes:
        at, places = _places(each.rows, rows)
        if len(at):
            found[places] = numbers(said, each.table, at)
    return found


def _places(changed: Rows, rows: Rows) -> tuple[Rows, NDArray[np.int64]]:
    """Which of `changed` are among `rows`: their places in the one and in the other."""
    _, at, places = np.intersect1d(changed, rows, assume_unique=False, return_indices=True)
    return at.astype(np.int32), places
