"""The sample-ratio alarm: whether the arms are as large as the draw should have made them.

Where they are not, something took customers out of one arm and not of the other, and no figure of the campaign can be
trusted until somebody knows what. Source: Fabijan et al. (2019); chi-square with the threshold that is usual for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.targeting.quantiles import chi_square_beyond

#: An alarm that rings once in a thousand campaigns where nothing is wrong.
THRESHOLD = 0.001
#: Chi-square holds where at least so many are expected in each group.
LEAST_EXPECTED = 5.0


@dataclass(frozen=True, slots=True)
class SampleRatio:
    statistic: float
    freedom: int
    chance: float

    @property
    def alarm(self) -> bool:
        return self.chance < THRESHOLD


def sample_ratio(counts: Sequence[int], shares: Sequence[float]) -> SampleRatio:
    """How far the sizes of the groups are from their shares, which are brought to a sum of 1."""
    return pooled_ratio([counts], shares)


def pooled_ratio(strata: Sequence[Sequence[int]], shares: Sequence[float]) -> SampleRatio:
    """The same over several segments at once: one test, however many there are.

    Segments too small for chi-square are looked at as one. Groups with a share of 0 are left out unless somebody is in
    them, which is an alarm.
    """
    whole = sum(shares)
    if whole <= 0 or any(count and not share for counts in strata for count, share in zip(counts, shares, strict=True)):
        return SampleRatio(float("inf"), 1, 0.0)
    drawn = [place for place, share in enumerate(shares) if share > 0]
    parts = [shares[place] / whole for place in drawn]
    if len(drawn) < 2:
        return SampleRatio(0.0, 0, 1.0)
    large, rest = [], [0] * len(drawn)
    for counts in strata:
        told = [counts[place] for place in drawn]
        if sum(told) * min(parts) >= LEAST_EXPECTED:
            large.append(told)
        else:
            rest = [each + more for each, more in zip(rest, told, strict=True)]
    if sum(rest) * min(parts) >= LEAST_EXPECTED:
        large.append(rest)
    statistic = sum(
        (count - sum(counts) * part) ** 2 / (sum(counts) * part)
        for counts in large
        for count, part in zip(counts, parts, strict=True)
    )
    freedom = len(large) * (len(drawn) - 1)
    return SampleRatio(statistic, freedom, chi_square_beyond(statistic, freedom) if freedom else 1.0)
