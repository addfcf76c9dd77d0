"""Every operation of the OpenAPI document, asked with what it allows and with what it does not (schemathesis)."""

from __future__ import annotations

import pytest

from engine.storage.home import Home
from engine.storage.keys import create_key
from engine.storage.ledger import opened_ledger
from engine.storage.online import connect_live, connect_stream
from experiments.fuzz import fuzz, operations_of
from experiments.hostile.cases import Hostile, hostile
from experiments.hostile.judge import judge
from experiments.hostile.routes import writes
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import publish, storefront
from tests.stores import SHOP, settings_of

EXAMPLES = 10  # an operation; the bench asks with 200


@pytest.fixture
def shop(stores, ledger_url, tmp_path):
    for connect, url in ((connect_live, stores.live_url), (connect_stream, stores.stream_url)):
        with connect(url) as client:
            client.flushall()
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    urls = {
        "HAWKER_STREAM_URL": stores.stream_url,
        "HAWKER_REDIS_URL": stores.live_url,
        "HAWKER_POSTGRES_URL": ledger_url,
    }
    with opened_ledger(ledger_url, SHOP) as ledger:
        _, key = create_key(ledger, "fuzz", ["admin"], now=AS_OF)
    with storefront(
        home, now=AS_OF + 60, settings=settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", **urls)
    ) as running:
        running.key = key
        yield running


def test_every_operation_does_what_its_document_says(shop, tmp_path):
    found = fuzz(str(shop.client.base_url).rstrip("/"), shop.key, tmp_path, examples=EXAMPLES, seed=7)
    assert found.failures == (), "\n".join(found.failures)
    assert found.operations == operations_of(shop.get("/openapi.json").json())


def test_hostile_bodies_are_refused_by_name_and_nothing_of_them_is_kept(shop, stores):
    cases = list(hostile(shop.get("/openapi.json").json(), 500, seed=11))
    judged = judge(shop.client.base_url.port, cases, key=shop.key)
    assert judged.faults == []
    assert judged.sent == 500
    assert max(judged.statuses) < 500
    assert shop.get("/health/ready").status_code == 200
    with connect_stream(stores.stream_url) as client:
        assert client.xrange("default:stream") == []
    with connect_live(stores.live_url) as client:
        assert [key for key in client.scan_iter("*") if b"lock" not in key] == []


def test_hostile_bodies_differ_reach_every_route_and_repeat_with_their_seed(shop):
    document = shop.get("/openapi.json").json()
    cases = list(hostile(document, 2_000, seed=3))
    assert len({case.sameness for case in cases}) == 2_000
    reached = {(case.method, case.path) for case in cases}
    routes = {(method.upper(), path) for path, each in document["paths"].items() for method in each}
    taking = {(route.method, route.template) for route in writes(document)}
    assert taking == {(m, path) for m, path in routes if "requestBody" in document["paths"][path][m.lower()]}
    assert {(route.method, route.path) for route in writes(document)} <= reached
    assert [case.sameness for case in hostile(document, 50, seed=3)] == [case.sameness for case in cases[:50]]


def test_the_judge_sees_what_is_not_refused(shop):
    event = b'{"events": [{"event_id": "j", "type": "view", "user_id": "u", "item_id": "i"}]}'
    asked, limit = "/v1/recommendations", b'{"limit": 0}'
    cases = [
        Hostile("POST", asked, b"{}", frozenset({422})),
        Hostile("POST", "/v1/events", event, frozenset({200})),
        Hostile("POST", asked, limit, frozenset({422}), frozenset({"fields"})),
        Hostile("POST", asked, limit, frozenset({422}), frozenset({"limit"})),
    ]
    judged = judge(shop.client.base_url.port, cases, key=shop.key)
    assert [fault.partition("}': ")[2].partition(":")[0] for fault in judged.faults] == [
        "200 instead of 422",
        "not refused",
        "names 'limit' instead of 'fields'",
    ]
    without_a_key = judge(shop.client.base_url.port, cases[3:])
    assert without_a_key.statuses == {401: 1}
    assert len(without_a_key.faults) == 1
