"""Customers over HTTP: the view of one, the groups and their sizes, moves between them."""

from datetime import timedelta

import pytest

from engine.storage.customer_refresh import refresh_customers
from engine.storage.live_segments import group_rules
from engine.targeting.traits import TRAITS
from engine.thresholds import read_thresholds
from tests.engine.storage.shoppers import NOW, Shoppers, order


@pytest.fixture
def customers(office):
    """A shop in which somebody orders often, somebody once long ago, and somebody only looks."""
    shop = Shoppers(office.home)
    shop.sells(a={"categories": ["Milk"]})
    shop.knows(often={"region": "湖北"}, once={"region": "north"})
    shop.happened(*(order("often", ago, 500) for ago in range(0, 300, 20)))
    shop.happened(order("once", 200, 100), ("looks", "view", 1, {"item_id": "a"}))
    office.runtime._real_time = lambda: NOW.timestamp()
    refreshed(office)
    return office


def refreshed(office):
    now = NOW.timestamp()
    rules = group_rules(read_thresholds(""))
    return refresh_customers(office.home, now=now, zone="UTC", rules=rules)


def test_the_view_shows_traits_segments_and_events(customers):
    found = customers.get("/v1/users/often/view").json()
    assert found["traits"]["orders"]["orders_365d"] == 15
    assert "frequency.high" in [each["segment"] for each in found["segments"]]
    assert found["segments"][0]["name"]["zh"]
    assert found["events"][0]["type"] == "purchase"


def test_nobody_known_is_not_found_and_odd_ids_are_no_errors(customers):
    assert customers.get("/v1/users/nobody/view").status_code == 404
    assert customers.get("/v1/users/%27%3B--/view").status_code == 404


def test_before_the_first_refresh_it_is_said_what_to_do(office):
    answer = office.get("/v1/users/often/view")
    assert answer.status_code == 422 or answer.status_code == 409
    assert "hawker user refresh" in answer.json()["detail"]
    assert office.get("/v1/groups").status_code == answer.status_code


def test_the_groups_come_with_sizes_actions_and_thresholds(customers):
    found = customers.get("/v1/groups").json()
    sizes = {each["id"]: each["size"] for each in found["groups"]}
    assert (found["customers"], sizes["frequency.high"], sizes["frequency.low"]) == (3, 1, 1)
    assert (sizes["activity.active"], sizes["activity.churned"], sizes["lifecycle.lapsed"]) == (2, 1, 1)
    assert {"value": "湖北", "size": 1} in found["regions"]
    assert {"value": "Milk", "size": 3} in found["interests"]
    assert found["thresholds"][0]["name"] == "high_orders"
    assert all(each["actions"] or each["id"] == "feedback.none" for each in found["groups"])


def test_every_trait_is_told_with_its_formula(customers):
    found = customers.get("/v1/traits").json()["traits"]
    assert [each["name"] for each in found] == [each.name for each in TRAITS]
    assert all(each["formula"] and each["meaning"] for each in found)


def test_moves_between_two_moments_are_counted(customers):
    since = (NOW - timedelta(days=150)).isoformat()
    found = customers.get("/v1/groups/moves", dimension="lifecycle", since=since).json()
    moves = {(each["from"], each["to"]): each["customers"] for each in found["moves"]}
    assert moves == {
        ("lifecycle.retained", "lifecycle.retained"): 1,
        ("lifecycle.converted", "lifecycle.lapsed"): 1,
        (None, "lifecycle.acquired"): 1,
    }
    assert customers.get("/v1/users/often/view").status_code == 200  # the newest state is as it was


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"dimension": "shoes", "since": "2026-01-01T00:00:00Z"}, "dimension"),
        ({"dimension": "rfm", "since": "2026-01-01T00:00:00"}, "since"),
        ({"dimension": "rfm", "since": "2099-01-01T00:00:00Z"}, "since"),
        ({"dimension": "rfm", "since": "soon"}, "since"),
        ({"dimension": "rfm"}, "since"),
    ],
)
def test_moves_that_cannot_be_told_are_refused_by_field(customers, asked, field):
    answer = customers.get("/v1/groups/moves", **asked)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
