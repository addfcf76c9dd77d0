"""The event stream: durable, each id once, shared round trips."""

from __future__ import annotations

import asyncio
import json

import pytest

from engine.errors import StoreUnavailable
from engine.storage.event_stream import BUCKETS, EventStream, fingerprint, stream_key
from engine.storage.online import open_async


def run(stores, use):
    """`use(event_stream)` in an event loop of its own."""

    async def inside():
        client = open_async(stores.stream_url, "HAWKER_STREAM_URL", seconds=10)
        try:
            return await use(EventStream(client, "default", seconds=10))
        finally:
            await client.aclose()

    return asyncio.run(inside())


def entries(stream):
    return [(fields[b"kind"], fields[b"rows"]) for _, fields in stream.xrange(stream_key("default"))]


def test_what_is_new_is_stored_and_what_is_known_is_not(stores, stream):
    async def use(events):
        first = await events.append_events(["a", "b", "a"], [b"1", b"2", b"3"])
        again = await events.append_events(["b", "c"], [b"4", b"5"])
        nothing = await events.append_events(["a"], [b"6"])
        return first, again, nothing

    assert run(stores, use) == ([True, True, False], [False, True], [False])
    assert entries(stream) == [(b"events", b"1\n2"), (b"events", b"5")]


def test_callers_that_come_together_get_their_own_answers(stores, stream):
    async def use(events):
        return await asyncio.gather(*(events.append_events([f"e{n % 50}", f"x{n}"], [b"r", b"s"]) for n in range(100)))

    answers = run(stores, use)
    assert sum(first for first, _ in answers) == 50
    assert all(second for _, second in answers)
    assert len(entries(stream)) < 100
    assert sum(len(rows.splitlines()) for _, rows in entries(stream)) == 150


def test_ids_are_known_after_the_scripts_and_the_connections_are_gone(stores, stream):
    run(stores, lambda events: events.append_events(["a"], [b"1"]))
    stream.script_flush()
    assert run(stores, lambda events: events.append_events(["a", "b"], [b"1", b"2"])) == [False, True]


def test_an_id_is_kept_for_at_least_a_week_and_not_for_ever(stores, stream):
    run(stores, lambda events: events.append_events(["a"], [b"1"]))
    (key,) = stream.keys("default:seen:*")
    assert 14 * 86_400 < stream.ttl(key) <= 15 * 86_400


def test_many_ids_cost_at_most_16_bytes_each(stores, stream):
    """Of one set, as large as the sets of a shop with 33 million events a week get."""
    numbers = [fingerprint(f"event-{n}")[1] for n in range(1_000)]
    stream.sadd("default:seen:0:0", *numbers)
    assert stream.object("encoding", "default:seen:0:0") == b"intset"
    assert stream.memory_usage("default:seen:0:0", samples=0) / 1_000 < 16
    assert {fingerprint(f"event-{n}")[0] for n in range(10_000)} <= set(range(BUCKETS))


def test_rows_of_other_kinds_are_appended_as_they_come(stores, stream):
    run(stores, lambda events: events.append("items", [b'{"a":1}', b'{"a":2}']))
    assert entries(stream) == [(b"items", b'{"a":1}\n{"a":2}')]


def test_a_full_stream_refuses_and_a_repeat_after_room_was_made_counts_once(stores, stream):
    limit = stream.config_get("maxmemory")["maxmemory"]

    async def use(events):
        return await events.append_events(["a"], [json.dumps("x" * 100).encode()])

    stream.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable) as refused:
            run(stores, use)
    finally:
        stream.config_set("maxmemory", limit)
    assert refused.value.code == "stream_full"
    assert run(stores, use) == [True]
    assert run(stores, use) == [False]


def test_a_stream_that_is_away_is_told_to_every_caller(tmp_path):
    async def use():
        client = open_async(f"unix://{tmp_path}/nobody.sock", "HAWKER_STREAM_URL", seconds=1)
        events = EventStream(client, "default")
        told = await asyncio.gather(
            events.append_events(["a"], [b"1"]),
            events.append_events(["b"], [b"1"]),
            events.append("items", [b"1"]),
            return_exceptions=True,
        )
        await client.aclose()
        return told

    assert {type(each) for each in asyncio.run(use())} == {StoreUnavailable}
