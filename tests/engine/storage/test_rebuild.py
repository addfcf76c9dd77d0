"""The live store from the lake: imported things can be read, and a lost store comes back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_tables import EVENTS, ITEMS, MERGES, USERS
from engine.storage.live_documents import LiveDocuments
from engine.storage.live_profiles import LiveProfiles
from engine.storage.online import open_async
from engine.storage.rebuild import Rebuilt, rebuild_documents, rebuild_profiles

NOW = datetime(2026, 1, 31, tzinfo=UTC)
MILK = {
    "item_id": "milk",
    "name": "Milk 牛奶",
    "categories": ["DAIRY"],
    "price": 129,
    "available": False,
    "available_from": "2026-01-01T00:00:00+00:00",
    "attributes": {"fat": 3.5},
}


@pytest.fixture
def lake(tmp_path):
    lake = Lake(Home(tmp_path))
    rows = [
        {**MILK, "available_from": datetime(2026, 1, 1, tzinfo=UTC), "attributes": '{"fat": 3.5}', "deleted": False},
        {"item_id": "bread", "available": True, "deleted": False},
        {"item_id": "gone", "name": "Gone", "deleted": True},
    ]
    lake.put_items(pa.Table.from_pylist(rows, ITEMS.schema))
    lake.put_users(pa.Table.from_pylist([{"user_id": "anna", "region": "north", "deleted": False}], USERS.schema))
    return lake


def run(stores, use):
    async def inside():
        clients = [open_async(url, "HAWKER_REDIS_URL", seconds=10) for url in (stores.live_url, stores.stream_url)]
        try:
            return await use(*clients)
        finally:
            for client in clients:
                await client.aclose()

    return asyncio.run(inside())


def test_the_lakes_documents_become_readable_once(stores, live, stream, lake):
    async def use(live, stream):
        done = [await rebuild_documents(lake, live, stream, "default") for _ in range(2)]
        documents = LiveDocuments(live, "default")
        found = await documents.get("items", ["milk", "bread", "gone", "never"])
        return done, found, await documents.get("users", ["anna"]), await live.get("default:items:version")

    done, found, users, version = run(stores, use)
    assert done == [Rebuilt(items=3, users=1), Rebuilt()]
    assert found == [MILK, {"item_id": "bread"}, {"item_id": "gone", "deleted": True}, None]
    assert users == [{"user_id": "anna", "region": "north"}]
    assert version is None  # storefronts know them from their bundle


def test_what_an_import_changed_is_told_to_the_storefronts(stores, live, stream, lake):
    async def use(live, stream):
        await rebuild_documents(lake, live, stream, "default")
        lake.merge_items(pa.table({"item_id": ["bread"], "price": [99]}))
        done = await rebuild_documents(lake, live, stream, "default")
        (bread,) = await LiveDocuments(live, "default").get("items", ["bread"])
        return done, bread, await live.get("default:items:version")

    assert run(stores, use) == (Rebuilt(items=1), {"item_id": "bread", "price": 99}, b"1")


def test_nothing_is_brought_over_while_the_stream_holds_newer_words(stores, live, stream, lake):
    stream.xadd("default:stream", {"kind": "items", "rows": "{}"})
    assert run(stores, lambda live, stream: rebuild_documents(lake, live, stream, "default")) is None
    assert live.keys("default:item:*") == []


def test_profiles_come_back_with_their_merges_and_again_changes_nothing(stores, live, stream, lake):
    owners = (("anna", None), (None, "visit"), (None, None), ("anna", None))
    rows = [
        {
            "event_id": f"e{n}",
            "type": "purchase",
            "time": NOW - timedelta(days=n),
            "user_id": user,
            "session_id": session,
            "item_id": f"i{n}",
            "quantity": 2.0,
        }
        for n, (user, session) in enumerate(owners)
    ]
    rows.append({**rows[0], "event_id": "old", "time": NOW - timedelta(days=200), "item_id": "old"})
    lake.append_events(pa.Table.from_pylist(rows, EVENTS.schema))
    merge = {"kind": "session", "id": "visit", "user_id": "anna", "time": NOW}
    lake.take_from_stream("merges", pa.Table.from_pylist([merge], MERGES.schema), 1)

    async def use(live, stream):
        done = [await rebuild_profiles(lake, live, "default", now=NOW.timestamp()) for _ in range(2)]
        return done, await LiveProfiles(live, "default").read(None, "visit"), await live.keys("default:trend:*")

    done, view, trends = run(stores, use)
    assert done[0] == done[1] == Rebuilt(events=4, merges=1)
    (person,) = view.persons
    assert [each.item_id for each in person.tail] == ["i3", "i1", "i0"]
    assert (view.user_id, person.purchases, trends) == ("anna", 3, [])
