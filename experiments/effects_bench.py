"""Bench `effects`: whether reports' intervals hold the planted truth as often as they say, and alarms ring when due.

Revenue as shops see it: most customers buy nothing, and some spend a hundred times the usual. The loops make members
with a planted effect and read the report that those members give, as a marketer would.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.targeting.campaign_members import Design, Floats, Later, Members
from engine.targeting.campaign_report import as_asked, figures_of
from engine.trials.effects import TUNED_FOR, Arm, arm_of, difference
from engine.trials.sample_ratio import sample_ratio
from experiments.findings import Asked, Conditions, Findings

_SPREAD, _USUAL, _BUYS = 1.2, 3.0, 0.1  # of log-normal orders, and the part that buys at all
_NOW, _DAY = 1_750_000_000.0, 86_400.0
_HOLDOUT, _BASE, _LEAST_LIFT, _MOST_LIFT = 0.2, 0.02, 0.005, 0.015  # conversion, and the planted lift of it
_MARGIN, _OFF = 0.4, 0.1  # of a price; off a redeemed order


@dataclass(frozen=True, slots=True)
class Size:
    intervals: int = 10_000
    loops: int = 500
    nothing: int = 2_000
    ratios: int = 200_000


QUICK, SMALL = Size(1_000, 60, 500, 20_000), Size(150, 4, 25, 2_000)


def measure_effects(conditions: Conditions) -> Findings:
    return measured(QUICK if conditions.quick else Size(), seed=conditions.seed)


def measured(size: Size, *, seed: int) -> Findings:
    """Whatever the size, the same is asked; small ones may miss it by chance."""
    draws = [np.random.default_rng([seed, each]) for each in range(6)]
    alone, loops = intervals_alone(size.intervals, draws[0]), whole_loops(size.loops, draws[1])
    nothing = {
        "fixed": false_alarms(size.nothing, draws[2], looks=1),
        "fixed_looked_at_daily": false_alarms(size.nothing, draws[3]),
        "sequential_looked_at_daily": false_alarms(size.nothing, draws[3], tuned_for=TUNED_FOR),
        "sequential_of_a_frozen_audience": frozen_alarms(size.nothing, draws[4]),
    }
    ratio = sample_ratios(size.ratios, draws[5])
    asked = (
        Asked("interval alone holds the truth", alone["held"], at_least=0.94, at_most=0.96),
        *(Asked(f"whole loops: {name} held", loops["held"][name], at_least=0.93, at_most=0.97)
          for name in ("revenue", "margin", "orders")),
        Asked("A/A: false positives of one look", nothing["fixed"], at_least=0.04, at_most=0.06),
        Asked("A/A: of a sequence, looked at daily", nothing["sequential_looked_at_daily"], at_most=0.05),
        Asked("A/A: of a sequence, frozen audience", nothing["sequential_of_a_frozen_audience"], at_most=0.05),
        Asked("50.5/49.5 of a million rings", float(ratio["rings_at_50_5"]), at_least=1),
        Asked("chance of a false alarm, exact", ratio["exact_false_alarm"], at_most=0.001),
    )  # fmt: skip
    return Findings({"alone": alone, "loops": loops, "nothing": nothing, "sample_ratio": ratio}, asked)


def revenue(draw: np.random.Generator, n: int, buys: float) -> Floats:
    spent = np.zeros(n)
    count = draw.binomial(n, buys)
    spent[:count] = draw.lognormal(_USUAL, _SPREAD, count)  # the order of customers says nothing
    return spent


def intervals_alone(runs: int, draw: np.random.Generator) -> dict[str, Any]:
    """20,000 treated, 5,000 held out, two customers in a hundred more buy."""
    held, truth = 0, 0.02 * math.exp(_USUAL + _SPREAD**2 / 2)
    below = 0
    for _ in range(runs):
        treated, control = (arm_of(revenue(draw, n, buys)[:, None]) for n, buys in ((20_000, 0.12), (5_000, 0.1)))
        low, high = difference(treated, control, 0).interval()
        held += low <= truth <= high
        below += high < truth
    return {"runs": runs, "held": held / runs, "too_low": below / runs, "too_high": 1 - held / runs - below / runs}


def whole_loops(runs: int, draw: np.random.Generator) -> dict[str, Any]:
    """Members with a planted effect, the report's figures of them, and whether its intervals hold what was planted."""
    held: dict[str, int] = {}
    narrowed, returns, began = [], 0, time.perf_counter()
    for _ in range(runs):
        lift = float(draw.uniform(_LEAST_LIFT, _MOST_LIFT))
        members, truth = planted(30_000, lift, draw)
        figures = as_asked(figures_of(members, Design(holdout=_HOLDOUT, shares={"ten": 1.0}), now=_NOW),
                           sequential=False)  # fmt: skip
        for each in figures["effects"]:
            if each["measure"] in truth:
                inside = each["each"]["low"] <= truth[each["measure"]] <= each["each"]["high"]
                held[each["measure"]] = held.get(each["measure"], 0) + inside
        roi = figures["roi"]
        returns += roi is not None and roi["low"] <= truth["margin"] / truth["cost"] <= roi["high"]
        narrowed.append(_narrowed(members, figures))
    return {
        "runs": runs,
        "customers": 30_000,
        "held": {name: number / runs for name, number in held.items()},
        "return_held": returns / runs,
        "variance_cut": float(np.mean([cut for cut, _ in narrowed])),
        "squared_correlation": float(np.mean([square for _, square in narrowed])),
        "seconds_a_loop": (time.perf_counter() - began) / runs,
    }


