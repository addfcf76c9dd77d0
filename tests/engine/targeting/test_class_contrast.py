"""What campaigns changed with a class: within each campaign, and never across two."""

import random

import pytest

from engine.targeting.class_contrast import Arms, contrast


def test_campaigns_are_compared_each_in_itself():
    """Pooled, the treated would look worse: the campaign with many of them is about customers who seldom buy."""
    found = contrast([Arms(900, 100, 90, 5), Arms(100, 900, 60, 450)])
    assert (found.campaigns, found.treated, found.held_out) == (2, 1000, 1000)
    assert found.difference == pytest.approx(0.9 * 0.05 + 0.1 * 0.1)
    assert found.treated_bought / found.treated < found.held_out_bought / found.held_out
    assert found.low < found.difference < found.high


def test_without_both_arms_nothing_is_said():
    assert contrast([]) is None
    assert contrast([Arms(10, 0, 5, 0), Arms(0, 10, 0, 5)]) is None


def test_the_interval_holds_what_was_planted_as_often_as_it_says():
    dice = random.Random(3)
    campaigns = [(120, 40, 0.10, 0.04), (60, 30, 0.25, 0.21)]
    planted = sum(n * (p - q) for n, _, p, q in campaigns) / sum(n for n, *_ in campaigns)
    held = 0
    for _ in range(2_000):
        arms = [
            Arms(n, m, sum(dice.random() < p for _ in range(n)), sum(dice.random() < q for _ in range(m)))
            for n, m, p, q in campaigns
        ]
        found = contrast(arms)
        held += found.low <= planted <= found.high
    assert 0.935 <= held / 2_000 <= 0.975
