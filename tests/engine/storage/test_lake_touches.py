"""First and last touch: the lake and the live profiles say the same."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from engine.events import TRAFFIC_SOURCES
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_tables import EVENTS
from engine.storage.lake_touches import touches_sql
from engine.storage.live_person import LiveEvent
from engine.storage.live_profiles import LiveProfiles
from engine.storage.online import open_async

START = datetime(2026, 1, 30, tzinfo=UTC)


def stored(tmp_path, *rows):
    lake = Lake(Home(tmp_path))
    whole = [{"event_id": f"e{place}", "type": "landing", "time": START, **row} for place, row in enumerate(rows)]
    lake.append_events(pa.Table.from_pylist(whole, EVENTS.schema))
    return lake


def test_a_touch_has_its_campaign_referrer_and_time_and_belongs_to_users_and_sessions(tmp_path):
    spring = json.dumps({"campaign": "spring", "referrer": "https://a.example/"})
    later = START + timedelta(hours=1)
    lake = stored(
        tmp_path,
        {"user_id": "u", "session_id": "s", "source": "social", "time": later},
        {"user_id": "u", "session_id": "s", "source": "paid", "properties": spring},
        {"user_id": "u", "session_id": "s", "time": later + timedelta(hours=1)},
        {"user_id": "quiet"},
    )
    (user,) = lake.query(touches_sql()).to_pylist()
    assert user == {
        "user_id": "u",
        "first_source": "paid",
        "first_campaign": "spring",
        "first_referrer": "https://a.example/",
        "first_touch_at": START,
        "last_source": "social",
        "last_campaign": None,
        "last_referrer": None,
        "last_touch_at": later,
    }
    (session,) = lake.query(touches_sql("session_id")).to_pylist()
    assert session.pop("session_id") == "s"
    assert session == {name: value for name, value in user.items() if name != "user_id"}


def test_the_lake_and_the_live_profiles_agree_on_random_events_in_any_order(tmp_path, stores, live):
    rng = np.random.default_rng(7)
    rows = [
        {
            "user_id": f"u{rng.integers(30)}",
            "time": START + timedelta(seconds=int(rng.integers(40)), microseconds=int(rng.integers(2))),
            "source": None if rng.random() < 0.3 else str(rng.choice(TRAFFIC_SOURCES)),
        }
        for _ in range(600)
    ]
    said = {row["user_id"]: row for row in stored(tmp_path, *rows).query(touches_sql()).to_pylist()}
    events = [
        LiveEvent(f"e{place}", row["user_id"], None, None, "landing", row["time"].timestamp(), 1.0, row["source"])
        for place, row in enumerate(rows)
    ]
    rng.shuffle(events)

    async def use():
        client = open_async(stores.live_url, "HAWKER_REDIS_URL", seconds=10)
        try:
            profiles, told = LiveProfiles(client, "default"), [LiveEvent(*each) for each in events]
            while told:
                size = int(rng.integers(1, 40))
                await profiles.record(told[:size])
                told = told[size:]
            return {user: (await profiles.read(user, None)).persons[0] for user in said}
        finally:
            await client.aclose()

    for user, person in asyncio.run(use()).items():
        row = said[user]
        assert (person.first_touch, person.last_touch) == (row["first_source"], row["last_source"])
        assert person.first_touch_at == row["first_touch_at"].timestamp()
        assert person.last_touch_at == row["last_touch_at"].timestamp()
