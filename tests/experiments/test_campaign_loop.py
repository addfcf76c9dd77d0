"""The loop of campaigns, small: what is learned earns more than chance, and suggestions are not far from the best."""

from __future__ import annotations

from experiments.campaign_loop import campaign_loop


def test_what_three_campaigns_teach_earns_most_of_what_the_truth_would():
    found = campaign_loop(2_500, seed=3, candidates=("dr",), threads=1, base=0.2, spread=0.2)
    last = found["after_campaign"][-1]
    assert last["share_of_optimum"] > 0.8 > found["by_chance"]
    assert last["spent_of_budget"] < 1.1
    assert found["suggestion"]["least_share"] > 0.8
