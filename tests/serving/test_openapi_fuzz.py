"""Every operation of the OpenAPI document, asked with what it allows and with what it does not (schemathesis)."""

from __future__ import annotations

import pytest

from engine.storage.home import Home
from engine.storage.keys import create_key
from engine.storage.ledger import opened_ledger
from engine.storage.online import connect_live, connect_stream
from experiments.fuzz import fuzz
from experiments.hostile import Hostile, hostile, judge
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import publish, storefront
from tests.stores import SHOP, settings_of

EXAMPLES = 25  # an operation; the bench asks with 200


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
    assert found.failures == ()
    assert found.operations >= len(shop.get("/openapi.json").json()["paths"])


def test_hostile_bodies_are_refused_by_name(shop):
    judged = judge(shop.client.base_url.port, hostile(500, seed=11), key=shop.key)
    assert judged.faults == []
    assert sum(judged.statuses.values()) == 500
    assert max(judged.statuses) < 500


def test_the_judge_sees_what_is_not_refused(shop):
    sound = Hostile("POST", "/v1/recommendations", b"{}", None)
    event = b'{"events": [{"event_id": "j", "type": "view", "user_id": "u", "item_id": "i"}]}'
    other = Hostile("POST", "/v1/recommendations", b'{"limit": 0}', "fields")
    cases = [sound, Hostile("POST", "/v1/events", event, None), other]
    faults = judge(shop.client.base_url.port, iter(cases), key=shop.key)
    assert [fault.rpartition(": ")[2] for fault in faults.faults] == [
        "status 200",
        "accepted",
        "422 names 'limit' instead of 'fields'",
    ]
