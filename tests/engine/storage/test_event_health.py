"""What doctor says of a shop's events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from engine.storage.event_health import examine_events
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_tables import DEAD_LETTERS, EVENTS, ITEMS, SERVED

NOW = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path):
    return Lake(Home(tmp_path))


def send(lake, *events):
    rows = [
        {"event_id": f"e{number}", "time": NOW - timedelta(hours=1), "user_id": "u", **event}
        for number, event in enumerate(events)
    ]
    lake.append_events(pa.Table.from_pylist(rows, EVENTS.schema))


def findings(lake):
    return {each.name: each for each in examine_events(lake, NOW.timestamp()).findings}


def test_an_empty_shop_is_told_what_each_type_is_good_for(lake):
    health = examine_events(lake, NOW.timestamp())
    assert health.arrived == ()
    assert "nothing arrived within 7 days" in health.text()
    found = findings(lake)
    assert [name for name in ("view", "click", "exposure", "cart_add", "purchase") if found[name].ok] == []
    assert found["dead letters"].ok


def test_types_are_counted_within_the_window(lake):
    old = {"type": "view", "item_id": "a", "time": NOW - timedelta(days=8)}
    send(lake, {"type": "view", "item_id": "a"}, {"type": "view", "item_id": "a", "user_id": None}, old)
    (views,) = examine_events(lake, NOW.timestamp()).arrived
    assert (views.type, views.count, views.with_user) == ("view", 2, 0.5)


def test_what_events_lack_is_told_with_what_it_costs(lake):
    lake.put_items(pa.Table.from_pylist([{"item_id": "a"}], ITEMS.schema.empty_table().select(["item_id"]).schema))
    send(
        lake,
        {"type": "click", "item_id": "a"},
        {"type": "click", "item_id": "a", "recommendation_id": "r"},
        {"type": "purchase", "item_id": "a", "order_id": "o", "amount": 5},
        {"type": "view", "item_id": "unknown"},
    )
    found = findings(lake)
    assert not found["clicks' lists"].ok
    assert found["clicks' lists"].sentence.startswith("1 of 2 click events name no recommendation_id")
    assert found["orders"].ok
    assert found["amounts"].ok
    assert found["items"].sentence.startswith("1 of 4 events are about items that the catalogue does not know")


def test_lists_are_followed_from_served_to_clicked(lake):
    rows = [{"recommendation_id": name, "time": NOW - timedelta(hours=2), "placement": "home"} for name in ("r1", "r2")]
    lake.take_from_stream("served", pa.Table.from_pylist(rows, SERVED.schema), 1)
    shown = [{"type": "exposure", "item_id": item, "recommendation_id": "r1"} for item in ("a", "b", "c", "d")]
    send(lake, *shown, {"type": "click", "item_id": "a", "recommendation_id": "r1"})
    found = findings(lake)["placement home"]
    assert found.ok
    assert found.sentence == "2 served, 1 shown, 4 exposures, 1 clicks; click-through 25.0%."


def test_sessions_that_nobody_merges_and_dead_letters_are_told(lake):
    send(lake, {"type": "view", "item_id": "a", "session_id": "s", "user_id": None})
    dead = [{"time": NOW - timedelta(hours=1), "kind": "events", "text": "{", "reason": "no JSON", "entry": "1-1"}]
    lake.take_from_stream("dead_letters", pa.Table.from_pylist(dead, DEAD_LETTERS.schema), 1)
    found = findings(lake)
    assert not found["sessions"].ok
    assert not found["dead letters"].ok
    assert found["dead letters"].sentence.startswith("1 rows")


def test_names_and_times_that_do_not_fit_the_served_lists_are_told(lake):
    served = [{"recommendation_id": "r1", "time": NOW - timedelta(hours=2), "placement": "home"}]
    lake.take_from_stream("served", pa.Table.from_pylist(served, SERVED.schema), 1)
    about = {"type": "exposure", "item_id": "a", "recommendation_id": "r1"}
    send(lake, about)
    well = findings(lake)
    assert (well["clocks"].ok, well["lists' names"].ok) == (True, True)
    others = [
        about | {"event_id": "early", "time": NOW - timedelta(hours=3)},
        about | {"event_id": "strange", "recommendation_id": "made-up"},
        about | {"event_id": "ahead", "time": NOW + timedelta(days=1)},
        about | {"event_id": "nowhere", "recommendation_id": None},
        {"event_id": "offer", "type": "exposure"},
    ]
    send(lake, *others)
    ill = findings(lake)
    assert ill["lists' names"].sentence.startswith("1 of 3 exposures and clicks name a list that was never served")
    assert ill["clocks"].sentence.startswith(
        "1 events lie ahead of the shop's clock, 1 of 3 before their list was served; correct the sender's clock"
    )
    assert ill["exposures' lists"].sentence.startswith("1 of 5 exposure events name no recommendation_id")


def test_a_deleted_item_is_known_and_types_that_would_help_are_no_fault(lake):
    rows = [{"item_id": "a", "deleted": True}]
    lake.put_items(pa.Table.from_pylist(rows, pa.schema([ITEMS.schema.field(name) for name in ("item_id", "deleted")])))
    send(lake, {"type": "search", "item_id": "a", "properties": "{}"})
    found = findings(lake)
    assert found["items"].ok
    assert found["would help"].ok
    assert "search" not in found["would help"].sentence
    assert "dismiss" in found["would help"].sentence
