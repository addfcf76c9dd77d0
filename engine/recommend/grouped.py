"""Grouped: what a profile holds, gathered by item, category or brand: counts, first and last time, what fades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.recommend.shared import Place

Keys = NDArray[np.int32]
Days = NDArray[np.float32]
_APART = 33  # bits by which the keys of one grouping lie above those of the one before


@dataclass(frozen=True, slots=True)
class Grouped:
    """Purchases grouped by a key: `keys` ascending, and where each group begins and ends in the sorted `days`.

    `fadings` are sums that were made before, by half-life.
    """

    keys: Keys
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    days: Days
    order: NDArray[np.int64]
    fadings: Mapping[float, Days] = field(default_factory=dict)

    @classmethod
    def of(cls, keys: Keys, days: Days) -> Grouped:
        return together([(keys, days)])[0]

    def sums(self, values: Days) -> Days:
        return np.add.reduceat(values, self.starts) if len(self.starts) else np.zeros(0, np.float32)

    @property
    def count(self) -> Days:
        return (self.ends - self.starts).astype(np.float32)

    @property
    def first(self) -> Days:
        return self.days[self.starts]

    @property
    def last(self) -> Days:
        return self.days[self.ends - 1]

    def faded(self, half_life: float) -> Days:
        known = self.fadings.get(half_life)
        return self.sums(np.exp2(self.days * np.float32(-1.0 / half_life))) if known is None else known


def together(parts: Sequence[tuple[Keys, Days]], half_lives: Sequence[float] = ()) -> list[Grouped]:
    """Several groupings at once, each of its keys (-1 or more) and days: a call of numpy costs more than what it does.

    What fades with `half_lives` is summed for all of them.
    """
    keys = np.concatenate([each + np.int64(part << _APART) for part, (each, _) in enumerate(parts)])
    order = np.argsort(keys, kind="stable")  # oldest first within a key, as in the profile
    days, ordered = np.concatenate([each for _, each in parts])[order], keys[order]
    bounds = np.empty(len(keys) + 1, bool)
    bounds[0] = bounds[-1] = len(keys) > 0
    np.not_equal(ordered[1:], ordered[:-1], out=bounds[1:-1])
    at = np.flatnonzero(bounds)
    starts, ends, groups = at[:-1], at[1:], ordered[at[:-1]]
    rates = np.array(half_lives, np.float32)[:, None]
    fading = np.exp2(days * (np.float32(-1.0) / rates))
    sums = np.add.reduceat(fading, starts, axis=1) if len(starts) else fading
    found, begin = [], 0
    cuts = np.searchsorted(groups, [(part << _APART) - 1 for part in range(len(parts) + 1)]).tolist()
    for part, (each, _) in enumerate(parts):
        mine, lines = slice(cuts[part], cuts[part + 1]), slice(begin, begin + len(each))
        found.append(
            Grouped(
                (groups[mine] - (part << _APART)).astype(np.int32),
                starts[mine] - begin,
                ends[mine] - begin,
                days[lines],
                order[lines] - begin,
                dict(zip(half_lives, sums[:, mine], strict=True)),
            )
        )
        begin += len(each)
    return found


def places(groups: Sequence[Grouped], wanted: Sequence[Keys]) -> list[Place]:
    """Where the candidates stand in each of the groupings, by their keys in it."""
    keys = np.concatenate([each.keys + np.int64(part << _APART) for part, each in enumerate(groups)])
    sizes = [len(each.keys) for each in groups]
    if not len(keys):
        return [Place(np.zeros(len(each), np.int64), 0) for each in wanted]
    asked = np.stack(wanted)
    codes = asked + (np.arange(len(groups), dtype=np.int64) << _APART)[:, None]
    at = np.searchsorted(keys, codes)
    # Code -1 is "not known": two items of unknown brand have nothing in common.
    elsewhere = (keys[np.minimum(at, len(keys) - 1)] != codes) | (asked < 0)
    firsts = np.cumsum([0, *sizes[:-1]])[:, None]
    local = np.where(elsewhere, np.array(sizes)[:, None], at - firsts)
    return [Place(line, size) for line, size in zip(local, sizes, strict=True)]
