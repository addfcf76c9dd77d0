"""Assignments: drawn or planned for all alike, within the budget and the pieces, with others held out like them."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadInput, NotAllowed
from engine.targeting.assignment import assign
from engine.targeting.assignment_record import assignment_parity, assignment_record
from engine.targeting.campaign import checked_campaign
from engine.targeting.campaign_draws import Holdouts
from engine.targeting.parity import check_parity
from engine.targeting.plans import Model, PlannedOffer, Predictions

MANY = 4_000
USERS = [f"u{number}" for number in range(MANY)]
SEGMENT = np.where(np.arange(MANY) % 4 == 0, "rare", "often")
HOLDOUTS = Holdouts("shop", 0.05, "campaign", 0.2)
OFFERS = [PlannedOffer("small", 200, "win_back"), PlannedOffer("large", 600, "win_back")]
PLANNED = {
    "name": "x", "audience": {"segment": "a"}, "channel": "email", "goal": "win-back", "offers": ["small", "large"],
    "assignment": "plan", "budget": 50_000,
}  # fmt: skip
DRAWN = {**PLANNED, "assignment": "random"}


def predictions(seed=1, inputs=("orders_90d",)):
    chance = np.random.default_rng(seed)
    redeem = chance.uniform(0.02, 0.3, (MANY, 2))
    return Predictions(
        redeem, redeem * chance.uniform(0.1, 1, (MANY, 2)), chance.uniform(500, 4_000, MANY),
        (Model("response", "3", inputs),), "uplift",
    )  # fmt: skip


def planned(offers=OFFERS, predicted=None, **more):
    campaign = checked_campaign({**PLANNED, **more})
    return campaign, assign(campaign, USERS, SEGMENT, offers, predicted or predictions(), HOLDOUTS)


def test_a_plan_keeps_its_budget_and_nearly_uses_it():
    _, found = planned()
    assert 0.9 * 50_000 < found.spent() <= 50_000 * (1 + 1e-9)


def test_those_held_out_of_a_plan_are_like_those_who_get_it():
    _, found = planned(budget=200_000)
    treated, held = found.treated, found.arm == 1
    assert abs(held.sum() / (held | treated).sum() - 0.2) < 0.04
    for told in (found.cost, found.profit, found.offer.astype(float)):
        error = told.std() * (1 / treated.sum() + 1 / held.sum()) ** 0.5
        assert abs(told[treated].mean() - told[held].mean()) < 4 * error
    assert set(np.round(found.propensity[treated], 6)) == {0.76}


def test_pieces_of_a_plan_go_to_no_more_treated_than_there_are():
    offers = [PlannedOffer("small", 200, "win_back", 40), OFFERS[1]]
    _, found = planned(offers, budget=200_000)
    assert 25 < (found.treated & (found.offer == 0)).sum() <= 40


def test_one_offer_a_segment_tells_what_the_simplicity_costs():
    campaign, found = planned(assignment="per-segment")
    record = assignment_record(campaign, found, OFFERS, predictions(), HOLDOUTS, SEGMENT)
    for name in ("rare", "often"):
        assert len(np.unique(found.offer[SEGMENT[found.rows] == name])) <= 1
    assert record["price_of_simplicity"] >= 0
    free, own = planned()[1], found
    assert np.nansum(own.profit[own.treated]) <= np.nansum(free.profit[free.treated]) * 1.05


def test_the_record_adds_up_and_says_what_it_rests_on():
    campaign, found = planned()
    record = assignment_record(campaign, found, OFFERS, predictions(), HOLDOUTS, SEGMENT)
    assert record["customers"] == sum(record[f"{arm}_arm"] for arm in ("treatment", "holdout", "global_holdout"))
    for name in ("by_segment", "by_offer", "by_variant"):
        for key in ("customers", "treated", "cost", "profit"):
            assert sum(each[key] for each in record[name]) == pytest.approx(record[key])
    assert (record["evidence"], record["inputs"], record["models"][0]["version"]) == ("uplift", ["orders_90d"], "3")
    assert record["gap"] < 0.01
    assert record["one_more_unit"] > 0


def test_a_draw_without_predictions_knows_no_costs():
    campaign = checked_campaign(DRAWN)
    found = assign(campaign, USERS, SEGMENT, OFFERS, None, HOLDOUTS)
    record = assignment_record(campaign, found, OFFERS, None, HOLDOUTS, SEGMENT)
    assert len(found.rows) == MANY
    assert (record["cost"], record["evidence"], record["gap"]) == (None, None, None)
    with pytest.raises(BadInput, match="predictions"):
        assign(checked_campaign(PLANNED), USERS, SEGMENT, OFFERS, None, HOLDOUTS)


def test_a_draw_that_would_cost_too_much_leaves_some_out_whatever_their_arm():
    found = assign(checked_campaign(DRAWN), USERS, SEGMENT, OFFERS, predictions(), HOLDOUTS)
    assert 0.95 * 50_000 < found.spent() <= 50_000 * (1 + 1e-9)
    assert len(found.rows) < MANY
    assert abs((found.arm == 1).mean() - 0.19) < 0.06


def test_a_message_alone_costs_nothing():
    campaign = checked_campaign({**DRAWN, "offers": [], "budget": 0})
    found = assign(campaign, USERS, SEGMENT, [], None, HOLDOUTS)
    assert (len(found.rows), found.spent()) == (MANY, 0.0)


@pytest.mark.parametrize("assignment", ["random", "plan"])
def test_a_budget_below_the_smallest_discount_fits_nothing(assignment):
    with pytest.raises(BadInput) as refused:
        assign(checked_campaign({**PLANNED, "assignment": assignment, "budget": 199}), USERS, SEGMENT, OFFERS,
               predictions(), HOLDOUTS)  # fmt: skip
    assert (refused.value.code, refused.value.field) == ("budget_fits_nothing", "budget")


def test_offers_that_earn_nothing_are_refused():
    nothing = Predictions(np.full((MANY, 2), 0.5), np.zeros((MANY, 2)), np.ones(MANY), (), "prior")
    with pytest.raises(BadInput, match="none is expected to earn"):
        planned(predicted=nothing)


def test_models_that_read_what_may_not_decide_are_refused():
    with pytest.raises(NotAllowed, match="tenure"):
        planned(predicted=predictions(inputs=("tenure_days",)))


def test_a_plan_that_is_dearer_for_the_loyal_is_told_and_stopped_without_a_reason():
    tenure = np.arange(MANY, dtype=float)
    predicted = predictions()
    old = tenure > MANY / 2
    predicted.extra[old] = 0
    campaign, found = planned(predicted=predicted, budget=2_000_000)
    plain = np.full(MANY, "x")
    groups = {"tenure_days": tenure, "region": plain, "device": plain}
    report = assignment_parity(found, OFFERS, groups, basket=5_000, most=0.02)
    assert {each.dimension for each in report.over} == {"tenure"}
    with pytest.raises(NotAllowed):
        check_parity(report, campaign.justification)
    check_parity(report, "a published rule")
    assert assignment_parity(found, OFFERS, groups, basket=None, most=0.02) is None
    drawn = assign(checked_campaign(DRAWN), USERS, SEGMENT, OFFERS, predicted, HOLDOUTS)
    assert assignment_parity(drawn, OFFERS, groups, basket=5_000, most=0.02) is None
