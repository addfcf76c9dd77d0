"""Plans: what an offer costs and earns, what may decide about it, and a record that says all of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadInput, NotAllowed
from engine.targeting.fairness import FORBIDDEN_INPUTS, REASON_CLASSES, check_inputs
from engine.targeting.plans import Model, PlanLimits, PlannedOffer, Predictions, make_plan, matrices, rising

INPUTS = ("days_since_order", "orders_90d", "views_90d", "tier", "interests")
OFFERS = (PlannedOffer("small", 200, "recency"), PlannedOffer("large", 800, "recency", pieces=300))


def predictions(customers=1_000, inputs=INPUTS, **changed):
    draw = np.random.default_rng(1)
    sure, moved = draw.beta(1, 9, customers), draw.beta(1, 9, customers)
    extra = moved[:, None] * np.array([0.4, 0.9])
    told = {
        "redeem": np.minimum(sure[:, None] + extra, 1.0),
        "extra": extra,
        "margin": draw.uniform(1_000, 6_000, customers),
        "models": (Model("uplift", "7", inputs),),
        "evidence": "uplift",
    }
    return Predictions(**{**told, **changed})


def test_a_sure_buyer_costs_much_and_earns_nothing():
    redeem, extra = np.array([[0.9], [0.3]]), np.array([[0.0], [0.25]])
    value, cost = matrices(redeem, extra, [2_000, 2_000], [500])
    assert cost.tolist() == [[450.0], [150.0]]
    assert value.tolist() == [[-450.0], [350.0]]
    plan = make_plan(
        Predictions(redeem, extra, np.array([2_000.0, 2_000.0]), (), "uplift"),
        [PlannedOffer("one", 500, "recency")],
        PlanLimits(10_000),
    )
    assert plan.choice.tolist() == [[-1], [0]]


def test_a_plan_says_what_it_rests_on_and_adds_up():
    segments = ["north" if number % 3 else "south" for number in range(1_000)]
    made = make_plan(predictions(), OFFERS, PlanLimits(20_000, segment=segments, least_share=0.1))
    plan = made.plan
    assert plan.inputs == tuple(sorted(INPUTS))
    assert plan.models == (Model("uplift", "7", INPUTS),)
    assert plan.cost <= plan.budget
    assert plan.profit <= plan.bound
    assert plan.one_more_unit > 0
    for parts in (plan.by_segment, plan.by_offer):
        assert sum(each.cost for each in parts) == pytest.approx(plan.cost)
        assert sum(each.profit for each in parts) == pytest.approx(plan.profit)
        assert sum(each.treated for each in parts) == plan.treated
    assert [(each.name, each.customers) for each in plan.by_segment] == [("north", 666), ("south", 334)]
    assert all(each.treated >= each.customers / 10 for each in plan.by_segment)
    assert plan.by_offer[1].treated <= 300
    assert (made.cost.sum(), made.profit.sum()) == (pytest.approx(plan.cost), pytest.approx(plan.profit))
    assert json.loads(json.dumps(plan.as_json()))["evidence_says"].startswith("Learned from past campaigns")


def test_no_input_of_a_plan_is_forbidden():
    plan = make_plan(predictions(), OFFERS, PlanLimits(20_000)).plan
    check_inputs(plan.inputs)
    parts = {part for name in plan.inputs for part in name.split("_")}
    assert not parts & {"device", "tenure", "wtp", "browser"}


@pytest.mark.parametrize("name", [*FORBIDDEN_INPUTS, "tenure_days", "Device.type", "user-agent", "first_seen_at",
                                  "log(discount_share_365d)"])  # fmt: skip
def test_a_plan_that_reads_a_forbidden_input_is_refused_by_its_name(name):
    with pytest.raises(NotAllowed) as caught:
        make_plan(predictions(inputs=("orders_90d", name)), OFFERS, PlanLimits(20_000))
    assert (caught.value.code, caught.value.field) == ("forbidden_input", name)


@pytest.mark.parametrize("name", ["days_since_order", "cost", "position", "close", "orders_90d", "tier"])
def test_names_that_only_hold_the_letters_of_a_forbidden_one_are_taken(name):
    check_inputs([name])


@pytest.mark.parametrize("given", [None, "", "because"])
def test_a_discount_without_a_reason_class_is_refused(given):
    with pytest.raises(BadInput) as caught:
        make_plan(predictions(), [PlannedOffer("a", 1, given), OFFERS[1]], PlanLimits(1))
    assert caught.value.field == "reason_class"
    assert all(each in caught.value.message for each in REASON_CLASSES)


def test_one_offer_a_segment_says_what_its_simplicity_costs():
    segments = ["a", "b"] * 500
    limits = PlanLimits(20_000, segment=segments)
    free = make_plan(predictions(), OFFERS, limits).plan
    simple = make_plan(predictions(), OFFERS, limits, mode="per-segment")
    assert free.price_of_simplicity is None
    assert simple.plan.price_of_simplicity == pytest.approx(free.profit - simple.plan.profit)
    for name in "ab":
        assert len({int(each) for each in simple.choice[np.array(segments) == name, 0]} - {-1}) <= 1


rates = st.lists(st.floats(0, 1), min_size=3, max_size=3)


@given(st.lists(rates, min_size=1, max_size=5))
def test_a_rising_response_never_falls_and_leaves_alone_what_rises(lines):
    given_rates, depths = np.array(lines), [300, 100, 200]
    found = rising(given_rates, depths)
    ordered = found[:, [1, 2, 0]]
    assert (np.diff(ordered, axis=1) >= -1e-12).all()
    assert found.sum(axis=1) == pytest.approx(given_rates.sum(axis=1))
    assert rising(found, depths) == pytest.approx(found)


def test_the_nearest_rising_response_pools_what_falls():
    assert rising(np.array([[0.1, 0.5, 0.3]]), [1, 2, 3])[0] == pytest.approx([0.1, 0.4, 0.4])
    with pytest.raises(BadInput, match="same discount"):
        rising(np.array([[0.1, 0.5]]), [2, 2])


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("redeem", {"redeem": np.full((1_000, 2), 1.1)}),
        ("redeem", {"redeem": np.full((1_000, 2), np.nan)}),
        ("redeem", {"redeem": np.zeros((1_000, 3))}),
        ("extra", {"extra": np.full((1_000, 2), -1.1)}),
        ("evidence", {"evidence": "hope"}),
    ],
)
def test_predictions_that_cannot_be_are_refused(field, changed):
    with pytest.raises(BadInput) as caught:
        make_plan(predictions(**changed), OFFERS, PlanLimits(1))
    assert caught.value.field == field
