"""Customers who did nothing yet, over HTTP: known by what the shop said of them and where they came from."""

from __future__ import annotations

from tests.bundles import TASTES


def listed(shop, **who):
    answer = shop.ask(placement="home", limit=10, explain=True, **who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def tastes(found):
    return {int(each["id"][1:]) % TASTES for each in found["items"]}


def test_what_the_shop_says_of_somebody_new_shapes_their_first_list(whole_shop):
    plain = listed(whole_shop, user_id="newcomer")
    assert {each["source"] for each in plain["items"]} == {"popular"}
    whole_shop.client.put("/v1/users/newcomer", json={"region": "2"}).raise_for_status()
    found = listed(whole_shop, user_id="newcomer")
    assert tastes(found) == {2}
    assert {each["reason"] for each in found["items"]} == {"popular in 2"}
    assert found["personalized"] is True


def test_where_a_session_came_from_shapes_its_list_until_it_does_something(whole_shop):
    visit = {"event_id": "v1", "type": "login", "session_id": "s1", "source": "social"}
    whole_shop.client.post("/v1/events", json={"events": [visit]}).raise_for_status()
    found = listed(whole_shop, session_id="s1")
    assert tastes(found) == {1}
    assert {each["reason"] for each in found["items"]} == {"popular with customers who came by social"}
    bought = {"event_id": "v2", "type": "purchase", "session_id": "s1", "item_id": "i3", "order_id": "o", "amount": 5}
    whole_shop.client.post("/v1/events", json={"events": [bought]}).raise_for_status()
    after = listed(whole_shop, session_id="s1")
    assert "peers" not in {each["source"] for each in after["items"]}


def test_somebody_who_was_deleted_is_known_by_nothing(whole_shop):
    whole_shop.client.put("/v1/users/gone", json={"region": "2"}).raise_for_status()
    whole_shop.client.delete("/v1/users/gone").raise_for_status()
    assert {each["source"] for each in listed(whole_shop, user_id="gone")["items"]} == {"popular"}


def test_a_customer_with_a_history_is_not_asked_who_they_are(whole_shop):
    whole_shop.client.put("/v1/users/u5", json={"region": "2"}).raise_for_status()
    assert "peers" not in {each["source"] for each in listed(whole_shop, user_id="u5")["items"]}


def test_how_many_were_unknown_is_counted(whole_shop):
    listed(whole_shop, user_id="u5")
    listed(whole_shop, user_id="newcomer")
    whole_shop.ask(placement="similar", item_ids=["i1", "never"])
    page = whole_shop.get("/metrics").text
    told = {tuple(line.split(" ")) for line in page.splitlines() if line.startswith("hawker_asked_total")}
    assert ('hawker_asked_total{known="yes",what="user"}', "1.0") in told
    assert ('hawker_asked_total{known="no",what="user"}', "1.0") in told
    assert ('hawker_asked_total{known="no",what="item"}', "1.0") in told
    assert ('hawker_asked_total{known="yes",what="item"}', "1.0") in told


def test_the_age_of_the_bundle_is_in_the_metrics(whole_shop):
    from tests.serving.conftest import eventually

    def age():
        line = next(each for each in whole_shop.get("/metrics").text.splitlines() if "bundle_age_seconds" in each[:30])
        return float(line.split(" ")[1])

    eventually(lambda: age() > 0)
    assert age() > 60_000_000  # the toy bundle is of 2023
