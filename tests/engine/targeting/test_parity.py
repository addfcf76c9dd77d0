"""Parity: a campaign that makes the same basket dearer for some is seen before it starts."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadInput, NotAllowed
from engine.targeting.parity import check_parity, net_prices, parity_report, tenure_deciles

CUSTOMERS = 4_000


def report(chance_of_long, chance_of_short, reason_class="recency", most=0.02):
    draw = np.random.default_rng(2)
    days = draw.uniform(0, 2_000, CUSTOMERS)
    chance = np.where(days > 1_000, chance_of_long, chance_of_short)
    choice = np.where(draw.random(CUSTOMERS) < chance, 0, -1)[:, None]
    net = net_prices(choice, [1_000], [reason_class], 10_000)
    groups = {"tenure": tenure_deciles(days), "region": draw.choice(["north", "south"], CUSTOMERS)}
    return parity_report(net, groups, basket=10_000, most=most)


def test_loyal_customers_who_get_fewer_discounts_stop_the_launch():
    found = report(0.1, 0.9)
    assert {each.dimension for each in found.over} == {"tenure"}
    assert {each.group for each in found.over} == {f"tenth {number:02}" for number in range(6, 11)}
    with pytest.raises(NotAllowed, match="write the reason") as caught:
        check_parity(found, None)
    assert (caught.value.code, caught.value.field) == ("parity", "parity_reason")
    with pytest.raises(NotAllowed):
        check_parity(found, "  ")
    check_parity(found, "A published win-back of 30 days; approved by the shop's counsel.")


def test_chance_alone_stops_nothing():
    found = report(0.5, 0.5)
    assert len(found.groups) == 12
    assert found.over == ()
    check_parity(found, None)


def test_discounts_by_published_rules_and_by_chance_do_not_count():
    for each in ("new_customer", "tier", "random"):
        assert report(0.1, 0.9, reason_class=each).over == ()
    assert report(0.1, 0.9, reason_class="win_back").over


def test_the_interval_holds_the_difference_in_19_of_20_draws():
    held = 0
    for seed in range(400):
        draw = np.random.default_rng(seed)
        labels = draw.choice(["a", "b"], 600)
        net = np.where(draw.random(600) < np.where(labels == "a", 0.3, 0.5), 90.0, 100.0)
        (one, _) = parity_report(net, {"region": labels}, basket=100, most=0.02).groups
        held += one.low <= 0.02 <= one.high
    assert 0.92 <= held / 400 <= 0.98


def test_groups_too_small_to_tell_are_left_out():
    labels = np.array(["few"] * 5 + ["many"] * 100)
    assert parity_report(np.ones(105), {"region": labels}, basket=1, most=0.1).groups == ()


def test_a_discount_larger_than_the_basket_makes_it_free_not_cheaper():
    assert net_prices(np.array([[0], [-1]]), [500], ["interest"], 300).tolist() == [0.0, 300.0]


def test_customers_whose_tenure_is_unknown_are_a_group_of_their_own():
    found = tenure_deciles([np.nan, *range(100)])
    assert found[0] == "unknown"
    assert len(set(found)) == 11
    assert set(tenure_deciles([np.nan, np.nan])) == {"unknown"}


def test_a_basket_without_a_price_and_lists_of_another_length_are_refused():
    with pytest.raises(BadInput) as caught:
        parity_report(np.ones(30), {}, basket=0, most=0.1)
    assert caught.value.field == "basket"
    with pytest.raises(BadInput) as caught:
        parity_report(np.ones(30), {"device": ["phone"]}, basket=1, most=0.1)
    assert caught.value.field == "device"
