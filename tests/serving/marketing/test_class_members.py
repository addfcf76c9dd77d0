"""Classes as memberships: by hand before rules, rules by their places, named by other rules, ended when they go."""

import json
from datetime import timedelta

import pytest

from engine.storage.customer_refresh import refresh_customers
from engine.storage.live_segments import live_rules
from engine.storage.online import connect_live
from engine.storage.past_campaigns import PastCampaigns, record_past_campaigns
from engine.storage.past_offers import adopt_past_offers
from tests.engine.storage import campaigns
from tests.engine.storage.shoppers import NOW, Shoppers, order

GOLD, SILVER, REST = "class:tier:gold", "class:tier:silver", "class:tier:rest"


@pytest.fixture
def shop(office, stores):
    """Users u0 to u9, of whom the n-th ordered n times; gold is from 7 orders on, silver from 4, rest by hand."""
    office.shop = Shoppers(office.home)
    office.shop.happened(*(order(f"u{n}", 10 + at, 100) for n in range(10) for at in range(n)))
    office.shop.happened(("u0", "view", 1, {"item_id": "a"}))
    office.runtime._real_time = lambda: NOW.timestamp()
    with connect_live(stores.live_url) as client:
        for number in range(10):
            client.set(f"default:user:u{number}", json.dumps({"user_id": f"u{number}"}))
    office.post("/v1/classes", names="Tier")
    put_class(office, "gold", "orders_365d >= 7")
    put_class(office, "silver", "orders_365d >= 4")
    put_class(office, "rest", None)
    return office


def put_class(office, name, text, **more):
    body = {"names": name, "text": text, **more}
    return office.client.put(f"/v1/classes/tier/classes/{name}", json=body)


def assign(office, class_id, *users):
    return office.post("/v1/classes/tier/assignments", class_id=class_id, user_ids=list(users))


def refreshed(office, *, days_later=0.0):
    now = (NOW + timedelta(days=days_later)).timestamp()
    office.runtime._real_time = lambda: now
    with office.runtime.doors.ledger._opened().connect() as connection:
        rules = live_rules(office.runtime.settings, connection).rules
    return refresh_customers(office.home, now=now, zone="UTC", rules=rules)


def members(office, segment):
    return [each["user_id"] for each in office.get(f"/v1/segments/{segment}/members").json()["members"]]


def test_a_user_is_in_the_first_class_whose_rule_fits_unless_somebody_put_them_elsewhere(shop):
    assign(shop, "rest", "u9", "u1")
    refreshed(shop)
    assert [members(shop, each) for each in (GOLD, SILVER, REST)] == [["u7", "u8"], ["u4", "u5", "u6"], ["u1", "u9"]]
    put_class(shop, "silver", "orders_365d >= 4", place=0)
    refreshed(shop, days_later=0.1)
    assert [members(shop, each) for each in (GOLD, SILVER, REST)] == [[], ["u4", "u5", "u6", "u7", "u8"], ["u1", "u9"]]


def test_members_are_told_with_since_when_and_whether_by_hand(shop):
    refreshed(shop)
    assign(shop, "gold", "u1")
    refreshed(shop, days_later=1)
    found = shop.get("/v1/classes/tier/classes/gold/members", limit=2).json()
    assert (found["segment_id"], found["size"], found["next"]) == (GOLD, 4, "u7")
    assert [(each["user_id"], each["by_hand"]) for each in found["members"]] == [("u1", True), ("u7", False)]
    assert found["members"][1]["since"] < found["members"][0]["since"] == found["as_of"]
    assert shop.get("/v1/classes/tier/classes/none/members").json()["code"] == "unknown_class"


def test_the_portrait_names_the_class_and_the_record_every_move(shop):
    refreshed(shop)
    assign(shop, "gold", "u4")
    refreshed(shop, days_later=1)
    told = shop.get("/v1/users/u4/view").json()["classes"]
    assert [(each["classification_id"], each["class_id"]) for each in told] == [("tier", "gold")]
    rows = shop.shop.lake.query(
        "SELECT segment, change FROM memberships WHERE user_id = 'u4' AND segment LIKE 'class:%' ORDER BY time, change"
    ).to_pylist()
    assert [(row["segment"], row["change"]) for row in rows] == [
        (SILVER, "entered"), (GOLD, "entered"), (SILVER, "left")
    ]  # fmt: skip


