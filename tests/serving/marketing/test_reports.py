"""Reports over HTTP: as JSON in either kind of interval, and as a page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.storage.ledger import opened_ledger
from engine.storage.offer_documents import put_offer
from serving.marketing.reports import ReportAnswer
from tests.engine.storage.campaigns import launched, redeemed
from tests.engine.storage.shoppers import NOW, Shoppers, order

LAUNCH = NOW - timedelta(days=40)


@pytest.fixture
def shop(office):
    """A hundred treated and a hundred held out; sixty of the treated buy, and thirty of the others."""
    shop = Shoppers(office.home)
    shop.sells(a={"cost": 2_000})
    treated, held = [f"t{number}" for number in range(100)], [f"h{number}" for number in range(100)]
    shop.happened(*(order(user, 30, 9_000) for user in [*treated[:60], *held[:30]]))
    shop.refreshed()
    office.runtime._real_time = lambda: NOW.timestamp()
    settings = office.runtime.settings
    with opened_ledger(settings.postgres_url, settings.shop) as ledger:
        terms = {"offer_id": "ten", "name": "Ten", "benefit": {"kind": "amount", "amount": 1000}, "currency": "EUR"}
        put_offer(ledger, terms, actor=None, now=LAUNCH.timestamp(), zone="UTC")
        members = [*((user, "treatment", {}) for user in treated), *((user, "holdout", {}) for user in held)]
        launched(ledger, members, at=LAUNCH)
        launched(ledger, [], at=LAUNCH, campaign_id="draft", state="draft")
        for number in range(40):
            redeemed(ledger, f"c{number}", f"t{number}", LAUNCH + timedelta(days=10), 1000)
        yield office


def test_a_report_tells_what_the_campaign_earned_against_those_held_out(shop):
    answer = shop.get("/v1/campaigns/spring/report")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert ReportAnswer.model_validate(found, extra="forbid").members["treatment"] == 100
    assert found["totals"]["treatment"]["margin"] == 60 * 7_000
    effects = {each["measure"]: each["total"] for each in found["effects"]}
    assert effects["orders"]["value"] == pytest.approx(30)
    assert effects["orders"]["low"] < 30 < effects["orders"]["high"]
    assert found["roi"]["value"] == pytest.approx(30 * 7_000 / 40_000)
    assert any("fewer than 1,000" in said for said in found["sentences"])


def test_sequential_intervals_are_wider_and_sentences_come_in_chinese(shop):
    fixed = shop.get("/v1/campaigns/spring/report").json()
    always = shop.get("/v1/campaigns/spring/report", sequential="true", language="zh").json()
    assert always["intervals"] == "sequential"
    for one, other in zip(fixed["effects"], always["effects"], strict=True):
        assert other["total"]["low"] < one["total"]["low"]
    assert any("订单" in said for said in always["sentences"])


def test_the_page_is_html(shop):
    answer = shop.get("/v1/campaigns/spring/report", format="html", language="zh")
    assert answer.headers["content-type"].startswith("text/html")
    assert '<html lang="zh">' in answer.text


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("none/report", 404, "campaign_id"),
        ("draft/report?language=fr", 422, "language"),
        ("draft/report?sequential=perhaps", 422, "sequential"),
    ],
)
def test_what_cannot_be_reported_is_refused_by_name(shop, path, status, field):
    answer = shop.client.get(f"/v1/campaigns/{path}")
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


def test_a_campaign_that_was_not_launched_has_no_report(shop):
    settings = shop.runtime.settings
    with opened_ledger(settings.postgres_url, settings.shop) as ledger, ledger.begin() as connection:
        connection.exec_driver_sql("UPDATE campaigns SET launched_at = NULL WHERE campaign_id = 'draft'")
    answer = shop.get("/v1/campaigns/draft/report")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_launched")
