"""The drain: each row of the stream once in the lake, whatever happens between the steps."""

from __future__ import annotations

import json

import pytest

from engine.storage.drain import Drain, Drained
from engine.storage.home import Home
from engine.storage.lake import Lake

NOW = 1_750_000_000
KEY = "default:stream"


@pytest.fixture
def lake(tmp_path):
    return Lake(Home(tmp_path))


@pytest.fixture
def drain(lake, stream):
    return Drain(lake, stream, "default")


def event(name, **more):
    return {"event_id": name, "type": "view", "time": NOW * 1_000_000, "user_id": "u", "item_id": "i", **more}


def append(stream, kind, *rows):
    lines = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in rows)
    return stream.xadd(KEY, {"kind": kind, "rows": lines})


def stored(lake):
    return sorted(lake.events(["event_id"])["event_id"].to_pylist())


def test_an_empty_stream_is_nothing_to_do(drain, lake):
    assert drain.round(NOW) == Drained(more=False, rows=0, stored=0, dead=0)
    assert set(lake.versions().values()) == {-1}


def test_rows_reach_their_tables_and_the_stream_is_empty_afterwards(drain, lake, stream):
    append(stream, "events", event("a"), event("b", properties='{"x": 1}'))
    append(stream, "items", {"item_id": "i", "price": 100, "attributes": '{"b": 1}'})
    append(stream, "events", event("c"))
    append(stream, "items", {"item_id": "i", "price": 90})
    append(stream, "served", {"recommendation_id": "r", "time": NOW * 1_000_000, "item_ids": ["i"]})
    done = drain.round(NOW)
    assert (done.rows, done.dead) == (6, 0)
    assert stored(lake) == ["a", "b", "c"]
    assert lake.items().to_pylist()[0]["price"] == 90  # the last word
    assert lake.query("SELECT item_ids FROM served").to_pylist() == [{"item_ids": ["i"]}]
    assert stream.xlen(KEY) == 0
    assert drain.waiting() == (0, 0.0)


def test_a_round_that_was_killed_after_writing_is_not_written_again(drain, lake, stream, tmp_path):
    append(stream, "events", event("a"))
    append(stream, "merges", {"kind": "session", "id": "s", "user_id": "u"})
    kept = stream.dump(KEY)
    drain.round(NOW)
    stream.restore(KEY, 0, kept, replace=True)  # as if the trimming had not happened
    append(stream, "events", event("b"))
    append(stream, "merges", {"kind": "session", "id": "t", "user_id": "u"})
    drain.round(NOW)
    assert stored(lake) == ["a", "b"]
    assert sorted(lake.query("SELECT id FROM merges")["id"].to_pylist()) == ["s", "t"]


def test_an_event_that_is_in_the_lake_already_stays_single(drain, lake, stream):
    append(stream, "events", event("a"), event("a"))
    drain.round(NOW)
    append(stream, "events", event("a"), event("b"))
    drain.round(NOW)
    assert stored(lake) == ["a", "b"]


def test_rows_that_no_table_can_hold_are_buried_with_the_reason_and_nothing_waits_behind_them(drain, lake, stream):
    append(stream, "events", event("a"), event("bad", time="soon"), "{nonsense", {"event_id": "no type"})
    append(stream, "events", event("odd", colour="red"))
    append(stream, "riddles", "x")
    append(stream, "users", {"user_id": "u", "attributes": "[1]"})
    append(stream, "events", event("b"))
    done = drain.round(NOW)
    assert (done.rows, done.dead) == (2, 6)
    assert stored(lake) == ["a", "b"]
    letters = lake.query("SELECT * FROM dead_letters ORDER BY text").to_pylist()
    assert all(each["reason"] for each in letters)
    assert {each["kind"] for each in letters} == {"events", "riddles", "users"}
    assert stream.xlen(KEY) == 0


def test_many_small_files_become_few_and_hold_the_same(drain, lake, stream):
    for number in range(6):
        append(stream, "events", event(f"e{number}"))
        drain.round(NOW)
    before = lake.versions()
    assert not lake.compact("events", more_files_than=6, retention_days=30)
    assert lake.compact("events", more_files_than=5, retention_days=30)
    assert stored(lake) == [f"e{number}" for number in range(6)]
    assert stored(lake.at(before)) == stored(lake)  # what a training run named stays readable
    append(stream, "events", event("e0"), event("e6"))
    drain.round(NOW)
    assert stored(lake) == [f"e{number}" for number in range(7)]
