"""Allocation: within every limit, never at a loss, and as good as the exact optimum allows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.targeting.allocation import Limits, allocate
from engine.targeting.allocation_segments import allocate_per_segment
from experiments.allocation_bench import drawn, small_instance
from experiments.exact_allocation import exact_value


def cells(found):
    return [(row, column) for row, line in enumerate(found.choice) for column in line if column >= 0]


def assert_kept(found, value, cost, limits):
    value, cost = np.asarray(value), np.asarray(cost)
    chosen = cells(found)
    assert math.fsum(float(cost[each]) for each in chosen) <= limits.budget
    assert all(value[each] > 0 for each in chosen)
    assert len(set(chosen)) == len(chosen)
    assert found.value == pytest.approx(math.fsum(float(value[each]) for each in chosen))
    assert found.cost == pytest.approx(math.fsum(float(cost[each]) for each in chosen))
    assert found.value <= found.bound * (1 + 1e-12)
    if limits.stock is not None:
        assert (np.bincount([column for _, column in chosen], minlength=value.shape[1]) <= limits.stock).all()
    if limits.segment is not None:
        segment = np.asarray(limits.segment)
        able = ((value > 0) & (cost <= limits.budget)).any(axis=1)
        for each in np.unique(segment):
            wanted = math.ceil(round((segment == each).sum() * limits.least_share, 9))
            assert found.treated[segment == each].sum() >= min(wanted, able[segment == each].sum())


whole = st.integers(-20, 40).map(float)


@st.composite
def instances(draw):
    customers, offers = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    lists = st.lists(whole, min_size=customers * offers, max_size=customers * offers)
    value = np.array(draw(lists)).reshape(customers, offers)
    cost = np.abs(np.array(draw(lists))).reshape(customers, offers)
    limits = Limits(
        budget=float(draw(st.integers(0, 150))),
        stock=draw(st.none() | st.lists(st.integers(0, 5), min_size=offers, max_size=offers)),
        per_customer=draw(st.integers(1, offers)),
        segment=draw(st.none() | st.lists(st.integers(0, 2), min_size=customers, max_size=customers)),
        least_share=draw(st.sampled_from([0.0, 0.2, 0.5])),
    )
    return value, cost, limits


@settings(max_examples=150, deadline=None)
@given(instances())
def test_every_limit_is_kept_and_the_optimum_lies_between_value_and_bound(instance):
    value, cost, limits = instance
    optimum = exact_value(value, cost, limits)
    try:
        found = allocate(value, cost, limits)
    except BadInput as refused:
        assert refused.field == "least_share"
        # With stocks the floors are looked for greedily; without, a refusal is a proof.
        assert limits.stock is not None or math.isnan(optimum)
        return
    assert_kept(found, value, cost, limits)
    assert found.value <= optimum + 1e-6
    assert optimum <= found.bound + 1e-6


@pytest.mark.parametrize("number", range(0, 80, 10))
def test_from_500_customers_up_the_value_is_at_least_99_percent_of_the_optimum(number):
    value, cost, limits = small_instance(number, np.random.default_rng(number))
    found = allocate(value, cost, limits)
    assert_kept(found, value, cost, limits)
    assert found.value >= 0.99 * exact_value(value, cost, limits)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_customers_come_within_a_hundredth_of_a_percent_of_the_bound(dtype):
    value, cost = (each.astype(dtype) for each in drawn(60_000, 6, np.random.default_rng(3)))
    limits = Limits(60_000 * 15.0)
    found = allocate(value, cost, limits)
    assert_kept(found, value, cost, limits)
    assert found.gap <= 1e-4


def test_many_customers_with_stocks_and_floors_come_near_the_bound():
    draw = np.random.default_rng(4)
    value, cost = drawn(60_000, 6, draw)
    limits = Limits(
        60_000 * 15.0, stock=[np.inf, 500, np.inf, 500, 900, np.inf], segment=draw.integers(0, 4, 60_000),
        least_share=0.2,
    )  # fmt: skip
    found = allocate(value, cost, limits)
    assert_kept(found, value, cost, limits)
    assert found.gap <= 1e-3


def test_the_price_of_money_is_what_one_more_unit_earns():
    value, cost = (each.astype(float) for each in drawn(20_000, 5, np.random.default_rng(5)))
    less, more = (allocate(value, cost, Limits(budget)) for budget in (200_000.0, 202_000.0))
    assert (more.value - less.value) / 2_000 == pytest.approx(less.budget_price, rel=0.05)


def test_money_that_is_not_scarce_has_no_price_and_everybody_gets_the_best():
    value, cost = drawn(500, 4, np.random.default_rng(6))
    found = allocate(value, cost, Limits(1e9))
    assert (found.budget_price, found.gap) == (0.0, 0.0)
    assert found.value == pytest.approx(float(np.maximum(value.max(axis=1), 0).sum(dtype=float)))


def test_without_budget_only_what_costs_nothing_is_given():
    found = allocate([[5.0, 9.0], [4.0, 3.0]], [[0.0, 1.0], [2.0, 2.0]], Limits(0))
    assert found.choice.tolist() == [[0], [-1]]
    assert (found.value, found.cost, found.bound) == (5.0, 0.0, 5.0)


def test_nobody_is_treated_at_a_loss_not_even_for_a_floor():
    found = allocate([[-1.0], [0.0], [2.0]], [[1.0], [0.0], [1.0]], Limits(9, segment=[0, 0, 0], least_share=1.0))
    assert found.choice.tolist() == [[-1], [-1], [0]]


def test_one_customer_and_one_offer_are_enough():
    assert allocate([[3.0]], [[2.0]], Limits(2)).choice.tolist() == [[0]]
    assert allocate([[3.0]], [[2.0]], Limits(1.99)).choice.tolist() == [[-1]]


def test_nobody_at_all_is_nobody_treated():
    found = allocate(np.zeros((0, 3)), np.zeros((0, 3)), Limits(5))
    assert (found.value, found.bound, found.gap, len(found.choice)) == (0.0, 0.0, 0.0, 0)


@pytest.mark.parametrize("customers", [10, 60_000])
def test_customers_who_are_all_alike_use_the_whole_budget(customers):
    value, cost = np.full((customers, 2), 6.0), np.full((customers, 2), 3.0)
    found = allocate(value, cost, Limits(3.0 * (customers // 2) + 1))
    assert found.treated.sum() == customers // 2
    assert found.budget_price == pytest.approx(2.0, rel=1e-5)


def test_several_offers_of_a_customer_add_up():
    found = allocate([[5.0, 4.0, 3.0]], [[1.0, 1.0, 1.0]], Limits(10, per_customer=2))
    assert found.choice.tolist() == [[0, 1]]
    assert found.value == 9.0


def test_a_floor_brings_in_a_segment_that_the_profit_alone_would_leave_out():
    value = np.r_[np.full((50, 1), 100.0), np.full((50, 1), 1.0)]
    cost = np.full((100, 1), 10.0)
    segment = np.repeat([0, 1], 50)
    without = allocate(value, cost, Limits(300, segment=segment))
    held = allocate(value, cost, Limits(300, segment=segment, least_share=0.1))
    assert without.treated[50:].sum() == 0
    assert held.treated[50:].sum() == 5
    assert held.treated.sum() == 30
    assert held.floor_prices[1] == pytest.approx(99, rel=0.02)


def test_floors_that_the_budget_cannot_pay_are_refused_with_what_they_cost():
    with pytest.raises(BadInput, match="floors alone cost 500") as caught:
        allocate(np.ones((100, 1)), np.full((100, 1), 10.0), Limits(300, segment=np.zeros(100, int), least_share=0.5))
    assert caught.value.field == "least_share"


@pytest.mark.parametrize(
    ("field", "value", "cost", "limits"),
    [
        ("value", [[math.nan]], [[1.0]], Limits(1)),
        ("value", [[math.inf]], [[1.0]], Limits(1)),
        ("value", [1.0], [[1.0]], Limits(1)),
        ("value", np.zeros((3, 0)), np.zeros((3, 0)), Limits(1)),
        ("cost", [[1.0]], [[math.nan]], Limits(1)),
        ("cost", [[1.0]], [[-1.0]], Limits(1)),
        ("cost", [[1.0]], [[1.0, 2.0]], Limits(1)),
        ("budget", [[1.0]], [[1.0]], Limits(-1)),
        ("budget", [[1.0]], [[1.0]], Limits(math.nan)),
        ("budget", [[1.0]], [[1.0]], Limits(math.inf)),
        ("stock", [[1.0]], [[1.0]], Limits(1, stock=[-1])),
        ("stock", [[1.0]], [[1.0]], Limits(1, stock=[math.nan])),
        ("stock", [[1.0]], [[1.0]], Limits(1, stock=[1, 2])),
        ("per_customer", [[1.0]], [[1.0]], Limits(1, per_customer=2)),
        ("segment", [[1.0]], [[1.0]], Limits(1, segment=[-1])),
        ("segment", [[1.0]], [[1.0]], Limits(1, segment=[0, 1])),
        ("least_share", [[1.0]], [[1.0]], Limits(1, least_share=1.1)),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(field, value, cost, limits):
    with pytest.raises(BadInput) as caught:
        allocate(value, cost, limits)
    assert caught.value.field == field


def test_one_offer_a_segment_keeps_the_limits_and_has_a_price():
    draw = np.random.default_rng(7)
    value, cost = drawn(5_000, 4, draw)
    segment = draw.integers(0, 3, 5_000)
    limits = Limits(40_000.0, segment=segment)
    free = allocate(value, cost, limits)
    simple = allocate_per_segment(value, cost, limits, free=free)
    assert_kept(simple.allocation, value, cost, limits)
    for number in range(3):
        given = simple.allocation.choice[segment == number, 0]
        assert set(given.tolist()) <= {-1, simple.offers[number]}
    assert simple.price == pytest.approx(free.value - simple.allocation.value)
    assert 0 < simple.price < free.value


def test_one_offer_a_segment_costs_nothing_where_a_segment_is_of_one_mind():
    value = np.r_[np.tile([9.0, 1.0], (40, 1)), np.tile([1.0, 9.0], (40, 1))]
    limits = Limits(60.0, segment=np.repeat([0, 1], 40))
    free = allocate(value, np.ones((80, 2)), limits)
    simple = allocate_per_segment(value, np.ones((80, 2)), limits, free=free)
    assert simple.offers.tolist() == [0, 1]
    assert simple.price == 0
