"""Bench `experiments`: whether a placement's report is misled by looking daily, and whether it finds what is planted.

People come day by day and again, some far more often than others, click, buy and spend as they are. Each is drawn as a
storefront draws them; every evening the report is read as a marketer would. What exploring promises is measured beside
it, on a trained shop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.recommend.experiment import CONTROL, Experiment
from engine.recommend.placement_report import MEASURES, Outcomes, figures_of
from engine.trials.sample_ratio import THRESHOLD, sequential_ratio
from experiments.exploring_bench import SMALL as SMALL_EXPLORING
from experiments.exploring_bench import Size as ExploringSize
from experiments.exploring_bench import measure_exploring, trained_bundle
from experiments.findings import Asked, Conditions, Findings

Floats = NDArray[np.float64]

_DAYS, _PEOPLE = 28, 4_200
_LIFT = 0.15  # of the clicks, planted
_PLACES = 10  # of a list
_SUMS = ("lists", "shown", "clicks", "orders", "revenue", "spent")
_BUYS, _USUAL, _SPREAD = 0.1, 7.0, 1.0  # of a click, and the logarithm of what an order is worth


@dataclass(frozen=True, slots=True)
class Size:
    """How many simulated tests of each kind, and draws of the sample ratio."""

    nothing: int = 1_000
    planted: int = 300
    several: int = 200
    ratios: int = 20_000


QUICK, SMALL = Size(120, 40, 20, 2_000), Size(8, 4, 2, 100)


def measure_experiments(conditions: Conditions) -> Findings:
    size, exploring = (QUICK, SMALL_EXPLORING) if conditions.quick else (Size(), ExploringSize())
    found = measured(size, seed=conditions.seed)
    explored = measure_exploring(trained_bundle(conditions), exploring, seed=conditions.seed)
    # A hundred tests say little of one in twenty: a quick run only shows its figures.
    asked = () if conditions.quick else (*found.asked, *explored.asked)
    return Findings({**found.figures, "exploring": explored.figures}, asked)


def measured(size: Size, *, seed: int) -> Findings:
    """Tests of nothing, of something planted, of several variants of which none does anything, and of the alarm."""
    nothing = looked_at(size.nothing, ("b",), lift=0.0, seed=seed)
    planted = looked_at(size.planted, ("b",), lift=_LIFT, seed=seed + 1)
    several = looked_at(size.several, ("b", "c", "d"), lift=0.0, seed=seed + 2)
    ratio = sample_ratios(size.ratios, np.random.default_rng([seed, 3]))
    asked = (
        *(Asked(f"A/A, looked at daily: {name} beyond chance", nothing["beyond"][name], at_most=0.05)
          for name in MEASURES),
        Asked("A/A/A/A: any variant's click-through beyond chance", several["beyond"]["click_through"], at_most=0.05),
        Asked("planted: clicks' interval holds it at all looks", planted["held"]["click_through"], at_least=0.95),
        Asked("planted: revenue's interval holds it at all looks", planted["held"]["revenue"], at_least=0.95),
        Asked("planted +15 % clicks found within 28 days", planted["found"], at_least=0.8),
        Asked("sound draws that ring the alarm at any look", ratio["false_alarms"], at_most=THRESHOLD),
        Asked("51/49 of 200,000 rings", float(ratio["rings_at_51"]), at_least=1),
    )  # fmt: skip
    return Findings({"nothing": nothing, "planted": planted, "several": several, "sample_ratio": ratio}, asked)


def looked_at(runs: int, variants: tuple[str, ...], *, lift: float, seed: int) -> dict[str, Any]:
    """Of so many tests how many ever showed a difference, or missed the planted one; `lift` is of all variants."""
    beyond = dict.fromkeys(MEASURES, 0)
    missed = dict.fromkeys(MEASURES, 0)
    naive = any_measure = alarms = 0
    first: list[int] = []
    for run in range(runs):
        seen: set[str] = set()
        lost: set[str] = set()
        is_naive = rang = False
        for day, outcomes in enumerate(evenings(variants, lift, run, np.random.default_rng([seed, run])), start=1):
            figures = figures_of(outcomes)
            rang = rang or figures["sample_ratio"]["alarm"]
            for effect in (one for each in figures["variants"] for one in each["effects"]):
                change, part, measure = effect["difference"], effect["relative"], effect["measure"]
                if change["value"] is None:
                    continue
                if change["low"] > 0 or change["high"] < 0:
                    if measure == "click_through" and measure not in seen:
                        first.append(day)
                    seen.add(measure)
                is_naive = is_naive or (measure == "click_through" and abs(change["value"]) > 1.96 * change["error"])
                if part["value"] is not None and not part["low"] <= lift <= part["high"]:
                    lost.add(measure)
        for measure in MEASURES:
            beyond[measure] += measure in seen
            missed[measure] += measure in lost
        naive, any_measure, alarms = naive + is_naive, any_measure + bool(seen), alarms + rang
    return {
        "tests": runs,
        "beyond": {name: number / runs for name, number in beyond.items()},
        "any_measure": any_measure / runs,
        "found": len(first) / runs,
        "day_found": float(np.median(first)) if first else None,
        # The lift is of clicks, and of what follows them; neither of who buys at all nor of all that people buy.
        "held": {name: 1 - missed[name] / runs for name in (MEASURES if not lift else ("click_through", "revenue"))},
        "for_one_look_but_looked_at_daily": naive / runs,
        "alarms": alarms / runs,
    }


def evenings(variants: tuple[str, ...], lift: float, run: int, draw: np.random.Generator) -> Iterator[Outcomes]:
    """What is known on the evening of each day; who has seen no list yet is not there."""
    names = (CONTROL, *variants)
    drawn = Experiment("aa", f"home/aa-{run}", tuple((name, 1 / len(names)) for name in names))
    variant = np.array([drawn.place_of(f"u:{each}") for each in range(_PEOPLE)])
    arrives = np.minimum(draw.exponential(9.0, _PEOPLE), _DAYS - 1).astype(np.int64)
    often = draw.gamma(0.6, 0.5, _PEOPLE)  # lists a day
    rate = draw.beta(4, 76, _PEOPLE) * np.where(variant > 0, 1 + lift, 1.0)
    spends = draw.lognormal(_USUAL, _SPREAD, _PEOPLE)
    before = spends * draw.poisson(1.0, _PEOPLE)
    sums = {name: np.zeros(_PEOPLE) for name in _SUMS}
    for day in range(_DAYS):
        lists = draw.poisson(often * (arrives <= day))
        shown = lists * _PLACES
        clicks = draw.binomial(shown, rate)
        orders = draw.binomial(clicks, _BUYS)
        revenue = np.zeros(_PEOPLE)
        who = np.repeat(np.arange(_PEOPLE), orders)
        np.add.at(revenue, who, draw.lognormal(_USUAL, _SPREAD, len(who)))
        other = spends * draw.poisson(0.03, _PEOPLE) * (arrives <= day)
        for name, values in zip(_SUMS, (lists, shown, clicks, orders, revenue, revenue + other), strict=True):
            sums[name] += np.asarray(values, np.float64)
        there = np.flatnonzero(sums["lists"])
        summed: dict[str, Any] = {name: each[there] for name, each in sums.items()}
        yield Outcomes(
            unit=there, variant=variant[there], variants=names, version=np.ones(len(there), np.int64),
            before=before[there], shares=dict(drawn.shares), **summed,
        )  # fmt: skip


def sample_ratios(runs: int, draw: np.random.Generator) -> dict[str, Any]:
    """Sound draws of 28 days, looked at each evening, and draws that lose people."""
    rang = 0
    for _ in range(runs):
        counts = np.cumsum(draw.multinomial(500, [0.5, 0.3, 0.2], _DAYS), axis=0)
        rang += any(sequential_ratio(each, [0.5, 0.3, 0.2]).chance < THRESHOLD for each in counts.tolist())
    lost = draw.binomial(100_000, 0.95, 200)
    caught = [sequential_ratio([100_000, int(each)], [0.5, 0.5]).chance < THRESHOLD for each in lost]
    return {
        "draws": runs,
        "false_alarms": rang / runs,
        "rings_at_51": sequential_ratio([102_000, 98_000], [0.5, 0.5]).chance < THRESHOLD,
        "rings_where_one_in_twenty_is_lost": float(np.mean(caught)),
    }
