"""Bench `allocation`: a million customers and ten offers within a budget; small ones beside the exact optimum."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadInput
from engine.targeting.allocation import Limits, allocate
from engine.targeting.allocation_segments import allocate_per_segment
from experiments.exact_allocation import exact_value
from experiments.findings import Asked, Conditions, Findings
from experiments.traits_bench import in_own_process

Floats = NDArray[np.float32]


def measure_allocation(conditions: Conditions) -> Findings:
    """The large one in a process of its own, whose memory is told."""
    customers = 100_000 if conditions.quick else 1_000_000
    instances = 40 if conditions.quick else 200
    large = in_own_process(_large, customers, conditions.seed)
    limited = in_own_process(_limited, customers, conditions.seed)
    small = _small(instances, conditions.seed)
    asked = (
        Asked("seconds to allocate", large["seconds"], at_most=5),
        Asked("gap to the bound", large["gap"], at_most=1e-4),
        Asked("cost over budget", max(large["cost_over_budget"], limited["cost_over_budget"]), at_most=1),
        Asked("peak memory, GiB", large["peak_mib"] / 1024, at_most=1.5),
        Asked("small ones whose optimum lies between value and bound", small["between"], at_least=small["instances"]),
        Asked("least share of the optimum from 500 customers up", small["least_share"], at_least=0.99),
    )
    return Findings({"large": large, "with_stocks_and_floors": limited, "small": small}, asked)


def drawn(customers: int, offers: int, draw: np.random.Generator) -> tuple[Floats, Floats]:
    """Offers of growing depth: a discount counts when it is redeemed, also by those who would buy anyway."""
    sure = draw.beta(1, 12, customers).astype(np.float32)
    moved = draw.beta(1, 20, customers).astype(np.float32)
    margin = draw.lognormal(8, 0.8, customers).astype(np.float32)
    face = np.linspace(200, 3_000, offers).astype(np.float32)
    gain = moved[:, None] * (1 - np.exp(-face / 1_200))
    cost = (sure[:, None] + gain) * face
    noise = draw.normal(0, 5, (customers, offers)).astype(np.float32)
    return gain * margin[:, None] - cost * 0.2 + noise, cost


def _large(customers: int, seed: int) -> dict[str, Any]:
    value, cost = drawn(customers, 10, np.random.default_rng(seed))
    budget = 20.0 * customers
    began = time.perf_counter()
    value.argmax(axis=1)
    floor = time.perf_counter() - began
    began = time.perf_counter()
    found = allocate(value, cost, Limits(budget))
    seconds = time.perf_counter() - began
    rows = np.flatnonzero(found.treated)
    paid = math.fsum(cost[rows, found.choice[rows, 0]].tolist())
    return {
        "customers": customers,
        "offers": 10,
        "seconds": round(seconds, 2),
        "one_argmax_seconds": round(floor, 4),
        "over_one_argmax": round(seconds / floor, 1),
        "gap": found.gap,
        "budget": budget,
        "cost_over_budget": paid / budget,
        "value": found.value,
        "bound": found.bound,
        "treated": len(rows),
        "one_more_unit_of_budget_earns": found.budget_price,
    }


def _limited(customers: int, seed: int) -> dict[str, Any]:
    """Half of the offers scarce, ten segments with a floor of 5 %; and one offer a segment."""
    draw = np.random.default_rng(seed)
    value, cost = drawn(customers, 10, draw)
    stock = np.where(np.arange(10) % 2, customers / 100, np.inf)
    segment = draw.integers(0, 10, customers)
    limits = Limits(20.0 * customers, stock=stock, segment=segment, least_share=0.05)
    began = time.perf_counter()
    found = allocate(value, cost, limits)
    seconds = time.perf_counter() - began
    simple = allocate_per_segment(value, cost, limits, free=found)
    return {
        "seconds": round(seconds, 2),
        "gap": found.gap,
        "cost_over_budget": found.cost / limits.budget,
        "price_of_one_offer_a_segment": simple.price / found.value,
    }


def _small(instances: int, seed: int) -> dict[str, Any]:
    draw = np.random.default_rng(seed + 1)
    between, refused, shares, large = 0, 0, [], []
    for number in range(instances):
        value, cost, limits = small_instance(number, draw)
        optimum = exact_value(value, cost, limits)
        try:
            found = allocate(value, cost, limits)
        except BadInput:
            refused += 1
            between += math.isnan(optimum)
            continue
        slack = 1e-6 * max(optimum, 1.0)
        between += found.value <= optimum + slack and optimum <= found.bound + slack
        shares.append(found.value / optimum if optimum else 1.0)
        if len(value) >= 500:
            large.append(shares[-1])
    return {
        "instances": instances,
        "between": between,
        "refused_floors": refused,
        "least_share": min(large),
        "least_share_of_all": min(shares),
        "mean_share_of_all": float(np.mean(shares)),
    }


def small_instance(number: int, draw: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64], Limits]:
    """By turns: a budget alone, stocks, floors, two offers a customer; every tenth has 500 customers."""
    customers = 500 if number % 10 == 0 else int(draw.integers(1, 60))
    offers = int(draw.integers(1, 6))
    value = draw.normal(20, 30, (customers, offers))
    cost = draw.gamma(2, 10, (customers, offers))
    budget = float(draw.uniform(0.05, 0.8)) * float(cost.mean()) * customers
    kind = number // 10 % 4 if number % 10 == 0 else number % 4
    stock = draw.integers(0, customers // 2 + 2, offers) if kind in (1, 3) else None
    segment = draw.integers(0, 3, customers)
    most = min(2, offers) if kind == 3 else 1
    return value, cost, Limits(budget, stock, most, segment, 0.1 if kind == 2 else 0.0)
