"""Events over HTTP: a verdict for each, each once, and known at the next request."""

from __future__ import annotations

import json

import pytest

from engine.storage.home import Home
from engine.storage.online import connect_live, connect_stream
from tests.bundles import AS_OF, TASTES, toy_bundle
from tests.serving.conftest import eventually, publish, storefront
from tests.stores import settings_of

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def open_shop(stores, tmp_path_factory):
    """A storefront with its stores; tests use users and event ids of their own."""
    for connect, url in ((connect_live, stores.live_url), (connect_stream, stores.stream_url)):
        with connect(url) as client:
            client.flushall()
    home = Home(tmp_path_factory.mktemp("home"))
    publish(home, toy_bundle())
    urls = {"HAWKER_STREAM_URL": stores.stream_url, "HAWKER_REDIS_URL": stores.live_url}
    with storefront(home, now=AS_OF + 60, settings=settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", **urls)) as shop:
        yield shop


def send(shop, *events, query="", **more):
    return shop.client.post(f"/v1/events{query}", json={"events": events, **more})


def view(name, item="i1", **more):
    return {"event_id": name, "type": "view", "user_id": "somebody", "item_id": item, **more}


def shown(shop, user, **more):
    return [each["id"] for each in shop.ask(user_id=user, **more).json()["items"]]


def test_each_event_gets_its_verdict(open_shop):
    answer = send(open_shop, view("t1"), view("t2", colour="red"), view("t1"), 3, view("t3", user_id=None))
    assert answer.status_code == 200
    told = answer.json()
    assert (told["accepted"], told["duplicates"]) == (1, 1)
    assert [(each["index"], each["field"]) for each in told["rejected"]] == [(1, "colour"), (3, None), (4, "user_id")]


def test_sending_again_changes_nothing_and_is_no_error(open_shop):
    assert send(open_shop, view("again")).json()["accepted"] == 1
    assert send(open_shop, view("again")).json() == {"accepted": 0, "duplicates": 1, "rejected": []}


def test_a_dry_run_says_the_same_and_stores_nothing(open_shop):
    assert send(open_shop, view("dry"), {}, query="?dry_run=true").json()["accepted"] == 1
    assert send(open_shop, view("dry")).json()["accepted"] == 1


def test_without_create_missing_an_unknown_item_is_rejected(open_shop):
    told = send(open_shop, view("m1", "i2"), view("m2", "never heard of"), create_missing=False).json()
    assert (told["accepted"], told["rejected"][0]["code"]) == (1, "unknown_item")
    assert send(open_shop, view("m2", "never heard of")).json()["accepted"] == 1


def test_a_dismissed_item_is_gone_at_the_next_request(open_shop):
    first = shown(open_shop, "u5")[0]
    send(open_shop, {"event_id": "no!", "type": "dismiss", "user_id": "u5", "item_id": first})
    assert first not in shown(open_shop, "u5", limit=100)


def test_somebody_unknown_is_somebody_after_the_first_event(open_shop):
    assert open_shop.ask(session_id="new one").json()["personalized"] is False
    events = [
        {"event_id": f"cart{n}", "type": "cart_add", "session_id": "new one", "item_id": f"i{n}"} for n in range(3)
    ]
    send(open_shop, *events)
    answer = open_shop.ask(session_id="new one").json()
    assert (answer["personalized"], answer["degraded"]) == (True, False)


def test_a_strangers_last_clicks_decide_what_the_visit_is_shown(open_shop):
    before = open_shop.ask(session_id="stranger", placement="session", limit=3).json()
    assert {item["source"] for item in before["items"]} == {"popular"} and before["personalized"] is False
    send(open_shop, {"event_id": "looked", "type": "view", "session_id": "stranger", "item_id": "i5"})
    after = open_shop.ask(session_id="stranger", placement="session", limit=3, explain=True).json()
    assert {int(item["id"][1:]) % TASTES for item in after["items"]} == {5 % TASTES} and after["personalized"] is True
    assert {item["source"] for item in after["items"]} == {"onward"}
    assert "others went on to it from item 5" in {item["reason"] for item in after["items"]}


def test_a_purchase_leaves_discover_at_the_next_request(open_shop):
    first = shown(open_shop, "u6", placement="discover")[0]
    line = {"type": "purchase", "user_id": "u6", "item_id": first, "order_id": "o", "amount": 100, "currency": "EUR"}
    send(open_shop, {"event_id": "bought", **line})
    assert first not in shown(open_shop, "u6", placement="discover", limit=100)


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"", 400, "bad_json", None),
        (b'{"events":[],"events":[]}', 400, "duplicate_key", "events"),
        (b"[]", 422, "bad_input", "events"),
        (b"{}", 422, "bad_input", "events"),
        (b'{"events":{}}', 422, "bad_input", "events"),
        (b'{"events":[],"more":1}', 422, "unknown_field", "more"),
        (b'{"events":[],"create_missing":"yes"}', 422, "bad_input", "create_missing"),
        (json.dumps({"events": [{}] * 1_001}).encode(), 422, "too_many", "events"),
        (b'{"events":[' + b" " * 2**20 + b"]}", 413, "body_too_large", None),
    ],
)
def test_a_body_that_is_none_is_refused_with_its_field(open_shop, body, status, code, field):
    answer = open_shop.client.post("/v1/events", content=body, headers=JSON)
    told = answer.json()
    assert (answer.status_code, told["code"], told["field"]) == (status, code, field)


