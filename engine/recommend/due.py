"""Due: when a user needs again what they bought: not what they bought yesterday, but what runs out these days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.compiled import FLOATS, PLACES, REAL, compiled
from engine.learned import Repurchase
from engine.profile import Profile
from engine.recommend.grouped import Grouped

DAY = 86_400.0
#: What is due within so many days, or was due before, is offered; and so far ahead its chance looks.
SOON_DAYS = 7.0
#: What was bought since then, today or yesterday, is not.
JUST_DAYS = 2.0
#: Who is overdue by more than so many times the usual days has stopped.
_STOPPED = 5.0
#: What was bought once is due where at least this share of its buyers came back; of few buyers, four more who mostly
#: did not are assumed.
_MOSTLY, _ASSUMED = 0.5, (1.0, 4.0)
#: Lines of an item that lie less than half a day apart are one purchase.
SAME_VISIT = 0.5


@dataclass(frozen=True, slots=True)
class Rhythm:
    """By item of a profile [n]: how many `times` it was bought again, the `typical` days (float32) until it is, and
    purchases a week (`pace`, float32).
    """

    times: NDArray[np.int64]
    typical: NDArray[np.float32]
    pace: NDArray[np.float32]


def rhythm(own: Grouped, again: Repurchase) -> Rhythm:
    """The user's own intervals, shrunk to the item's: who bought a thing once has the interval of those who did again.

    Intervals are averaged as logarithms, since a few long ones say little of the next. The pace is the mean of the
    gamma posterior of a Poisson rate, as in Bhagat et al. 2018, Buy It Again: it counts the time since the last
    purchase too, so that it falls where somebody stopped.
    """
    prior, pace = again.interval[own.keys], again.pace[own.keys]
    return Rhythm(*rhythm_of(own.days, own.starts, prior, pace, float(again.strength[0]), float(again.strength[1])))


@compiled(FLOATS, PLACES, FLOATS, FLOATS, REAL, REAL)
def rhythm_of(
    days: NDArray[np.float32],
    starts: NDArray[np.int64],
    prior: NDArray[np.float32],
    pace: NDArray[np.float32],
    held: float,
    shape: float,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    n = len(prior)
    times, typical, weekly = np.zeros(n, np.int64), np.empty(n, np.float32), np.empty(n, np.float32)
    for item in range(n):
        logs = 0.0
        for at in range(starts[item] + 1, starts[item + 1]):
            gap = days[at - 1] - days[at]
            if gap >= SAME_VISIT:
                times[item] += 1
                logs += np.log(np.float64(gap))
        typical[item] = np.exp((held * prior[item] + logs) / (held + times[item]))
        weekly[item] = 7.0 * (times[item] + shape) / (days[starts[item]] + shape / pace[item])
    return times, typical, weekly


def due(
    profile: Profile, bundle: Bundle, now: float, context: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """What the user bought before and will need again these days, by how often they buy it.

    What they bought once counts where most of its buyers bought it again, and nothing that they seem to have given up.
    """
    own = of_profile(profile, now)
    found = rhythm(own, bundle.repurchase)
    soon = (found.typical - own.last <= SOON_DAYS) & (own.last >= JUST_DAYS) & (own.last <= _STOPPED * found.typical)
    buyers = bundle.statistics.buyers[own.keys]
    again = (bundle.statistics.repeat_share[own.keys] * buyers + _ASSUMED[0]) / (buyers + _ASSUMED[1])
    soon &= (found.times > 0) | (again >= _MOSTLY)
    rows, scores = own.keys[soon], found.pace[soon]
    order = np.argsort(-scores, kind="stable")
    return rows[order], scores[order]


def due_at(rows: NDArray[np.int32], profile: Profile, bundle: Bundle, now: float) -> NDArray[np.float64]:
    """[len(rows)] when (epoch seconds) each of these items of the profile is due again."""
    own = of_profile(profile, now)
    at = np.searchsorted(own.keys, rows)
    left = rhythm(own, bundle.repurchase).typical[at].astype(np.float64) - own.last[at]
    return np.asarray(now + left * DAY)


def of_profile(profile: Profile, now: float) -> Grouped:
    """The purchases of a profile by item, in days before `now`; what lies after the clock counts as new."""
    days = np.maximum(now - profile.times[profile.purchases], 0.0) / DAY
    return Grouped.of(profile.items[profile.purchases], days.astype(np.float32))
