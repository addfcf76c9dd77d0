"""Merged sessions and users: whose their events are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_tables import EVENTS, MERGES

START = datetime(2024, 1, 30, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path):
    return Lake(Home(tmp_path))


def tell_events(lake, **owners):
    """Events named by the keywords, each with its (user_id, session_id)."""
    rows = [
        {"event_id": name, "type": "view", "time": START, "user_id": user, "session_id": session}
        for name, (user, session) in owners.items()
    ]
    lake.append_events(pa.Table.from_pylist(rows, EVENTS.schema))


def merge(lake, *told):
    """Merges (kind, id, user_id), a second apart, and those of a later call a minute later."""
    position = lake.position("merges") + 1
    rows = [
        {"kind": kind, "id": name, "user_id": user, "time": START + timedelta(minutes=position, seconds=number)}
        for number, (kind, name, user) in enumerate(told)
    ]
    lake.take_from_stream("merges", pa.Table.from_pylist(rows, MERGES.schema), position)


def owners(lake):
    return {each["event_id"]: each["user_id"] for each in lake.events(["event_id", "user_id"]).to_pylist()}


def test_events_of_a_merged_session_are_the_users_unless_they_name_one(lake):
    tell_events(lake, a=(None, "s"), b=("other", "s"), c=(None, "t"), d=(None, None))
    merge(lake, ("session", "s", "u"))
    assert owners(lake) == {"a": "u", "b": "other", "c": None, "d": None}
    assert lake.query("SELECT event_id FROM events WHERE user_id = 'u'")["event_id"].to_pylist() == ["a"]


def test_a_chain_of_merges_is_followed_to_its_end(lake):
    tell_events(lake, a=(None, "s"), b=("u1", None), c=("u2", None), d=("u3", None))
    merge(lake, ("session", "s", "u1"), ("user", "u1", "u2"), ("user", "u2", "u3"))
    assert set(owners(lake).values()) == {"u3"}


def test_a_user_and_a_session_of_the_same_id_are_two(lake):
    tell_events(lake, a=(None, "x"), b=("x", None))
    merge(lake, ("session", "x", "u"))
    assert owners(lake) == {"a": "u", "b": "x"}


def test_users_merged_in_a_circle_are_one_person_with_those_who_lead_into_it(lake):
    tell_events(lake, a=("u1", None), b=("u2", None), c=("u3", None), d=("u4", None))
    merge(lake, ("user", "u2", "u1"), ("user", "u1", "u3"), ("user", "u3", "u2"), ("user", "u4", "u2"))
    merge(lake, ("user", "u5", "u5"))
    assert set(owners(lake).values()) == {"u1"}


def test_the_last_merge_of_a_session_counts_and_a_repeated_one_doubles_nothing(lake):
    tell_events(lake, a=(None, "s"))
    merge(lake, ("session", "s", "u"), ("session", "s", "u"))
    merge(lake, ("session", "s", "v"))
    assert owners(lake) == {"a": "v"}
    assert lake.query("SELECT count(*) AS n FROM events").to_pylist() == [{"n": 1}]


def test_bounds_in_time_and_the_schema_hold_with_merges_too(lake):
    tell_events(lake, a=(None, "s"))
    merge(lake, ("session", "s", "u"))
    assert lake.events().schema == EVENTS.schema
    assert lake.events(since=START).num_rows == 1
    assert lake.events(until=START).num_rows == 0


def test_a_lake_at_older_versions_knows_no_later_merge(lake):
    tell_events(lake, a=(None, "s"))
    before = lake.versions()
    merge(lake, ("session", "s", "u"))
    assert owners(lake.at(before)) == {"a": None}
    assert owners(lake) == {"a": "u"}


def test_an_event_of_a_merged_session_is_still_recognised_as_stored(lake):
    tell_events(lake, a=(None, "s"))
    merge(lake, ("session", "s", "u"))
    tell_events(lake, a=(None, "s"))
    assert owners(lake) == {"a": "u"}
