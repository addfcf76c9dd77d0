"""Terms that no shop can keep are refused by name, and nothing of them is stored."""

from __future__ import annotations

from tests.serving.marketing.test_offers import put

#: What is changed of a sound offer, and the field that is named, without places in lists.
REFUSED = [
    ({"benefit": {"kind": "amount", "amount": -1}}, "benefit.amount"),
    ({"benefit": {"kind": "amount", "amount": 0}}, "benefit.amount"),
    ({"benefit": {"kind": "amount", "amount": 2**63}}, "benefit.amount"),
    ({"benefit": {"kind": "amount", "amount": 10**400}}, "benefit.amount"),
    ({"benefit": {"kind": "amount", "amount": 1.5}}, "benefit.amount"),
    ({"benefit": {"kind": "amount", "amount": "1"}}, "benefit.amount"),
    ({"benefit": {"kind": "percent", "percent": 101}}, "benefit.percent"),
    ({"benefit": {"kind": "percent", "percent": -5}}, "benefit.percent"),
    ({"benefit": {"kind": "cashback"}}, "benefit.kind"),
    ({"largest_discount": -1}, "largest_discount"),
    ({"profit_floor": -1}, "profit_floor"),
    ({"currency": "EURO"}, "currency"),
    ({"currency": None}, "currency"),
    ({"minimum": {"amount": 2**70}}, "minimum.amount"),
    ({"minimum": {}}, "minimum"),
    ({"scope": 'colour = "red"'}, "scope"),
    ({"scope": "price <"}, "scope"),
    ({"scope": 'price = "cheap"'}, "scope"),
    ({"scope": {"field": "price", "op": "like", "value": 1}}, "scope"),
    ({"scope": "price > 5 and price < 3"}, "scope"),
    ({"valid": {"from": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}, "valid.until"),
    ({"valid": {"until": "2026-02-30T00:00:00Z"}}, "valid.until"),
    ({"valid": {"until": "2026-01-01T00:00:00"}}, "valid.until"),
    ({"valid": {"for": "P0D"}}, "valid.for"),
    ({"valid": {"hours": [["25:00", "26:00"]]}}, "valid.hours[0]"),
    ({"valid": {"weekdays": ["someday"]}}, "valid.weekdays[0]"),
    ({"budgets": [{"of": "offer", "amount": 129, "per": "total"}]}, "budgets"),
    ({"budgets": [{"of": "offer", "amount": -1, "per": "total"}]}, "budgets[0].amount"),
    ({"limits": [{"of": "offer", "count": 0, "per": "total"}]}, "limits[0].count"),
    ({"limits": [{"of": "campaign", "count": 1, "per": "total"}]}, "campaign_id"),
    ({"prize": 1}, "prize"),
]


def test_terms_that_no_shop_can_keep_are_refused_by_name(office):
    for change, field in REFUSED:
        answer = put(office, **change)
        assert (answer.status_code, answer.json()["field"]) == (422, field), (change, answer.text)
    assert office.get("/v1/offers/summer").status_code == 404


def test_what_is_counted_together_is_in_one_currency(office):
    budget = [{"of": "campaign", "amount": 1_000, "per": "total"}]
    assert put(office, "one", campaign_id="c", budgets=budget).status_code == 200
    for other in (
        put(office, "two", campaign_id="c", currency="USD"),
        put(office, "one", campaign_id="c", currency="USD"),
    ):
        assert (other.status_code, other.json()["field"]) == (422, "currency")
    assert put(office, "two", campaign_id="d", currency="USD").status_code == 200
    assert office.get("/v1/offers/one").json()["version"] == 1
