"""Bench `filters`: what a filter that keeps one item in a hundred of a million costs, beside no filter, in one process.

Three kinds of answers of the list `home`, twenty places each, take turns for the same users: without a filter; with one
that says the same to everybody, whose column is computed once a bundle; with one that asks for something of the user,
whose answer is computed anew for each. Every answer is one call of what HTTP calls.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.recommend.answer import NOTHING_TOLD, Answer, Told, answer
from engine.recommend.control import control_of
from experiments.filter_shop import AS_OF, large_bundle
from experiments.findings import Asked, Conditions, Findings

ITEMS, USERS, ROUNDS = 1_000_000, 500, 400
QUICK_ITEMS, QUICK_USERS, QUICK_ROUNDS = 40_000, 200, 60
_PLACES, _WARM = 20, 20
_SAME, _OWN = "attributes.hundredth = 7", "price < user.attributes.budget"


def measure_filters(conditions: Conditions) -> Findings:
    """Answers to the same users in turns; medians, and what each takes in times of the one without a filter."""
    n_items, n_users, rounds = (QUICK_ITEMS, QUICK_USERS, QUICK_ROUNDS) if conditions.quick else (ITEMS, USERS, ROUNDS)
    bundle = large_bundle(n_items, n_users, seed=conditions.seed)
    first = _first(bundle)
    seconds: dict[str, list[float]] = {"no filter": [], "the same to everybody": [], "of the user": []}
    least = dict.fromkeys(seconds, _PLACES)
    for turn in range(-_WARM, rounds):
        for name, told in _asked(turn).items():
            began = time.perf_counter()
            found = _answered(bundle, turn % n_users, told)
            took = time.perf_counter() - began
            if turn >= 0:
                seconds[name].append(took)
                least[name] = min(least[name], len(found.items))
    return _findings(bundle, first, seconds, least)


def _asked(turn: int) -> Mapping[str, Told]:
    # Between 0.9 and 1.1 per cent of the prices, another for each: nothing of it was computed before.
    budget = 900 + (turn * 7) % 200
    return {
        "no filter": NOTHING_TOLD,
        "the same to everybody": Told(control_of({"filter": _SAME})),
        "of the user": Told(control_of({"filter": _OWN}), {"attributes": {"budget": budget}}),
    }


def _answered(bundle: Bundle, user: int, told: Told) -> Answer:
    return answer(bundle, "home", bundle.history.profile(user), float(AS_OF), limit=_PLACES, told=told)


def _first(bundle: Bundle) -> float:
    """Seconds of the answer that computes the column of a filter that says the same to everybody."""
    _answered(bundle, 0, NOTHING_TOLD)
    began = time.perf_counter()
    _answered(bundle, 0, Told(control_of({"filter": _SAME})))
    return time.perf_counter() - began


def _findings(bundle: Bundle, first: float, seconds: Mapping[str, list[float]], least: Mapping[str, int]) -> Findings:
    plain = float(np.median(seconds["no filter"]))
    kept = float((bundle.facts.attributes.numbers == 7).mean())
    figures: dict[str, Any] = {
        "items": len(bundle.items),
        "kept by the filter": kept,
        "milliseconds of the first answer with it": 1_000 * first,
    }
    for name, took in seconds.items():
        p50, p90, p99 = np.quantile(took, [0.5, 0.9, 0.99]) * 1_000
        figures[name] = {"p50 ms": p50, "p90 ms": p90, "p99 ms": p99, "places": least[name]}
    filtered = [name for name in seconds if name != "no filter"]
    return Findings(
        figures,
        (
            *(Asked(f"{name}: places filled, at least", least[name], at_least=_PLACES) for name in filtered),
            *(
                Asked(f"{name}: median over that of no filter", float(np.median(seconds[name])) / plain, at_most=2.0)
                for name in filtered
            ),
        ),
    )
