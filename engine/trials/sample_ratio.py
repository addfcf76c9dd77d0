"""The sample-ratio alarm: whether the arms are as large as the draw should have made them.

Where they are not, something took customers out of one arm and not of the other, and no figure of the trial can be
trusted until somebody knows what. Source: Fabijan et al. (2019); chi-square with the threshold that is usual for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.trials.quantiles import chi_square_beyond

#: An alarm that rings once in a thousand trials where nothing is wrong.
THRESHOLD = 0.001
#: Chi-square holds where at least so many are expected in each group.
LEAST_EXPECTED = 5.0


#: So many draws the priors are worth: one is sharpest where half of a group is lost, the other where one in fifty.
_CONCENTRATIONS = (25.0, 2_500.0)


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


def sequential_ratio(counts: Sequence[int], shares: Sequence[float]) -> SampleRatio:
    """The alarm for whoever looks every day while the groups grow: at all looks together it rings as seldom.

    `statistic` is the Bayes factor against the shares. Source: Lindon and Malek (NeurIPS 2022), with a Dirichlet
    around the shares; by Ville's inequality the factor of a sound draw ever reaches k with a chance of at most 1 / k.
    """
    whole = sum(shares)
    told = [(count, share / whole) for count, share in zip(counts, shares, strict=True) if whole > 0 and share > 0]
    if sum(count for count, _ in told) < sum(counts):
        return SampleRatio(math.inf, 1, 0.0)
    if len(told) < 2:
        return SampleRatio(0.0, 0, 1.0)
    logarithms = [_log_factor(told, each) for each in _CONCENTRATIONS]
    largest = max(logarithms)
    # The mean of factors is a factor: whoever is right early or late pays the logarithm of two.
    mean = largest + math.log(sum(math.exp(each - largest) for each in logarithms) / len(logarithms))
    return SampleRatio(math.exp(min(mean, 700.0)), len(told) - 1, math.exp(-max(mean, 0.0)))


def _log_factor(told: Sequence[tuple[int, float]], concentration: float) -> float:
    n = sum(count for count, _ in told)
    found = math.lgamma(concentration) - math.lgamma(concentration + n)
    for count, share in told:
        prior = concentration * share
        found += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return found
