"""Who is in the segments that offers name: told to the live store whole once, and move by move from then on."""

from __future__ import annotations

import asyncio

from engine.storage.offered_segments import known_of, offer_segments
from engine.storage.online import open_async

NAMED = ["a", "b"]


def told(live, *, was, now, moves=(), members=None, named=NAMED):
    asked = []

    def all_of(segment):
        asked.append(segment)
        return [(members or {}).get(segment, [])] if (members or {}).get(segment) else []

    offer_segments(live, "shop", named, was=was, now=now, moves=moves, members=all_of)
    return asked


def known(stores, user):
    async def ask():
        client = open_async(stores.live_url, "HAWKER_REDIS_URL", seconds=10.0)
        found = await known_of(client, "shop", user, [*NAMED, "never"])
        await client.aclose()
        return found

    return asyncio.run(ask())


def test_only_who_moved_is_told_once_the_store_stands_where_the_refresh_began(stores, live):
    assert told(live, was=1.0, now=2.0, members={"a": ["u", "v"]}) == NAMED
    assert known(stores, "u") == {"a": True, "b": False}
    moves = [("a", "left", ["u"]), ("b", "entered", ["u", "w"])]
    for _ in range(2):  # a refresh that is repeated after a stop tells the same again
        assert told(live, was=2.0, now=2.0, moves=moves) == []
    assert known(stores, "u") == {"a": False, "b": True}
    assert known(stores, "v") == {"a": True, "b": False}


def test_a_store_that_stands_elsewhere_is_told_everything(stores, live):
    told(live, was=1.0, now=2.0, members={"a": ["u"]})
    assert told(live, was=3.0, now=4.0, moves=[("a", "entered", ["x"])], members={"a": ["v"]}) == NAMED
    assert [known(stores, user)["a"] for user in "uvx"] == [False, True, False]
    live.flushall()
    assert told(live, was=4.0, now=5.0, members={"a": ["v"]}) == NAMED


def test_a_segment_that_no_offer_names_any_more_is_dropped(stores, live):
    told(live, was=1.0, now=2.0, members={"a": ["u"], "b": ["u"]})
    told(live, was=2.0, now=3.0, named=["b"])
    assert known(stores, "u") == {"b": True}
    assert not live.exists("shop:offered:a")
