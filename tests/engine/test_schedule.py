"""When something that repeats is due again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.errors import BadInput
from engine.schedule import read_schedule
from engine.settings import read_settings


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def due(schedule: str, after: str, zone: str = "UTC") -> str:
    found = read_schedule(schedule)
    assert found is not None
    return datetime.fromtimestamp(found.next_after(at(after), zone), UTC).isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("90m", "2026-03-02T10:00+00:00", "2026-03-02T11:30+00:00"),
        ("6h", "2026-03-02T20:00+00:00", "2026-03-03T02:00+00:00"),
        ("2d", "2026-02-27T20:00+00:00", "2026-03-01T20:00+00:00"),
        ("03:30", "2026-03-02T03:29+00:00", "2026-03-02T03:30+00:00"),
        ("03:30", "2026-03-02T03:30+00:00", "2026-03-03T03:30+00:00"),
        ("sun 03:30", "2026-03-02T10:00+00:00", "2026-03-08T03:30+00:00"),  # the 2nd is a Monday
        ("mon,thu 03:30", "2026-03-02T03:30+00:00", "2026-03-05T03:30+00:00"),
        ("mon 03:30", "2026-03-02T03:30+00:00", "2026-03-09T03:30+00:00"),
    ],
)
def test_the_next_time_is_the_first_one_later(schedule, after, expected):
    assert due(schedule, after) == expected


def test_a_time_of_day_is_that_of_the_shops_zone():
    assert due("03:30", "2026-03-02T18:00+00:00", "Asia/Shanghai") == "2026-03-02T19:30+00:00"
    # Sunday there begins on Saturday here.
    assert due("sun 03:30", "2026-03-06T00:00+00:00", "Asia/Shanghai") == "2026-03-07T19:30+00:00"


def test_a_day_on_which_clocks_change_has_one_such_time():
    """In Rome 02:30 comes not at all on 2026-03-29, and twice on 2026-10-25."""
    assert due("02:30", "2026-03-28T12:00+00:00", "Europe/Rome") == "2026-03-29T01:30+00:00"
    assert due("02:30", "2026-03-29T01:30+00:00", "Europe/Rome") == "2026-03-30T00:30+00:00"
    first = due("02:30", "2026-10-24T12:00+00:00", "Europe/Rome")
    assert first == "2026-10-25T00:30+00:00"
    assert due("02:30", first, "Europe/Rome") == "2026-10-26T01:30+00:00"


def test_off_is_no_schedule():
    assert read_schedule("off") is None


@pytest.mark.parametrize(
    "text", ["on", "0h", "h", "-3h", "1.5h", "25:00", "3:30", "fry 03:30", "mon, 03:30", "400d", ""]
)
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(ValueError):
        read_schedule(text)


def test_a_setting_that_is_no_schedule_names_the_forms():
    with pytest.raises(BadInput, match=r"HAWKER_RETRAIN='daily' is not a valid value.*90m, 6h, 2d, 03:30") as refused:
        read_settings({"HAWKER_RETRAIN": "daily"})
    assert refused.value.field == "HAWKER_RETRAIN"