def test_rules_of_segments_and_of_other_classes_may_name_a_class(shop):
    shop.post("/v1/segments", names="lately-gold", text=f'segment("{GOLD}") and orders_365d >= 8')
    shop.post("/v1/classes", names="Care")
    body = {"names": "Personal", "text": 'segment("lately-gold")'}
    assert shop.client.put("/v1/classes/care/classes/personal", json=body).status_code == 200
    refreshed(shop)
    assert members(shop, "lately-gold") == ["u8", "u9"] == members(shop, "class:care:personal")
    assert shop.post("/v1/segments/preview", text=f'segment("{GOLD}")').json()["size"] == 3


def test_classes_and_segments_close_no_circle(shop):
    shop.post("/v1/segments", names="core", text=f'segment("{GOLD}")')
    answers = [put_class(shop, "silver", 'segment("core")'), put_class(shop, "silver", f'segment("{GOLD}")')]
    assert [each.json()["code"] for each in answers] == ["circle", "circle"]
    assert "class:tier:silver -> core -> class:tier:gold" in answers[0].json()["detail"]
    unknown = shop.post("/v1/segments", names="x", text='segment("class:tier:none")').json()
    assert (unknown["code"], unknown["field"]) == ("unknown_segment", "definition")


def test_a_class_that_a_rule_names_stays_and_one_that_goes_ends_its_memberships(shop):
    shop.post("/v1/segments", names="core", text=f'segment("{GOLD}")')
    for path in ("/v1/classes/tier/classes/gold", "/v1/classes/tier"):
        refused = shop.delete(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    shop.delete("/v1/segments/core")
    refreshed(shop)
    assert shop.delete("/v1/classes/tier/classes/gold").status_code == 200
    refreshed(shop, days_later=0.1)
    assert shop.get(f"/v1/segments/{GOLD}/members").status_code == 404
    assert members(shop, SILVER) == ["u4", "u5", "u6", "u7", "u8", "u9"]
    shop.delete("/v1/classes/tier")
    refreshed(shop, days_later=0.2)
    left = shop.shop.lake.query(
        "SELECT segment, count(*) AS n FROM memberships WHERE change = 'left' AND segment LIKE 'class:%'"
        " GROUP BY segment ORDER BY segment"
    ).to_pylist()
    assert [(row["segment"], row["n"]) for row in left] == [(GOLD, 3), (SILVER, 6)]


def test_a_segment_cannot_be_called_like_a_class(shop):
    refused = shop.post("/v1/segments", names="x", text="orders_90d > 1", segment_id=GOLD)
    assert (refused.status_code, refused.json()["field"]) == (422, "segment_id")


def scores(office, **asked):
    answer = office.get("/v1/classes/tier/scorecard", **asked)
    assert answer.status_code == 200, answer.text
    return answer.json(), {each["class_id"]: each for each in answer.json()["classes"]}


def test_the_scorecard_tells_size_revenue_repeats_and_groups_of_each_class(shop):
    assign(shop, "rest", "u1", "u9")
    refreshed(shop)
    whole, found = scores(shop)
    assert (whole["customers"], whole["unclassified"], whole["as_of"]) == (10, 3, NOW.isoformat())
    gold, rest = found["gold"], found["rest"]
    assert (gold["size"], gold["share"], gold["revenue_365d"], gold["revenue_share"]) == (2, 0.2, 1500, 1500 / 4500)
    assert (gold["repeat_rate_365d"], rest["repeat_rate_365d"], rest["by_hand"]) == (1.0, 0.5, 2)
    assert "amount.high" in [each["group"] for each in gold["overlap"]]
    assert all(each["share"] > each["share_of_all"] for each in gold["overlap"])
    assert (gold["response"], gold["drift"], whole["stability_index"], gold["suggestion"]) == (None,) * 4


def test_drift_is_told_against_a_day_of_the_record(shop):
    refreshed(shop)
    assign(shop, "gold", "u4", "u5", "u6")
    refreshed(shop, days_later=2)
    whole, found = scores(shop, since=(NOW + timedelta(days=1)).isoformat())
    assert found["gold"]["drift"] == {"size_then": 3, "share_then": 0.3, "entered": 3, "left": 0}
    assert found["silver"]["drift"] == {"size_then": 3, "share_then": 0.3, "entered": 0, "left": 3}
    assert whole["stability_index"] > 0.25
    assert scores(shop, since=(NOW - timedelta(days=1)).isoformat())[0]["stability_index"] is None


def test_the_response_counts_past_campaigns_and_redemptions(shop):
    refreshed(shop)
    at = NOW - timedelta(days=90)
    past = PastCampaigns(
        [("spring", "TypeA", at, at + timedelta(days=20)), ("summer", "TypeA", at, at + timedelta(days=20))],
        [("spring", "u7"), ("summer", "u7"), ("spring", "u8"), ("spring", "u0")],
        [("c1", "spring")],
        [("c1", "spring", "a")],
        [("u7", "c1", "spring", at), ("u7", "c1", "spring", at + timedelta(days=1))],
    )
    with shop.runtime.doors.ledger._opened().begin() as connection:
        record_past_campaigns(connection, past)
        adopt_past_offers(connection, currency="EUR")
    _, found = scores(shop)
    assert found["gold"]["response"] == {
        "contacted": 3, "responded": 1, "rate": 1 / 3, "redemptions": 0, "discount": 0
    }  # fmt: skip
    assert found["silver"]["response"] is None


def test_the_response_counts_own_campaigns_and_their_holdouts_by_the_class_of_that_day(shop, ledger):
    refreshed(shop, days_later=-9.5)
    early, over = NOW - timedelta(days=9), NOW - timedelta(days=1)
    then = [(f"u{number}", "treatment" if number % 2 else "holdout", {}) for number in range(10)]
    campaigns.launched(ledger, then, at=early, window_days=7, offers=["ten"], state="completed")
    campaigns.launched(ledger, then, at=over, window_days=28, campaign_id="open")
    campaigns.offered(ledger)
    for user in ("u5", "u7", "u9"):
        campaigns.sent(ledger, user, early)
    campaigns.redeemed(ledger, "c1", "u7", early + timedelta(days=2), 500)
    campaigns.redeemed(ledger, "c2", "u9", early + timedelta(days=8), 500)  # after its window
    campaigns.redeemed(ledger, "c3", "u8", early + timedelta(days=2), 500)  # was held out
    shop.shop.happened(*(order(user, 8, 100) for user in ("u7", "u9", "u8", "u5")))
    assign(shop, "rest", "u9")  # today they are in another class than when the campaign began
    refreshed(shop)
    _, found = scores(shop)
    response, contrast = found["gold"]["response"], found["gold"]["against_holdout"]
    assert (response["contacted"], response["responded"], response["redemptions"]) == (1, 1, 2)
    assert found["rest"]["response"]["contacted"] == 1
    then = {name: contrast[name] for name in ("campaigns", "treated", "held_out", "treated_bought", "held_out_bought")}
    assert then == {"campaigns": 1, "treated": 2, "held_out": 1, "treated_bought": 2, "held_out_bought": 1}
    assert (contrast["difference"], contrast["low"] < 0 < contrast["high"]) == (0.0, True)
    silver = found["silver"]["against_holdout"]
    assert (silver["treated"], silver["treated_bought"], silver["held_out"], silver["held_out_bought"]) == (1, 1, 2, 0)
    assert found["rest"]["against_holdout"] is None


def test_a_class_of_too_few_or_too_many_gets_another_threshold_that_holds_what_it_says(shop):
    put_class(shop, "gold", "orders_365d >= 1")
    put_class(shop, "rest", 'region = "x"')
    refreshed(shop)
    _, found = scores(shop)
    advice = found["gold"]["suggestion"]
    assert (advice["text"], advice["expected_size"], advice["expected_share"]) == ("orders_365d >= 7", 3, 0.3)
    assert "90.0%" in advice["why"]
    assert (found["silver"]["size"], found["silver"]["suggestion"]["text"]) == (0, "orders_365d >= 0")
    assert (found["rest"]["suggestion"]["text"], found["rest"]["size"]) == (None, 0)
    put_class(shop, "gold", advice["text"])
    refreshed(shop, days_later=0.1)
    assert scores(shop)[1]["gold"]["size"] == 3


@pytest.mark.parametrize("since", ["2099-01-01T00:00:00Z", "2026-01-01T00:00:00", "soon"])
def test_a_moment_that_is_none_is_refused(shop, since):
    refreshed(shop)
    answer = shop.get("/v1/classes/tier/scorecard", since=since)
    assert (answer.status_code, answer.json()["field"]) == (422, "since")


def test_a_classification_without_classes_and_one_that_is_none_have_their_answers(shop):
    refreshed(shop)
    shop.post("/v1/classes", names="Bare")
    assert shop.get("/v1/classes/bare/scorecard").json()["unclassified"] == 10
    assert shop.get("/v1/classes/none/scorecard").json()["code"] == "unknown_classification"
