"""Suggestions: ranked by what they are expected to earn, within the budget, and honest about what is assumed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import BadInput
from engine.targeting.cluster_rules import cluster_rule
from engine.targeting.clusters import Clusters
from engine.targeting.groups import groups
from engine.targeting.offers import checked_offer
from engine.targeting.segment_json import parse_rule_json
from engine.targeting.segments import Words
from engine.targeting.suggestion_goals import GOALS
from engine.targeting.suggestions import (
    Audience,
    Evidence,
    Outcome,
    Wish,
    discount_of,
    redemption_range,
    suggest,
    uplift_of,
)
from engine.targeting.traits import TRAIT_FIELDS
from engine.thresholds import read_thresholds


def audience(name="activity.churned", **changed):
    told = {
        "name": name, "kind": "group", "meaning": "Stopped coming.", "audience": {"segment": name}, "size": 1_000,
        "reachable": 800, "basket": 10_000.0, "base": 0.02,
    }  # fmt: skip
    return Audience(**{**told, **changed})


def offer(offer_id="ten", benefit=None):
    benefit = benefit or {"kind": "amount", "amount": 500}
    return checked_offer({"offer_id": offer_id, "name": "Ten", "benefit": benefit}, shop_currency="EUR")


SHOP = Evidence(9_000.0)


def test_proposals_are_ranked_and_fit_the_budget_and_can_become_drafts():
    found = suggest(
        Wish("win-back", 2_000), [audience("small", reachable=100), audience("large", reachable=900)], [offer()], SHOP
    )
    assert [each.name for each in found] == ["large", "small"]
    for each in found:
        assert each.cost <= 2_000
        assert each.low <= each.profit <= each.high
        assert each.contacted <= 0.8 * each.reachable
        assert "reached" in each.reason
        assert each.campaign["audience"] == {"segment": each.name}
        assert (each.campaign["goal"], each.campaign["budget"]) == ("win-back", 2_000)
        assert sum(variant["share"] for variant in each.campaign["variants"]) == 1
        json.dumps(each.as_json())


def test_what_was_assumed_is_said_and_what_was_measured_is_not():
    (assumed,) = suggest(Wish("win-back", 10**6), [audience()], [offer()], SHOP)
    assert any("effect is assumed" in each for each in assumed.missing)
    assert any("margin" in each for each in assumed.missing)
    known = Evidence(9_000.0, 5_000, 100, (Outcome("win-back", 0.005, 0.0005, 0.05),))
    (measured,) = suggest(Wish("win-back", 10**6, margin=0.4), [audience()], [offer()], known)
    assert measured.missing == ()
    assert measured.high - measured.low < assumed.high - assumed.low


def test_an_effect_that_is_assumed_may_be_none_at_all():
    (found,) = suggest(Wish("win-back", 10**6), [audience()], [offer()], SHOP)
    assert found.low <= 0 < found.profit


def test_what_is_not_expected_to_earn_is_not_proposed():
    none = Evidence(9_000.0, outcomes=(Outcome("win-back", -0.01, 0.001, 0.05),))
    assert suggest(Wish("win-back", 10**6), [audience()], [offer()], none) == ()
    assert suggest(Wish("win-back", 10**6), [audience(reachable=0)], [offer()], SHOP) == ()


def test_sure_buyers_make_an_offer_dear_and_a_message_alone_wins():
    lost, sure = (
        suggest(Wish("second-order", 10**6), [audience(base=base)], [offer()], SHOP)[0] for base in (0.0, 0.9)
    )
    assert (lost.offer_id, sure.offer_id) == ("ten", None)
    assert sure.cost == 0


def test_a_budget_that_does_not_reach_everybody_is_said():
    rich, poor = (
        suggest(Wish("win-back", budget, margin=1.0), [audience()], [offer()], SHOP)[0] for budget in (10**6, 2_000)
    )
    assert poor.contacted < rich.contacted
    assert not any("budget" in each for each in rich.missing)
    assert any("budget" in each for each in poor.missing)


def test_the_discount_of_an_offer_is_what_it_takes_off_a_usual_basket():
    assert discount_of(offer(), 10_000) == 500
    assert discount_of(offer(benefit={"kind": "percent", "percent": 10}), 10_000) == 1_000


def test_past_campaigns_count_by_how_sure_they_were():
    goal = GOALS["win-back"]
    # A discount of a tenth of the basket brings half of the full effect.
    outcomes = (
        Outcome("win-back", 0.02, 0.001, 0.1),
        Outcome("win-back", 0.08, 0.1, 0.1),
        Outcome("second-order", 0.5, 0.001, 0),
    )
    mean, low, high = uplift_of("win-back", goal, outcomes)
    assert mean == pytest.approx(0.04, abs=1e-4)
    assert high - low == pytest.approx(2 * 1.96 * 0.002, rel=1e-3)
    assert uplift_of("win-back", goal, ()) == goal.uplift


def test_the_range_of_redemptions_is_wilsons():
    assert redemption_range(100, 5) == pytest.approx((0.05, 0.02154, 0.11175), abs=1e-4)
    assert redemption_range(10, 0)[1] == 0.0


def test_every_goal_names_groups_that_there_are():
    known = {each.id for each in groups(read_thresholds(""))}
    assert {name for goal in GOALS.values() for name in goal.groups} <= known


@pytest.mark.parametrize(
    ("field", "wish"),
    [
        ("goal", Wish("more", 1)),
        ("item_id", Wish("launch-item", 1)),
        ("category", Wish("grow-category", 1)),
        ("channel", Wish("win-back", 1, channel="fax")),
        ("budget", Wish("win-back", -1)),
        ("margin", Wish("win-back", 1, margin=1.5)),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_name(field, wish):
    with pytest.raises(BadInput) as caught:
        suggest(wish, [audience()], [], SHOP)
    assert caught.value.field == field


def test_a_cluster_becomes_a_rule_without_what_may_not_decide():
    names = ("orders_365d", "price_level", "views_90d")
    clusters = Clusters(
        names, np.array([np.log1p(4.0), 0.5, 2.0]), np.ones(3), np.array([[1.0, 3.0, -0.1], [0.1, 2.0, 0.0]]),
        np.array([0.5, 0.5]), {2: 0.3},
    )  # fmt: skip
    rule = cluster_rule(clusters, 0)
    value = pytest.approx(5 * np.exp(0.5) - 1, abs=1e-3)
    assert rule == {"all": [{"trait": "orders_365d", "op": ">=", "value": value}]}
    parse_rule_json(rule, Words(TRAIT_FIELDS))
    assert cluster_rule(replace(clusters), 1) is None
