"""The record of an assignment: what a marketer reads before a launch, and what the campaign rests on afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.targeting.assignment import Assigned
from engine.targeting.campaign import Campaign
from engine.targeting.campaign_draws import ARMS, Holdouts
from engine.targeting.parity import ParityReport, net_prices, parity_report, tenure_deciles
from engine.targeting.plans import EVIDENCE, PlannedOffer, Predictions


def assignment_record(
    campaign: Campaign,
    assigned: Assigned,
    offers: Sequence[PlannedOffer],
    predictions: Predictions | None,
    holdouts: Holdouts,
    segment: NDArray[np.str_],
) -> dict[str, Any]:
    """All figures in minor units, those of money and profit expected, of the treated alone.

    `gap`, `one_more_unit` and `price_of_simplicity` are a plan's, as `plans.Plan` tells them; null for a draw.
    """
    plan, chance = assigned.plan, holdouts.chance(0)
    sums = np.bincount(assigned.arm, minlength=len(ARMS))
    simplicity = None if plan is None or plan.price_of_simplicity is None else plan.price_of_simplicity * chance
    return {
        "mode": campaign.assignment,
        "evidence": None if predictions is None else predictions.evidence,
        "evidence_says": _NO_COSTS if predictions is None else EVIDENCE[predictions.evidence],
        "models": [] if predictions is None else [asdict(each) for each in predictions.models],
        "inputs": sorted({name for each in predictions.models for name in each.inputs}) if predictions else [],
        "offers": [asdict(each) for each in offers],
        "budget": campaign.budget,
        **{f"{name}_arm": int(number) for name, number in zip(ARMS, sums, strict=True)},
        **_sums(assigned, np.ones(len(assigned.arm), np.bool_)),
        "gap": plan.gap if plan else None,
        "one_more_unit": plan.one_more_unit if plan else None,
        "price_of_simplicity": simplicity,
        "by_segment": _shares(assigned, segment[assigned.rows]),
        "by_variant": _shares(assigned, np.asarray(assigned.variants)[assigned.variant]),
        "by_offer": _shares(assigned, np.asarray([*(each.offer_id for each in offers), ""])[assigned.offer]),
    }


_NO_COSTS = "Nothing predicts who redeems: what it costs is not known beforehand."


def assignment_parity(
    assigned: Assigned,
    offers: Sequence[PlannedOffer],
    groups: Mapping[str, NDArray[Any]],
    *,
    basket: float | None,
    most: float,
) -> ParityReport | None:
    """Net prices of groups of all who could be reached, `groups` by `tenure_days`, `region` and `device`.

    None where no basket is known, or nobody gets anything by prediction: a draw has the same odds for all.
    """
    if assigned.plan is None or not basket or basket < 1:
        return None
    discounts, classes = [each.discount for each in offers], [each.reason_class for each in offers]
    net = net_prices(assigned.choice, discounts, classes, int(basket))
    told = {"tenure": tenure_deciles(groups["tenure_days"]), "region": groups["region"], "device": groups["device"]}
    return parity_report(net, told, basket=int(basket), most=most)


def _shares(assigned: Assigned, labels: NDArray[Any]) -> list[dict[str, Any]]:
    names, part = np.unique(labels, return_inverse=True)
    return [{"name": str(name), **_sums(assigned, part == at)} for at, name in enumerate(names)]


def _sums(assigned: Assigned, mine: NDArray[np.bool_]) -> dict[str, Any]:
    treated = mine & assigned.treated
    return {
        "customers": int(mine.sum()),
        "treated": int(treated.sum()),
        "cost": _sum(assigned.cost[treated]),
        "profit": _sum(assigned.profit[treated]),
    }


def _sum(told: NDArray[np.floating[Any]]) -> float | None:
    """None where nothing tells of anybody."""
    return None if len(told) and np.isnan(told).all() else float(np.nansum(told))
