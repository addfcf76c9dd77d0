"""Bench `uplift`: whether learned offers earn more, on a real trial, on real redemptions, and where it is planted.

Seeds, splits and protocols are those of hillstrom.py, journey_redemptions.py and campaign_loop.py, fixed beforehand;
nothing is chosen on what is reported.
"""

from __future__ import annotations

from typing import Any

from engine.storage.home import Home
from experiments.campaign_loop import campaign_loop
from experiments.findings import Asked, Conditions, Findings
from experiments.hillstrom import measure_hillstrom
from experiments.journey_redemptions import measure_redemptions

_LOOP_SEED = 6


def measure_uplift(conditions: Conditions) -> Findings:
    """Three parts: `hillstrom`, `journey`, `loop`; the quick version leaves the journey out and plants fewer."""
    hillstrom = measure_hillstrom(conditions.data_set("hillstrom"), quick=conditions.quick)
    figures: dict[str, Any] = {"hillstrom": hillstrom}
    asked = [
        Asked(f"Hillstrom: {name}: beaten, or said that it is not (1 = yes)", _is_honest(found), at_least=1)
        for name, found in hillstrom["beats"].items()
    ]
    if conditions.quick:
        figures["loop"] = campaign_loop(10_000, seed=_LOOP_SEED, candidates=("same", "redeemed"), base=0.2, spread=0.1)
        return Findings(figures, tuple(asked))
    figures["journey"] = measure_redemptions(Home(conditions.scratch))
    figures["loop"] = loop = campaign_loop(100_000, seed=_LOOP_SEED, candidates=("same", "redeemed", "dr"))
    learned, suggested = loop["after_campaign"][-1], loop["suggestion"]
    asked += [
        Asked("loop: share of the planted optimum after three campaigns", learned["share_of_optimum"], at_least=0.95),
        Asked("loop: truly spent of the budget", learned["spent_of_budget"], at_most=1.02),
        Asked("best suggestion over the best of 500 random pairs", suggested["least_share"], at_least=0.8),
    ]
    return Findings(figures, tuple(asked))


def _is_honest(found: dict[str, Any]) -> float:
    return float(("NOT" in found["sentence"]) == (found["difference"]["low"] <= 0))
