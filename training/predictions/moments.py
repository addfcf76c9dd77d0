"""Moments: the rows that models learn from and answer for, at one past moment or at the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.storage.lake import Lake
from training.predictions.facts import WINDOWS, facts, in_days, next_orders

_LONGEST = 730.0  # days: an age or a gap that is longer, or unknown, counts as this
_LONGEST_TENURE = 90.0  # a shop that begins with its own import would otherwise have users no older than its history

USER_COLUMNS = (
    "recency", "idle", "tenure", *(f"rate_{days}" for days in WINDOWS), "spend_30", "spend_365", "basket", "discount",
    "gap", "gap_spread", "last_gap", "overdue", "views_7", "views_30", "wishes_30", "searches_30", "returns",
)  # fmt: skip
_OF_SUBJECT = (
    "recency", "idle", "rate_30", "rate_90", "rate_365", "gap", "overdue", "views_30", "wishes_30", "share",
)  # fmt: skip
#: How many of the users bought in the category within 30 days, and their mean gap: what it is like for everybody.
SUBJECT_COLUMNS = (*(f"subject_{name}" for name in _OF_SUBJECT), "subject_reach", "subject_gap_of_all")


@dataclass(frozen=True, slots=True)
class Moment:
    """What was known at `at` of the users who had ordered within the active days before it.

    `users` [n] are their ids, ascending; `general` float32 [n, USER_COLUMNS]. With `subjects`, `own` float32
    [k, _OF_SUBJECT] are the rows of users who had met a subject, `own_at` int64 [k] their places (user x number of
    subjects + subject), ascending, `of_all` float32 [subjects, 2]. A row of `columns` is a user, or a user and subject.
    """

    at: datetime
    users: np.ndarray
    subjects: tuple[str, ...]
    general: np.ndarray
    own: np.ndarray
    own_at: np.ndarray
    of_all: np.ndarray

    @property
    def width(self) -> int:
        """How many rows a user has."""
        return max(1, len(self.subjects))

    @property
    def names(self) -> tuple[str, ...]:
        return USER_COLUMNS + (SUBJECT_COLUMNS if self.subjects else ())

    @property
    def recency(self) -> int:
        """The column of the baseline: days since the last order, in the subject where there is one."""
        return self.names.index("subject_recency" if self.subjects else "recency")

    def where(self, users: np.ndarray) -> Moment:
        """The same moment of these user rows, ascending, only."""
        kept = np.isin(self.own_at // self.width, users)
        place = np.searchsorted(users, self.own_at[kept] // self.width)
        return replace(
            self,
            users=self.users[users],
            general=self.general[users],
            own=self.own[kept],
            own_at=place * self.width + self.own_at[kept] % self.width,
        )

    def columns(self, users: np.ndarray | None = None) -> np.ndarray:
        """What models see of these user rows, or of all, float32 [len(users) x width, names]."""
        users = np.arange(len(self.users)) if users is None else users
        general = np.repeat(self.general[users], self.width, axis=0)
        if not self.subjects:
            return general
        wanted = (users[:, None] * self.width + np.arange(self.width)).ravel()
        place = np.minimum(np.searchsorted(self.own_at, wanted), max(len(self.own_at) - 1, 0))
        own = np.tile(np.array(_NEVER_MET, np.float32), (len(wanted), 1))
        if len(self.own_at):
            met = self.own_at[place] == wanted
            own[met] = self.own[place[met]]
        return np.concatenate([general, own, np.tile(self.of_all, (len(users), 1))], axis=1)


#: What `_OF_SUBJECT` says of who never met the subject.
_NEVER_MET = tuple(_LONGEST if name in ("recency", "idle", "gap") else 0.0 for name in _OF_SUBJECT)


def moment_at(
    lake: Lake, at: datetime, *, first: datetime, active_days: int, level: int, subjects: Sequence[str]
) -> Moment:
    """The rows at a moment, from nothing later; `first` is the time of the shop's first event."""
    seen_days = max((at - first) / timedelta(days=1), 1.0)
    found = facts(lake, at)
    active = pc.less_equal(pc.fill_null(found["recency"], np.inf), active_days * 86_400e6)
    found = found.filter(active)
    users = found["user_id"].combine_chunks()
    general = _measures(found, seen_days)
    table = np.stack([general[name] for name in USER_COLUMNS], axis=1)
    if not subjects:
        none = np.zeros((0, len(_OF_SUBJECT)), np.float32)
        return Moment(at, _texts(users), (), table, none, np.zeros(0, np.int64), np.zeros((0, 2), np.float32))
    told = facts(lake, at, level=level, subjects=subjects)
    told = told.filter(pc.is_in(told["user_id"], value_set=users))
    own_at = _places(told, users, subjects)
    told, own_at = told.take(pa.array(np.argsort(own_at))), np.sort(own_at)
    measures = _measures(told, seen_days)
    rate = general["rate_365"][own_at // len(subjects)]
    measures["share"] = (measures["rate_365"] / np.maximum(rate, 1e-6)).astype(np.float32)
    own = np.stack([measures[name] for name in _OF_SUBJECT], axis=1)
    return Moment(
        at, _texts(users), tuple(subjects), table, own, own_at, _of_all(own, own_at, len(users), len(subjects))
    )


def waits(lake: Lake, moment: Moment, until: datetime, *, level: int) -> np.ndarray:
    """Days from the moment to the next order before `until`, float64 [users x width]; infinite where there is none."""
    found = np.full(len(moment.users) * moment.width, np.inf)
    told = next_orders(lake, moment.at, until, level=level if moment.subjects else 0, subjects=moment.subjects)
    users = pa.array(moment.users, pa.string())
    told = told.filter(pc.is_in(told["user_id"], value_set=users))
    found[_places(told, users, moment.subjects or ("",))] = in_days(told["wait"].to_numpy())
    return found


def _places(told: pa.Table, users: pa.Array, subjects: Sequence[str]) -> np.ndarray:
    row = pc.index_in(told["user_id"], value_set=users).to_numpy().astype(np.int64)
    column = pc.index_in(told["subject"], value_set=pa.array(list(subjects))).to_numpy()
    return np.asarray(row * len(subjects) + column)


def _measures(found: pa.Table, seen_days: float) -> dict[str, np.ndarray]:
    """Columns by name. Counts become rates per 30 days of the window that the shop's history has."""
    raw = {name: found[name].to_numpy() for name in found.column_names if name not in ("user_id", "subject")}
    count = {name: np.nan_to_num(values) for name, values in raw.items()}
    recency, gaps = _days(in_days(raw["recency"])), count["gaps"]
    gap = _days(np.where(gaps > 0, count["gap_sum"] / 86_400 / np.maximum(gaps, 1), np.nan))
    spread = np.maximum(count["gap_squares"] / 86_400**2 / np.maximum(gaps, 1) - gap**2, 0.0)
    year = _per_month(365, seen_days)
    measures = {
        "recency": recency,
        "idle": _days(in_days(raw["idle"])),
        "tenure": np.minimum(_days(in_days(raw["tenure"])), _LONGEST_TENURE),
        **{f"rate_{days}": count[f"orders_{days}"] * _per_month(days, seen_days) for days in WINDOWS},
        "spend_30": np.log1p(np.maximum(count["paid_30"], 0) * _per_month(30, seen_days)),
        "spend_365": np.log1p(np.maximum(count["paid_365"], 0) * year),
        "basket": count["lines"] / np.maximum(count["orders_365"], 1),
        "discount": 1
        - count["paid_365"] / np.maximum(count["listed"], 1) * (count["listed"] > 0)
        - 1.0 * (count["listed"] <= 0),
        "gap": gap,
        # How irregular the rhythm is, relative to its length; 1 is what mere chance makes of it.
        "gap_spread": np.where(gaps > 1, np.sqrt(spread) / np.maximum(gap, 1 / 24), 1.0),
        "last_gap": _days(raw["last_gap"] / 86_400),
        "overdue": np.where(gaps > 0, recency / np.maximum(gap, 1.0), 0.0),
        **{f"{what}_{days}": count[f"{what}_{days}"] for what, days in _LOOKS},
        "returns": count["returns"] * year,
    }
    return {name: np.asarray(values, np.float32) for name, values in measures.items()}


_LOOKS = (("views", 7), ("views", 30), ("wishes", 30), ("searches", 30))


def _of_all(own: np.ndarray, own_at: np.ndarray, users: int, subjects: int) -> np.ndarray:
    """For each subject the share of users who ordered in it within 30 days, and the mean gap of those who have one."""
    subject = own_at % subjects
    recent = own[:, _OF_SUBJECT.index("recency")] < 30
    gap = own[:, _OF_SUBJECT.index("gap")].astype(np.float64)
    known = gap < _LONGEST
    reach = np.bincount(subject[recent], minlength=subjects) / max(users, 1)
    mean = np.bincount(subject[known], gap[known], subjects) / np.maximum(
        np.bincount(subject[known], minlength=subjects), 1
    )
    return np.stack([reach, np.where(mean > 0, mean, _LONGEST)], axis=1).astype(np.float32)


def _per_month(days: int, seen_days: float) -> float:
    return 30.0 / min(float(days), seen_days)


def _days(values: np.ndarray) -> np.ndarray:
    return np.minimum(np.where(np.isfinite(values), values, _LONGEST), _LONGEST)


def _texts(ids: pa.Array) -> np.ndarray:
    return np.asarray(ids.to_numpy(zero_copy_only=False), dtype=object)