def planted(n: int, lift: float, draw: np.random.Generator) -> tuple[Members, dict[str, float]]:
    """A random campaign on n customers, and its true effects a customer: who bought before buys oftener and dearer."""
    treated = draw.random(n) >= _HOLDOUT
    loyal = draw.random(n) < 0.3
    before = np.where(loyal, draw.lognormal(8, 0.8, n), 0.0)
    level = np.where(loyal, 1.5 * before / math.exp(8 + 0.32), 0.79)  # a mean of about 1
    buys = draw.random(n) < _BASE * np.where(loyal, 2.0, 4 / 7) + lift * treated
    paid = np.where(buys, level * draw.lognormal(8, 0.6, n), 0.0)
    redeemed = treated & buys & (draw.random(n) < 0.6)
    cost: Floats = _OFF * paid * redeemed
    net: Floats = paid - cost
    began = np.where(treated, _NOW - 30 * _DAY, np.nan)
    one = treated.astype(np.float64)
    rows = np.flatnonzero(buys)
    measures: dict[str, Floats] = {
        "messaged": one, "exposed": one, "issued": one, "redeemed": redeemed.astype(np.float64),
        "cost": cost, "orders": buys.astype(np.float64), "revenue": net, "margin": net - (1 - _MARGIN) * paid,
    }  # fmt: skip
    members = Members(
        arm=np.where(treated, 0, 1), variant=np.where(treated, 0, -1), variants=("ten",),
        segment=np.zeros(n, np.int64), segments=("all",), propensity=np.where(treated, 1 - _HOLDOUT, _HOLDOUT),
        joined=np.full(n, _NOW - 30 * _DAY), measures=measures,
        before={"orders": loyal.astype(np.float64), "revenue": before},
        first={"messaged": began, "exposed": began, "issued": began,
               "redeemed": np.where(redeemed, _NOW - 20 * _DAY, np.nan)},
        later=Later(rows, draw.integers(0, 28, len(rows)), measures["margin"][rows]),
    )  # fmt: skip
    return members, _truth(lift)


def _truth(lift: float) -> dict[str, float]:
    """In closed form, from the means of what `planted` draws."""
    price = math.exp(8 + 0.18)
    level, loyal_level = 0.3 * 1.5 + 0.7 * 0.79, 0.3 * 1.5
    bought = _BASE * (2.0 * loyal_level + 4 / 7 * 0.7 * 0.79)  # orders times their level, without the campaign
    cost = _OFF * 0.6 * price * (bought + lift * level)
    return {
        "orders": lift,
        "cost": cost,
        "revenue": lift * level * price - cost,
        "margin": _MARGIN * lift * level * price - cost,
    }


