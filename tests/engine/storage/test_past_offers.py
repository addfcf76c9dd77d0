"""Campaigns of the past as offers and redemptions of today's tables."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.storage.coupon_ledger import read_facts
from engine.storage.offer_ledger import find_offer, offer_stats
from engine.storage.past_campaigns import PastCampaigns, record_past_campaigns
from engine.storage.past_offers import adopt_past_offers

MARCH, APRIL = datetime(2017, 3, 1, tzinfo=UTC), datetime(2017, 4, 1, tzinfo=UTC)
PAST = PastCampaigns(
    campaigns=[("18", "Type A", MARCH, APRIL), ("19", "Type B", MARCH, APRIL)],
    coupons=[("100", "18"), ("100", "19"), ("101", "18")],
    coupon_items=[("100", "18", "milk"), ("100", "18", "bread")],
    redemptions=[("u1", "100", "18", MARCH), ("u2", "100", "18", MARCH), ("u1", "100", "18", APRIL)],
)


def test_past_coupons_are_offers_with_their_redemptions_and_nothing_can_be_redeemed_from_them(ledger):
    record_past_campaigns(ledger, PAST)
    found = adopt_past_offers(ledger, currency="USD")
    assert found == {"offers": 3, "versions": 3, "coupons": 3, "orders": 3, "redemptions": 3}
    assert set(adopt_past_offers(ledger, currency="USD").values()) == {0}
    offer = find_offer(ledger, "past 18 100")
    assert (offer.state, offer.campaign_id, offer.terms["items"]) == ("disabled", "past 18", ["bread", "milk"])
    stats = offer_stats(ledger, "past 18 100")
    assert (stats.orders, stats.customers, stats.discount) == (3, 2, 0)
    assert read_facts(ledger, ["past 18 100"], offset=0.0).coupons["past 18 100"].disabled
