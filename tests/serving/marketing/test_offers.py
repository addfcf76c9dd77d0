"""Offers over HTTP, for marketers."""

from __future__ import annotations

import pytest

from tests.serving.test_coupons import ONCE

OFFER = {"name": "Summer", "benefit": {"kind": "amount", "amount": 130}, "currency": "EUR", "limits": ONCE}


def put(office, offer_id="summer", **more):
    return office.client.put(f"/v1/offers/{offer_id}", json={**OFFER, **more})


def test_an_offer_is_made_changed_listed_and_ended(office):
    assert put(office).json()["version"] == 1
    assert put(office).json()["version"] == 1
    assert put(office, limits=[]).json()["version"] == 2
    put(office, "winter")
    first = office.get("/v1/offers", limit=1).json()
    assert [each["offer_id"] for each in first["offers"]] == ["summer"]
    rest = office.get("/v1/offers", limit=1, cursor=first["next"]).json()
    assert ([each["offer_id"] for each in rest["offers"]], rest["next"]) == (["winter"], None)
    assert [each["version"] for each in office.get("/v1/offers/summer/versions").json()["versions"]] == [2, 1]
    assert office.client.post("/v1/offers/summer/disable").json()["state"] == "disabled"
    refused = office.client.post("/v1/offers/summer/publications", json={"user_id": "u"})
    assert (refused.status_code, refused.json()["code"]) == (409, "offer_disabled")
    assert office.get("/v1/offers/never").status_code == 404


def test_an_issued_coupon_keeps_the_wording_of_its_version_in_both_languages(office):
    put(office)
    path = "/v1/offers/summer/publications"
    first = office.client.post(path, json={"user_id": "u"}).json()
    put(office, benefit={"kind": "amount", "amount": 250})
    second = office.client.post(path, json={"user_id": "v"}).json()
    again = office.client.post(path, json={"user_id": "u"}).json()
    told = [each["wording"]["conditions"] for each in (first, second, again)]
    assert told[0] == told[2] == {"en": "1.30 EUR off.", "zh": "减1.30 EUR。"}
    assert told[1]["en"] == "2.50 EUR off."
    assert office.get("/v1/offers/summer").json()["wording"]["conditions"] == told[1]


def test_codes_are_made_once_a_key_imported_and_given_out(office):
    put(office)
    content, key = {"count": 5, "pattern": "SUN-############"}, {"Idempotency-Key": "k"}
    for replayed in (None, "true"):
        made = office.client.post("/v1/offers/summer/codes", json=content, headers=key)
        assert (made.status_code, made.json()["made"], made.headers.get("Idempotent-Replayed")) == (201, 5, replayed)
    path = "/v1/offers/summer/codes/import"
    assert office.client.post(path, json={"codes": ["A", "B"]}).json() == {"offer_id": "summer", "new": 2, "known": 0}
    given = [
        office.client.post("/v1/offers/summer/publications", json={"user_id": "u", "source_id": "mail"}).json()
        for _ in range(2)
    ]
    assert given[0]["code"] == given[1]["code"]
    assert [each["fresh"] for each in given] == [True, False]
    assert office.get("/v1/offers/summer/stats").json() | {"orders": 0} == {
        "offer_id": "summer", "codes": 7, "issued": 1, "orders": 0, "customers": 0, "rolled_back": 0, "discount": 0,
        "returned": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "content", "field"),
    [
        ("codes", {"count": 0}, "count"),
        ("codes", {"count": 1, "pattern": "SUN-###"}, "pattern"),
        ("codes/import", {"codes": [" "]}, "code"),
        ("publications", {}, "user_id"),
    ],
)
def test_what_cannot_be_issued_is_refused_by_name(office, path, content, field):
    put(office)
    answer = office.client.post(f"/v1/offers/summer/{path}", json=content, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
