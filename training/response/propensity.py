"""Propensity: who redeems in a campaign, from imported ones whose members nobody drew by chance.

It says who redeems, not what an offer changes. Of each campaign are learned its members, by what was known of them
when it began, and whether they redeemed in it by the time we stand at.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from engine.storage.lake import Lake
from engine.storage.past_campaigns import PastCampaigns
from engine.targeting.fairness import check_inputs
from engine.targeting.response_inputs import PROPENSITY_INPUTS, UNKNOWN
from training.boosting import Trees, boost
from training.predictions.moments import USER_COLUMNS, moment_at

_HISTORY = ("campaigns_before", "coupons_before", "coupons_30d_before", "redeeming_rate", "days_since_coupon")
_OF_MOMENT = tuple(name for name in PROPENSITY_INPUTS if name not in _HISTORY)
_EVER = 36_500  # days: everybody with an event counts
_DAY = timedelta(days=1)
_ROUNDS = 120
_TREES = {
    "objective": "binary", "learning_rate": 0.04, "num_leaves": 8, "min_data_in_leaf": 40, "lambda_l2": 5.0,
    "max_bin": 63, "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Members of campaigns: `columns` float32 [n, PROPENSITY_INPUTS], bool `redeemed` [n], `users` their ids."""

    columns: np.ndarray
    redeemed: np.ndarray
    users: tuple[str, ...]

    @classmethod
    def joined(cls, several: Sequence[Members]) -> Members:
        return cls(
            np.concatenate([each.columns for each in several]),
            np.concatenate([each.redeemed for each in several]),
            tuple(user for each in several for user in each.users),
        )


class Campaigns:
    """Imported campaigns, as they were known at any time."""

    def __init__(self, lake: Lake, past: PastCampaigns, first: datetime) -> None:
        """`first` is the time of the shop's first event."""
        self._lake, self._first = lake, first
        self.campaigns = tuple(past.campaigns)
        self._members: dict[str, list[str]] = {}
        self._joined: dict[str, list[datetime]] = {}
        self._uses: dict[str, list[tuple[datetime, str]]] = {}
        starts = {campaign: start for campaign, _, start, _ in self.campaigns}
        for campaign, user in past.members:
            self._members.setdefault(campaign, []).append(user)
            self._joined.setdefault(user, []).append(starts[campaign])
        for user, _, campaign, moment in past.redemptions:
            self._uses.setdefault(user, []).append((moment, campaign))
        for moments in self._joined.values():
            moments.sort()
        for uses in self._uses.values():
            uses.sort()

    def over_at(self, moment: datetime) -> list[str]:
        """Campaigns that had ended by then, in the order of their beginning."""
        return [campaign for campaign, _, _, end in self.campaigns if end <= moment]

    def members(self, campaign: str) -> Members:
        """Its members as they were known when it began, and what came of them until it ended."""
        start, end = next((start, end) for name, _, start, end in self.campaigns if name == campaign)
        users = self._members.get(campaign, [])
        redeemed = [
            any(name == campaign and moment < end + _DAY for moment, name in self._uses.get(user, ())) for user in users
        ]
        return Members(self.columns(users, start), np.array(redeemed, bool), tuple(users))

    def columns(self, users: Sequence[str], moment: datetime) -> np.ndarray:
        """What was known of these users before `moment`, float32 [n, PROPENSITY_INPUTS]."""
        known = moment_at(self._lake, moment, first=self._first, active_days=_EVER, level=0, subjects=())
        place = {user: row for row, user in enumerate(known.users)}
        rows = np.array([place.get(user, -1) for user in users], np.int64)
        general = known.general[:, [USER_COLUMNS.index(name) for name in _OF_MOMENT]]
        told = np.full((len(users), len(_OF_MOMENT)), UNKNOWN, np.float32)
        told[rows >= 0] = general[rows[rows >= 0]]
        history = np.array([self._history(user, moment) for user in users], np.float32).reshape(-1, len(_HISTORY))
        return np.concatenate([told, history], axis=1)

    def _history(self, user: str, moment: datetime) -> tuple[float, ...]:
        joined = bisect_left(self._joined.get(user, []), moment)
        uses = [each for each in self._uses.get(user, ()) if each[0] < moment]
        redeemed_in = len({campaign for _, campaign in uses})
        lately = sum(when >= moment - 30 * _DAY for when, _ in uses)
        since = (moment - uses[-1][0]) / _DAY if uses else UNKNOWN
        return joined, len(uses), lately, redeemed_in / joined if joined else UNKNOWN, since


def learn_propensity(members: Members, *, names: Sequence[str] = PROPENSITY_INPUTS, seed: int, threads: int) -> Trees:
    """Log odds to redeem, by the columns `names`. NotAllowed for an input that may not set a discount."""
    check_inputs(names)
    params = {**_TREES, "seed": seed, "num_threads": threads}
    return boost(columns_of(members.columns, names), members.redeemed, params, _ROUNDS, names=names)


def columns_of(columns: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Of float32 [n, PROPENSITY_INPUTS] those of these names."""
    return columns[:, [PROPENSITY_INPUTS.index(name) for name in names]]
