"""Onward: what somebody goes on to from the last items of a visit, whoever it is.

Needs nothing but the visit, so that it serves people whom nobody knows, and obeys the last click.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.profile import Profile
from engine.recommend import ranking
from engine.recommend.readied import Readied
from engine.visits import Onward, Recent

#: Candidates that are judged in full, beside the items of the visit itself.
SHORTLISTED = 150
#: Events read back, so that a visit of a whole day costs no more than others.
_LOOKED_BACK = 50
_FUSION = 60.0  # Cormack, Clarke and Buettcher 2009: how much the first ranks of a way stand out
_FAR = np.float32(999.0)

#: What a ranking may ask of a candidate.
ONWARD_FEATURES: tuple[str, ...] = (
    "followed",
    "followed_rank",
    "followed_last",
    "held",
    "held_share",
    "held_rank",
    "held_visits",
    "held_best",
    "taken_alike",
    "taken_alike_last",
    "told_alike",
    "told_alike_last",
    "item_recent",
    "item_lasting",
    "item_idle",
    "item_age",
    "seen_ago",
    "seen_times",
    "visit_steps",
    "last_lasting",
)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may come next: item `rows` int32 [n], `scores` float64 [n] by the ranks of both ways, and `columns`
    float32 [len(ONWARD_FEATURES), n]."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float64]
    columns: NDArray[np.float32]


def onward(
    profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """What visits like this one went on to, from the items that this one took last, those in view included."""
    items = visit_of(profile, bundle, context)
    learned = bundle.rankings.get("onward")
    rows, scores = next_items(bundle.onward, None if learned is None else ranking.readied(learned, bundle), items)
    # A learned order speaks in logarithms, of which only differences mean something.
    return rows, np.exp(scores - scores.max(initial=-np.inf)).astype(np.float32)


def visit_of(profile: Profile, bundle: Bundle, context: NDArray[np.int32]) -> NDArray[np.int32]:
    """The items of somebody's last visit, oldest first, those in view behind; signs of one item are one step."""
    telling = np.flatnonzero(bundle.type_weights[profile.types] > 0)[-_LOOKED_BACK:]
    pauses = np.flatnonzero(np.diff(profile.times[telling]) > float(bundle.onward.gap_minutes[0]) * 60)
    this_visit = telling[pauses[-1] + 1 :] if len(pauses) else telling
    items = np.concatenate([profile.items[this_visit], context]).astype(np.int32)
    return items[np.r_[True, items[1:] != items[:-1]]] if len(items) else items


def next_items(
    learned: Onward, order: Readied | None, items: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """What comes next in a visit that took `items`, oldest first: rows best first, and their scores.

    By the learned order; without one by the ranks of both ways, and nothing that the visit took already, since nobody
    knows how likely it comes again.
    """
    found = candidates(learned, items)
    if order is None:
        others = ~np.isin(found.rows, items)
        best = np.argsort(-found.scores[others], kind="stable")
        return found.rows[others][best], found.scores[others][best]
    best, scores = ranking.order_of(ranking.Columns(found.columns), order)
    return found.rows[best], scores


def candidates(learned: Onward, items: NDArray[np.int32]) -> Candidates:
    """What may come next in a visit that took `items`, oldest first; the items of the visit are among them."""
    items = items[items < len(learned)]
    recent = Recent.of(items)
    if not len(recent) or not len(learned.visits.weights):
        none = np.zeros(0)
        return Candidates(none.astype(np.int32), none, np.zeros((len(ONWARD_FEATURES), 0), np.float32))
    followed_rows, followed = learned.followers.speak(recent)
    held_rows, counts = learned.visits.held(learned.visits.like(recent))
    rows, at = np.unique(np.concatenate([followed_rows, held_rows, recent.rows]), return_inverse=True)
    by_followers, by_visits = at[: len(followed_rows)], at[len(followed_rows) : len(followed_rows) + len(held_rows)]
    followed_all, best = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    followed_all[by_followers] = followed
    held = np.bincount(by_visits, counts, minlength=len(rows)).astype(np.float64)
    np.maximum.at(best, by_visits, counts)
    followed_rank, held_rank = _ranks(followed_all), _ranks(held)
    every: dict[str, NDArray[Any]] = {
        "followed": followed_all,
        "followed_rank": followed_rank,
        "held": held,
        "held_share": held / max(float(held.max()), 1e-12),
        "held_rank": held_rank,
        "held_visits": np.bincount(by_visits, minlength=len(rows)),
        "held_best": best,
    }
    # In float64, or a place more of one way would round away beside a place less of the other.
    fused = 1.0 / (_FUSION + followed_rank.astype(np.float64)) + 1.0 / (_FUSION + held_rank.astype(np.float64))
    worth_judging = fused.copy()
    worth_judging[at[len(at) - len(recent) :]] += 1.0  # what the visit took itself always is
    order = np.argsort(-worth_judging, kind="stable")[: SHORTLISTED + len(recent)]
    told = {name: column[order] for name, column in every.items()} | _more(learned, items, recent, rows[order])
    columns = np.stack([told[name] for name in ONWARD_FEATURES]).astype(np.float32)
    return Candidates(rows[order], fused[order], columns)


def _more(
    learned: Onward, items: NDArray[np.int32], recent: Recent, rows: NDArray[np.int32]
) -> dict[str, NDArray[np.float32]]:
    """The columns that are not worth having for all that was proposed."""
    last, n = recent.rows[:1], len(rows)
    followed_last = np.zeros(n, np.float32)
    followers, weights = learned.followers.of(int(last[0]))
    order = np.argsort(rows)
    place = np.searchsorted(rows, followers, sorter=order)
    place = order[np.minimum(place, n - 1)]
    met = rows[place] == followers
    followed_last[place[met]] = weights[met]
    seen = rows[:, None] == recent.rows[None, :]
    ago = np.where(seen.any(axis=1), recent.ago[seen.argmax(axis=1)], _FAR)
    known = np.minimum(recent.ago, len(learned.visits.by_age) - 1)
    by_age = learned.visits.by_age[known]
    return {
        "followed_last": followed_last,
        "taken_alike": learned.taken[rows] @ (by_age @ learned.taken[recent.rows]),
        "taken_alike_last": learned.taken[rows] @ learned.taken[last[0]],
        "told_alike": learned.told[rows] @ (by_age @ learned.told[recent.rows]),
        "told_alike_last": learned.told[rows] @ learned.told[last[0]],
        "item_recent": learned.recent[rows],
        "item_lasting": learned.lasting[rows],
        "item_idle": learned.idle[rows],
        "item_age": learned.age[rows],
        "seen_ago": ago.astype(np.float32),
        "seen_times": (rows[:, None] == items[None, :]).sum(axis=1).astype(np.float32),
        "visit_steps": np.full(n, len(items), np.float32),
        "last_lasting": np.full(n, learned.lasting[last[0]], np.float32),
    }


def _ranks(scores: NDArray[np.floating]) -> NDArray[np.float32]:
    """Place by falling score, 1 for the first; what has no score stands far behind."""
    ranks = np.empty(len(scores), np.float32)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return np.where(scores > 0, ranks, _FAR).astype(np.float32)
