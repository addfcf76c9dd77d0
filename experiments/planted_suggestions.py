"""The best suggestion beside the best of 500 pairs of rule and offer drawn at random, where the truth is planted.

The suggestion knows what a marketer would know after one random campaign: sizes, baskets, how many order and redeem,
and the effect that was measured. The random pairs are judged by the truth, and the best is taken: by an oracle. A
message alone is an offer of no depth on both sides, and moves people as far as the planted curve says at 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.settings import read_settings
from engine.targeting.groups import groups
from engine.targeting.offers import Offer, checked_offer
from engine.targeting.suggestion_goals import GOALS, PRIORS, depth_effect, everybody_for
from engine.targeting.suggestions import Audience, Evidence, Outcome, Proposal, Wish, suggest
from experiments.planted_uplift import BASKET, DEPTHS, DISCOUNTS, MARGIN, NAMES, Planted
from training.response.trial import Trial

_PAIRS = 500
_MARGIN = PRIORS["margin"][0]


def suggestion_beside_random(shop: Planted, trial: Trial, *, budget: int, seed: int) -> dict[str, Any]:
    """By goal, what both would truly earn; `trial` is the random campaign that was run before.

    Of a goal random rules are drawn among those whom it is about: win-back is not for whoever came yesterday. Under
    `any_goal` the suggestion that says to earn most of all goals stands beside random rules over all customers.
    """
    found: dict[str, dict[str, Any]] = {}
    suggested: list[tuple[Proposal, float]] = []
    draw = np.random.default_rng([seed, 7])
    for goal in GOALS:
        if GOALS[goal].needs is not None:
            continue
        audiences = _audiences(shop, goal)
        best = _suggested(trial, goal, budget, audiences, shop)[0]
        ours = _truly(shop, audiences[best.name], _depth(best), best.contacted, budget)
        suggested.append((best, ours))
        found[goal] = _beside_random(shop, draw, audiences[everybody_for(goal)], budget, best, ours)
    least = min(each["share"] for each in found.values())
    best, ours = max(suggested, key=lambda each: each[0].profit)
    found["any_goal"] = _beside_random(shop, draw, np.ones(len(shop), bool), budget, best, ours)
    return {"budget": budget, "least_share": least, **found}


def _beside_random(
    shop: Planted, draw: np.random.Generator, among: np.ndarray, budget: int, best: Proposal, ours: float
) -> dict[str, Any]:
    """What was suggested and earns `ours`, beside pairs whose rules are drawn at random among these."""
    pairs = []
    for _ in range(_PAIRS):
        inside = _random_rule(shop, draw) & among
        asked = int(inside.sum() * (1 - PRIORS["holdout"][0]))
        pairs.append(_truly(shop, inside, float(draw.choice((0.0, *DEPTHS))), asked, budget))
    return {
        "suggested": [best.name, best.offer_id], "contacted": best.contacted,
        "said": [best.profit, best.low, best.high], "earned": ours, "best_of_random": max(pairs),
        "median_of_random": float(np.median(pairs)), "share": ours / max(pairs),
    }  # fmt: skip


def _suggested(
    trial: Trial, goal: str, budget: int, audiences: Mapping[str, np.ndarray], shop: Planted
) -> tuple[Proposal, ...]:
    known = [
        Audience(name, "group", name, {"segment": name}, int(inside.sum()), int(inside.sum()), BASKET,
                 float(shop.base[inside].mean()) if inside.any() else 0.0)
        for name, inside in audiences.items()
    ]  # fmt: skip
    given = trial.arm > 0
    evidence = Evidence(BASKET, int(given.sum()), int(trial.redeemed[given].sum()), _measured(trial, goal))
    return suggest(Wish(goal, budget, margin=_MARGIN), known, [_offer(depth) for depth in DEPTHS], evidence)


def _measured(trial: Trial, goal: str) -> tuple[Outcome, ...]:
    """What the random campaign measured of each offer beside its holdout."""
    alone = trial.orders[trial.arm == 0]
    found = []
    for arm, depth in enumerate(DEPTHS, 1):
        with_it = trial.orders[trial.arm == arm]
        error = float(np.sqrt(with_it.var() / len(with_it) + alone.var() / len(alone)))
        found.append(Outcome(goal, float(with_it.mean() - alone.mean()), error, depth))
    return tuple(found)


def _truly(shop: Planted, inside: np.ndarray, depth: float, contacted: int, budget: int) -> float:
    """What an offer earns with so many of an audience, drawn by chance, as far as the budget truly reaches."""
    people = int(inside.sum())
    if not people:
        return 0.0
    if depth == 0:
        part = depth_effect(0.0) / depth_effect(DEPTHS[-1])
        return min(contacted, people) * MARGIN * float(part * shop.extra[inside, -1].mean())
    column = DEPTHS.index(depth)
    cost = float((shop.redeem[inside, column] * DISCOUNTS[column]).mean())
    return min(contacted, people, budget / cost) * float(shop.profit[inside, column].mean())


def _audiences(shop: Planted, goal: str) -> dict[str, np.ndarray]:
    """The goal's groups as far as the generator has traits for them, and all of them together, bool [n] each."""
    traits: dict[str, np.ndarray] = {name: shop.columns[:, at].astype(np.float64) for at, name in enumerate(NAMES)}
    traits |= {"orders": traits["orders_365d"], "tenure_days": np.full(len(shop), 365.0)}
    fifths = {"rfm_recency": -traits["days_since_order"], "rfm_frequency": traits["orders_365d"],
              "rfm_money": traits["orders_365d"]}  # fmt: skip
    for name, values in fifths.items():
        traits[name] = np.argsort(np.argsort(values, kind="stable")) * 5 // len(values) + 1.0
    ready = [each for each in groups(read_settings({}).groups) if each.id in GOALS[goal].groups]
    found = {each.id: inside for each in ready if (inside := _inside(each.rule, traits)) is not None}
    return {**found, everybody_for(goal): np.logical_or.reduce(list(found.values()))}