def test_a_page_of_somebody_else_may_not_send_plain_text(open_shop):
    answer = open_shop.client.post("/v1/events", content=b'{"events":[]}', headers={"content-type": "text/plain"})
    assert answer.status_code == 415


def test_properties_that_no_row_can_hold_are_rejected_alone(open_shop):
    deep = {}
    for _ in range(400):
        deep = {"a": deep}
    body = json.dumps({"events": [view("p1"), view("p2", properties={"custom": {"deep": deep}})]})
    odd = '{"events":[{"event_id":"p3","type":"login","user_id":"u","properties":{"custom":{"a":"\\ud800"}}}]}'
    large = {"events": [view("p4", properties={"custom": {"a": "x" * 40_000}})]}
    for text, accepted in ((body, 1), (odd, 0), (json.dumps(large), 0)):
        told = open_shop.client.post("/v1/events", content=text.encode(), headers=JSON).json()
        assert (told["accepted"], len(told["rejected"])) == (accepted, 1)


def test_without_a_stream_events_are_refused_and_recommendations_go_on(shop):
    answer = send(shop, view("lost"))
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert answer.headers["retry-after"]
    assert shop.ask(user_id="u5").json()["degraded"] is False


def test_stores_that_are_away_cost_the_event_and_not_the_page(tmp_path):
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    away = {"HAWKER_STREAM_URL": f"unix://{tmp_path}/a.sock", "HAWKER_REDIS_URL": f"unix://{tmp_path}/b.sock"}
    with storefront(home, settings=settings_of(home.root, **away)) as shop:
        assert send(shop, view("lost")).status_code == 503
        answer = shop.ask(user_id="u5")
        assert (answer.status_code, answer.json()["degraded"]) == (200, True)


def test_a_shop_whose_disk_is_nearly_full_says_when_to_come_back(stores, tmp_path):
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    settings = settings_of(home.root, HAWKER_STREAM_URL=stores.stream_url, HAWKER_LEAST_FREE_MIB=str(2**40))
    with storefront(home, settings=settings) as shop:
        answers = [send(shop, view(f"full{n}")) for n in range(1)]
        while answers[-1].status_code == 200:
            answers.append(send(shop, view(f"full{len(answers)}")))
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "overloaded")
    assert answers[-1].headers["retry-after"]


def test_what_was_answered_is_logged_as_served(open_shop, stores):
    answer = open_shop.ask(user_id="u7", placement="discover", limit=3).json()

    def logged():
        with connect_stream(stores.stream_url) as client:
            entries = [fields for _, fields in client.xrange("default:stream")]
        lines = [line for each in entries if each[b"kind"] == b"served" for line in each[b"rows"].splitlines()]
        return {row["recommendation_id"]: row for row in map(json.loads, lines)}

    eventually(lambda: answer["recommendation_id"] in logged())
    row = logged()[answer["recommendation_id"]]
    assert (row["placement"], row["user_id"], row["time"]) == ("discover", "u7", (AS_OF + 60) * 1_000_000)
    assert row["item_ids"] == [each["id"] for each in answer["items"]]


@pytest.mark.parametrize("custom", [{"a": "\0"}, {"\0": 1}, {"a": [{"b": "x\\\0"}]}])
def test_nul_is_refused_wherever_it_stands(open_shop, custom):
    told = send(open_shop, view("nul", properties={"custom": custom})).json()
    assert [each["field"] for each in told["rejected"]] == ["properties.custom"]


def test_a_text_about_nul_is_no_nul(open_shop):
    told = send(open_shop, view("about nul", properties={"custom": {"a": "\\u0000", "b": "\\\\u0000"}})).json()
    assert told["accepted"] == 1


def test_a_long_wrong_name_does_not_come_back_as_it_was(open_shop):
    name = "x" * 500_000
    for answer in (send(open_shop, view("long", **{name: 1})), send(open_shop, **{name: 1})):
        assert name[:100] in answer.text
        assert len(answer.content) < 2_000
