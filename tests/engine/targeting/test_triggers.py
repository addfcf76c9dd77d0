"""Triggers: what they need, when they fire, and that no loop of events becomes a loop of messages."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from engine.errors import BadInput
from engine.targeting.campaign import checked_campaign
from engine.targeting.campaign_parts import Trigger
from engine.targeting.triggers import KINDS, Occurrence, calendar_moment, checked_trigger, fired, next_day

NOW = datetime(2026, 11, 8, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0


@pytest.mark.parametrize(
    ("on", "again", "more", "field"),
    [
        ("entered", None, {}, "trigger.segment"),
        ("entered", "PT10M", {"segment": "s"}, "trigger.again_after"),
        ("cart_left", None, {"after": "soon"}, "trigger.after"),
        ("cart_left", None, {"after": "P400D"}, "trigger.after"),
        ("birthday", None, {"after": "PT1H"}, "trigger.after"),
        ("calendar", None, {"day": "doomsday"}, "trigger.day"),
        ("calendar", None, {}, "trigger.day"),
        ("price_drop", None, {"least": 1.5}, "trigger.least"),
        ("price_drop", None, {"least": "much"}, "trigger.least"),
        ("tier_change", None, {}, "trigger.classification"),
        ("tier_change", None, {"classification": "levels", "class": 3}, "trigger.class"),
        ("full_moon", None, {}, "trigger.on"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused_by_name(on, again, more, field):
    with pytest.raises(BadInput) as told:
        checked_trigger(Trigger(on, again, more))
    assert told.value.field == field
    document = {"name": "x", "audience": {"users": ["u"]}, "channel": "email"}
    with pytest.raises(BadInput):
        checked_campaign({**document, "trigger": {"on": on, "again_after": again, **more}})


def test_every_kind_is_accepted_with_what_it_needs():
    more = {"entered": {"segment": "s"}, "calendar": {"day": "double_11"}, "tier_change": {"classification": "levels"}}
    for on in KINDS:
        checked_trigger(Trigger(on, "P30D", more.get(on, {})))


def test_a_loop_of_events_leads_to_one_message_and_to_the_next_when_again_after_is_over():
    once, again = Trigger("entered", None, {"segment": "s"}), Trigger("entered", "P30D", {"segment": "s"})
    loop = [Occurrence("u", NOW - minutes * 60) for minutes in range(1, 500)]
    first = fired(again, loop, {}, now=NOW)
    assert first == {"u": (0, NOW - 499 * 60)}
    assert fired(again, loop, first, now=NOW) == {}
    later = NOW + 30 * DAY
    assert fired(again, [Occurrence("u", later)], first, now=later) == {"u": (1, later)}
    assert fired(once, [Occurrence("u", later)], first, now=later) == {}


def test_what_is_to_come_or_long_past_leads_to_nothing_also_when_the_clock_jumps():
    trigger = Trigger("delivered", "P1D", {})
    assert fired(trigger, [Occurrence("u", NOW + 1), Occurrence("v", NOW - 3 * DAY)], {}, now=NOW) == {}
    told = fired(trigger, [Occurrence("u", NOW)], {}, now=NOW)
    back = NOW - 400 * DAY
    assert fired(trigger, [Occurrence("u", back)], told, now=back) == {}


def test_days_of_the_calendar_are_found_before_they_come():
    trigger = Trigger("calendar", None, {"day": "double_11", "before": "P3D"})
    zone = ZoneInfo("Asia/Shanghai")
    assert next_day(trigger, date(2026, 11, 8)) == date(2026, 11, 11)
    assert next_day(Trigger("calendar", None, {"day": "02-29"}), date(2026, 1, 1)) == date(2028, 2, 29)
    assert calendar_moment(trigger, NOW, zone) == datetime(2026, 11, 8, tzinfo=zone).timestamp()
    assert calendar_moment(trigger, NOW - DAY, zone) is None
    assert calendar_moment(trigger, NOW + 3 * DAY, zone) is None
    same_day = Trigger("calendar", None, {"day": "11-08"})
    assert calendar_moment(same_day, NOW, zone) == datetime(2026, 11, 8, tzinfo=zone).timestamp()
