"""Suggestions over HTTP, on a shop whose customers are known."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.storage.customer_clusters import learn
from engine.storage.customer_refresh import refresh_customers
from engine.storage.ledger import opened_ledger
from engine.storage.past_campaigns import PastCampaigns, record_past_campaigns
from tests.engine.storage.shoppers import NOW, Shoppers, order


@pytest.fixture
def shop(office):
    """Sixty who left, of whom forty may be written to and one complained; thirty who came lately and like milk."""
    shop = Shoppers(office.home)
    shop.sells(a={"categories": ["Food", "Milk"]}, plain={})
    left = [f"left{number}" for number in range(60)]
    here = [f"here{number}" for number in range(30)]
    shop.happened(*(order(user, 120, 10_000) for user in left), *(order(user, 3, 10_000) for user in here))
    shop.happened(*((user, "subscribe", 120, {}) for user in left[:40]), *((user, "subscribe", 3, {}) for user in here))
    shop.happened((left[0], "complaint_opened", 110, {"properties": {"complaint_id": "c"}}))
    office.runtime._real_time = lambda: NOW.timestamp()
    refresh_customers(office.home, now=NOW.timestamp(), zone="UTC")
    office.client.put(
        "/v1/offers/back",
        json={"name": "Back", "benefit": {"kind": "amount", "amount": 700}, "currency": "EUR"},
    ).raise_for_status()
    return office


def ask(office, **body):
    answer = office.post("/v1/campaigns/suggestions", **{"budget": 100_000, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()["proposals"]


def test_those_who_left_and_can_be_reached_are_proposed_with_a_draft(shop):
    found = {each["name"]: each for each in ask(shop, goal="win-back")}
    churned = found["activity.churned"]
    assert (churned["size"], churned["reachable"], churned["contacted"]) == (60, 39, 31)
    assert churned["cost"] <= 100_000
    assert churned["low"] <= churned["profit"] <= churned["high"]
    assert churned["campaign"]["audience"] == {"segment": "activity.churned"}
    assert len(churned["missing"]) >= 2
    assert "activity.dormant" not in found


def test_the_storefront_needs_no_consent_to_messages(shop):
    found = {each["name"]: each["reachable"] for each in ask(shop, goal="win-back", channel="storefront")}
    assert found["activity.churned"] == 59


def test_a_disabled_offer_is_not_proposed(shop):
    shop.client.post("/v1/offers/back/disable").raise_for_status()
    assert {each["offer_id"] for each in ask(shop, goal="win-back")} == {None}


def test_a_campaign_about_an_item_talks_to_those_who_like_its_kind(shop):
    found = ask(shop, goal="launch-item", item_id="a", limit=100)
    names = [each["name"] for each in found]
    assert "interest:Milk" in names
    assert all(each["kind"] in ("group", "item") for each in found)
    rule = found[names.index("interest:Milk")]["campaign"]["audience"]["rule"]
    assert shop.post("/v1/segments/preview", definition=rule).json()["size"] == 90


def test_what_past_campaigns_redeemed_takes_the_place_of_the_assumption(shop):
    def unknown():
        found = ask(shop, goal="win-back", margin=1.0)
        assert {each["offer_id"] for each in found} == {"back"}
        return any("how many redeem" in said for each in found for said in each["missing"])

    assert unknown()
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    past = PastCampaigns(
        campaigns=[("c", "TypeA", start, end)], members=[("c", f"left{number}") for number in range(50)],
        coupons=[("k", "c")], redemptions=[("left1", "k", "c", start)],
    )  # fmt: skip
    with opened_ledger(shop.runtime.settings.postgres_url, shop.runtime.settings.shop) as ledger:
        record_past_campaigns(ledger, past)
    assert not unknown()


def test_learned_clusters_are_proposed_within_those_whom_the_goal_is_about(office):
    shop = Shoppers(office.home)
    away = [f"away{number}" for number in range(80)]
    here = [f"here{number}" for number in range(80)]
    shop.happened(*(order(user, 150, 2_000) for user in away))
    shop.happened(*(order(user, ago, 20_000) for user in here for ago in (1, 20, 40, 60)))
    shop.happened(*((user, "subscribe", 1 if user in here else 150, {}) for user in [*away, *here]))
    office.runtime._real_time = lambda: NOW.timestamp()
    refresh_customers(office.home, now=NOW.timestamp(), zone="UTC")
    learn(office.home, NOW.timestamp())
    found = [each for each in ask(office, goal="win-back", limit=100) if each["kind"] == "cluster"]
    assert (80, 80) in [(each["size"], each["reachable"]) for each in found]
    for each in found:
        previewed = office.post("/v1/segments/preview", definition=each["campaign"]["audience"]["rule"]).json()
        assert previewed["size"] == each["size"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"goal": "more", "budget": 1}, "goal"),
        ({"goal": "clear-stock", "budget": 1}, "item_id"),
        ({"goal": "win-back"}, "budget"),
        ({"goal": "win-back", "budget": -1}, "budget"),
        ({"goal": "win-back", "budget": 1, "channel": "fax"}, "channel"),
        ({"goal": "win-back", "budget": 1, "margin": 2}, "margin"),
        ({"goal": "win-back", "budget": 1, "more": 2}, "more"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_its_field(shop, body, field):
    answer = shop.client.post("/v1/campaigns/suggestions", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


def test_an_item_that_nobody_knows_is_not_found(shop):
    answer = shop.client.post("/v1/campaigns/suggestions", json={"goal": "clear-stock", "budget": 1, "item_id": "'x"})
    assert (answer.status_code, answer.json()["field"]) == (404, "item_id")


def test_before_the_customers_are_known_it_is_said_what_to_do(office):
    answer = office.client.post("/v1/campaigns/suggestions", json={"goal": "win-back", "budget": 1})
    assert "hawker user refresh" in answer.json()["detail"]
