"""Merging people over HTTP: stored in the lake's words, known to the next request."""

from __future__ import annotations

import json

import pytest

from engine.storage.home import Home
from engine.storage.online import connect_live, connect_stream
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import publish, storefront
from tests.stores import settings_of


@pytest.fixture(scope="module")
def open_shop(stores, tmp_path_factory):
    for connect, url in ((connect_live, stores.live_url), (connect_stream, stores.stream_url)):
        with connect(url) as client:
            client.flushall()
    home = Home(tmp_path_factory.mktemp("home"))
    publish(home, toy_bundle())
    urls = {"HAWKER_STREAM_URL": stores.stream_url, "HAWKER_REDIS_URL": stores.live_url}
    with storefront(home, now=AS_OF + 60, settings=settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", **urls)) as shop:
        yield shop


def merge(shop, merged_into, **body):
    return shop.client.post(f"/v1/users/{merged_into}/merge", json=body)


def listed(shop, **who):
    return [each["id"] for each in shop.ask(placement="home", limit=20, **who).json()["items"]]


def test_a_session_that_became_a_user_sees_what_the_user_would_see(open_shop):
    before = listed(open_shop, session_id="visit-1")
    for _ in range(2):
        assert merge(open_shop, "u5", session_id="visit-1").json() == {"user_id": "u5"}
    assert listed(open_shop, session_id="visit-1") == listed(open_shop, user_id="u5") != before


def test_what_the_session_dismissed_the_user_has_dismissed(open_shop):
    unwanted = listed(open_shop, user_id="u6")[0]
    event = {"event_id": "d-1", "type": "dismiss", "session_id": "visit-2", "item_id": unwanted}
    open_shop.client.post("/v1/events", json={"events": [event]})
    assert unwanted in listed(open_shop, user_id="u6")
    merge(open_shop, "u6", session_id="visit-2")
    assert unwanted not in listed(open_shop, user_id="u6")


def test_a_merge_reaches_the_stream_in_the_columns_of_the_lake(open_shop, stores):
    merge(open_shop, "用户 1", session_id="s/1", from_user_id="old")
    with connect_stream(stores.stream_url) as client:
        entries = [fields for _, fields in client.xrange("default:stream") if fields[b"kind"] == b"merges"]
    rows = [json.loads(line) for line in entries[-1][b"rows"].splitlines()]
    told = [(row["kind"], row["id"], row["user_id"]) for row in rows]
    assert told == [("session", "s/1", "用户 1"), ("user", "old", "用户 1")]
    assert rows[1]["time"] == rows[0]["time"] + 1 == (AS_OF + 60) * 1_000_000 + 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"session_id": None}, None),
        ({"from_user_id": "u1"}, "from_user_id"),
        ({"session_id": "a\0b"}, "session_id"),
        ({"session_id": "x" * 600}, "session_id"),
        ({"session_id": ["s"]}, "session_id"),
        ({"user": "x"}, "user"),
    ],
)
def test_a_merge_that_means_nothing_is_refused_by_name(open_shop, body, field):
    answer = merge(open_shop, "u1", **body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.json()