def _narrowed(members: Members, figures: dict[str, Any]) -> tuple[float, float]:
    """How much the adjustment cut off the variance of revenue, and the squared correlation that promises it."""
    columns = np.column_stack([members.measures["revenue"], *members.before.values()])
    masks = [members.arm == arm for arm in (0, 1)]
    plain = difference(arm_of(columns[masks[0]]), arm_of(columns[masks[1]]), 0)
    adjusted = next(each["each"]["error"] for each in figures["effects"] if each["measure"] == "revenue")
    spread = arm_of(columns).covariances
    explained = spread[0, 1:] @ np.linalg.solve(spread[1:, 1:], spread[1:, 0]) / spread[0, 0]
    return 1 - (adjusted / plain.error) ** 2, float(explained)


def false_alarms(runs: int, draw: np.random.Generator, *, looks: int = 28, tuned_for: float | None = None) -> float:
    """How often nothing is called something, where each of 28 days brings 500 customers more into either arm.

    Somebody looks on the last `looks` days; without `tuned_for` at intervals for one look.
    """
    found = 0
    for _ in range(runs):
        arms = [np.cumsum([_sums(revenue(draw, 500, _BUYS)) for _ in range(28)], axis=0) for _ in range(2)]
        found += any(_rings(arms[0][-day], arms[1][-day], tuned_for) for day in range(1, looks + 1))
    return found / runs


def frozen_alarms(runs: int, draw: np.random.Generator) -> float:
    """The same of a sequence for an audience frozen at launch: every day adds to what the same customers spent."""
    found, n = 0, 5_000
    for _ in range(runs):
        spent, rings = np.zeros((2, n)), False
        for _ in range(28):
            for arm in spent:
                buyers = draw.integers(0, n, draw.binomial(n, _BUYS / 28))
                np.add.at(arm, buyers, draw.lognormal(_USUAL, _SPREAD, len(buyers)))
            rings = rings or _rings(_sums(spent[0]), _sums(spent[1]), 2.0 * n)
        found += rings
    return found / runs


def _sums(values: Floats) -> Floats:
    return np.array([len(values), values.sum(), (values**2).sum()])


def _rings(treated: Floats, control: Floats, tuned_for: float | None) -> bool:
    """Whether the interval of the difference leaves zero out; arms come as their sums."""
    more, less = (
        Arm(int(n), np.array([s / n]), np.array([[(q - s**2 / n) / (n - 1)]])) for n, s, q in (treated, control)
    )
    found = difference(more, less, 0)
    low, high = found.interval() if tuned_for is None else found.sequence(more.n + less.n, tuned_for=tuned_for)
    return low > 0 or high < 0


def sample_ratios(runs: int, draw: np.random.Generator) -> dict[str, Any]:
    counts = draw.binomial(1_000_000, 0.8, runs).tolist()
    rang = sum(sample_ratio([each, 1_000_000 - each], [0.8, 0.2]).alarm for each in counts)
    return {
        "rings_at_50_5": sample_ratio([505_000, 495_000], [1, 1]).alarm,
        "false_alarms": rang / runs,
        "of": runs,
        "exact_false_alarm": max(_exact(1_000_000, share) for share in (0.5, 0.8)),
    }


def _exact(n: int, share: float) -> float:
    """The chance that arms of a sound draw ring the alarm, summed over all sizes near the edges."""
    middle, spread = n * share, math.sqrt(n * share * (1 - share))
    total = 0.0
    near, far = int(3.2 * spread), int(7 * spread)  # nothing rings nearer, and farther away next to nothing lies
    for off in (*range(-far, -near), *range(near, far)):
        count = round(middle) + off
        if sample_ratio([count, n - count], [share, 1 - share]).alarm:
            chance = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
            total += math.exp(chance + count * math.log(share) + (n - count) * math.log1p(-share))
    return total