def _inside(rule: Mapping[str, Any], traits: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Who fulfils a rule over numbers; None where it asks for a trait that the generator lacks."""
    for name, joined in (("all", np.logical_and), ("any", np.logical_or)):
        if name in rule:
            parts = [_inside(each, traits) for each in rule[name]]
            known = [each for each in parts if each is not None]
            whole: np.ndarray = joined.reduce(known) if known else np.zeros(0, bool)
            return whole if len(known) == len(parts) else None
    if "not" in rule:
        part = _inside(rule["not"], traits)
        return None if part is None else np.logical_not(part)
    if rule["trait"] not in traits:
        return None
    values: np.ndarray = traits[rule["trait"]]
    if rule["op"] == "is null":
        return np.asarray(np.isnan(values))
    compare = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal, "=": np.equal}[rule["op"]]
    return np.asarray(compare(values, rule["value"]))


def _random_rule(shop: Planted, draw: np.random.Generator) -> np.ndarray:
    """One or two thresholds on traits, each way, at quantiles."""
    inside = np.ones(len(shop), bool)
    for at in draw.choice(len(NAMES), size=int(draw.integers(1, 3)), replace=False):
        values = shop.columns[:, at]
        bound = np.quantile(values, draw.uniform(0.1, 0.9))
        inside &= values > bound if draw.random() < 0.5 else values <= bound
    return inside


def _offer(depth: float) -> Offer:
    terms = {"offer_id": f"off {100 * depth:g}", "name": "off", "benefit": {"kind": "percent", "percent": 100 * depth}}
    return checked_offer(terms, shop_currency="USD")


def _depth(proposal: Proposal) -> float:
    return float(proposal.offer_id.split()[1]) / 100 if proposal.offer_id else 0.0
