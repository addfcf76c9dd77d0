"""How soon and how often items are bought again: an item's purchases shrunk to its category's, and those to all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.learned import NEVER, Repurchase
from engine.recommend.due import SAME_VISIT
from training.interactions import DAY, Log

_WEAKEST, _STRONGEST = 0.2, 100.0  # bounds of what a prior weighs: few data may say anything
_LEAST_PACE = 1e-6  # purchases a day: a shop where nothing is ever bought again still has one
_LEAST_GROUPS = 20  # groups with something to compare, below which the spread between them is unknown


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Each user with each item bought: `gaps` days between two purchases, `pair` whose they are; [n] of each pair."""

    gaps: np.ndarray
    pair: np.ndarray
    item: np.ndarray
    repeats: np.ndarray
    days: np.ndarray


def repurchase(purchases: Log, category: np.ndarray, now: int) -> Repurchase:
    """From the purchase lines before `now`, and the most specific `category` [n_items] of each item, -1 unknown.

    Strengths are empirical Bayes: how much intervals of one user (rates of one item's buyers) differ among
    themselves, against how much users (items) differ, by moments; intervals as logarithms.
    """
    pairs = _pairs(purchases, now)
    n = purchases.n_items
    codes = np.where(category >= 0, category, category.max(initial=-1) + 1)  # the unknown are a category too
    logs, item_of_gap = np.log(pairs.gaps), pairs.item[pairs.pair]
    whole = float(logs.mean()) if len(logs) else float(np.log(NEVER))
    interval = np.full(int(codes.max(initial=0)) + 1, whole)
    everything = np.zeros(len(logs), np.int64)
    interval = _means(logs, codes[item_of_gap], interval, _spread(logs, codes[item_of_gap], everything))
    interval = _means(logs, item_of_gap, interval[codes], _spread(logs, item_of_gap, codes[item_of_gap]))
    pace = np.full(int(codes.max(initial=0)) + 1, max(pairs.repeats.sum() / max(pairs.days.sum(), 1.0), _LEAST_PACE))
    pace = _rates(pairs.repeats, pairs.days, codes[pairs.item], pace)
    repeats, days = (np.bincount(pairs.item, values, n) for values in (pairs.repeats, pairs.days))
    pace = _rates(repeats, days, np.arange(n), pace[codes])
    strength = (
        _spread(logs, pairs.pair, item_of_gap),
        _shape(pairs.repeats, pairs.days * pace[pairs.item]),
    )
    return Repurchase(interval.astype(np.float32), pace.astype(np.float32), np.array(strength, np.float32))


def _pairs(purchases: Log, now: int) -> _Pairs:
    key = purchases.user.astype(np.int64) * purchases.n_items + purchases.item
    order = np.lexsort((purchases.time, key))
    key, times = key[order], purchases.time[order]
    begins = np.r_[True, key[1:] != key[:-1]] if len(key) else np.zeros(0, bool)
    pair = np.cumsum(begins) - 1
    gaps = np.diff(times) / DAY
    told = (gaps >= SAME_VISIT) & ~begins[1:]
    owner = pair[1:][told]
    return _Pairs(
        gaps=gaps[told],
        pair=owner,
        item=key[begins] % purchases.n_items,
        repeats=np.bincount(owner, minlength=int(begins.sum())).astype(np.float64),
        days=(now - times[begins]) / DAY,
    )


def _means(values: np.ndarray, group: np.ndarray, prior: np.ndarray, strength: float) -> np.ndarray:
    """[len(prior)] the means of the groups, shrunk to their priors."""
    n, total = np.bincount(group, minlength=len(prior)), np.bincount(group, values, len(prior))
    return np.asarray((strength * prior + total) / (strength + n))


def _rates(events: np.ndarray, days: np.ndarray, group: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """[len(prior)] events a day of the groups, shrunk to their priors: the mean of a gamma posterior."""
    n, exposed = np.bincount(group, events, len(prior)), np.bincount(group, days, len(prior))
    shape = _shape(n, exposed * prior)
    return np.maximum((n + shape) / (exposed + shape / prior), _LEAST_PACE)


def _shape(events: np.ndarray, expected: np.ndarray) -> float:
    """The shape of the gamma distribution by which rates differ from the expected ones, by moments."""
    if not expected.any():
        return 1.0
    spread = float((((events - expected) ** 2) - expected).sum() / (expected**2).sum())
    return float(np.clip(1.0 / max(spread, 1e-9), _WEAKEST, _STRONGEST))


def _spread(values: np.ndarray, group: np.ndarray, within: np.ndarray) -> float:
    """How many values of a group its parent's mean weighs: variance inside groups over variance between them.

    `group` and `within` say whose each value is, and which parent's that group is: one-way analysis of variance.
    """
    groups, at, sizes = np.unique(group, return_inverse=True, return_counts=True)
    parent = np.zeros(len(groups), np.int64)
    parent[at] = np.unique(within, return_inverse=True)[1]
    n_parents = int(parent.max(initial=-1)) + 1
    freedom = len(groups) - n_parents
    if freedom < _LEAST_GROUPS or len(values) - len(groups) < _LEAST_GROUPS:
        return 1.0
    means = np.bincount(at, values) / sizes
    of_parent = np.bincount(parent, sizes, n_parents)
    whole = np.bincount(parent, means * sizes, n_parents) / of_parent
    inside = float(((values - means[at]) ** 2).sum()) / (len(values) - len(groups))
    between = float((sizes * (means - whole[parent]) ** 2).sum()) / freedom
    size = (len(values) - float((np.bincount(parent, sizes**2.0, n_parents) / of_parent).sum())) / freedom
    return float(np.clip(inside * size / max(between - inside, 1e-9), _WEAKEST, _STRONGEST))
