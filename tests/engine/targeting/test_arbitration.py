"""Arbitration: one decision a customer, by the reason that decides, at the hours of the place where they live."""

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from engine.targeting.arbitration import REASONS, Due, Person, Purse, arbitrate, midnight, period_of, quiet_until
from engine.targeting.consents import Said

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
PERSON = Person("UTC", subscribed=True)
MAIL = Due("a", 0, "email", "marketing", cap=1, quiet=("22:00", "08:00"))
FREE = Purse({}, {})


def verdicts(messages, person=PERSON, now=NOON, purse=FREE):
    found = arbitrate(messages, person, now=now, purse=purse)
    return [(each.due.campaign_id, each.verdict, each.reason) for each in found]


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        ({"minor": True, "opted_out": True}, "skip", "minor"),
        ({"opted_out": True, "subscribed": None}, "skip", "opted_out"),
        ({"subscribed": None}, "skip", "no_consent"),
        ({"said": {("marketing", "all"): Said(granted=False, place=9)}}, "skip", "no_consent"),
        ({"has_address": False}, "skip", "no_address"),
        ({"complaint": True}, "wait", "suppressed"),
        ({"contacts": {("email", date(2026, 6, 1)): 1}}, "wait", "capped"),
        ({"contacts": {("email", date(2026, 5, 31)): 5, ("webhook", date(2026, 6, 1)): 5}}, "send", None),
        ({}, "send", None),
    ],
)
def test_the_first_reason_that_holds_decides(changes, verdict, reason):
    assert verdicts([MAIL], replace(PERSON, **changes)) == [("a", verdict, reason)]
    assert reason is None or reason in REASONS


def test_service_reaches_who_complains_but_not_who_refused_it():
    apology = replace(MAIL, purpose="service", cap=0)
    upset = replace(PERSON, complaint=True, subscribed=False, opted_out=True)
    assert verdicts([apology], upset) == [("a", "send", None)]
    refused = replace(upset, said={("service", "email"): Said(granted=False, place=1)})
    assert verdicts([apology], refused) == [("a", "skip", "no_consent")]


def test_under_a_cap_the_priority_decides_then_the_expected_value():
    dear, urgent = replace(MAIL, campaign_id="b", value=9.0), replace(MAIL, campaign_id="c", priority=1)
    assert verdicts([MAIL, dear, urgent]) == [("c", "send", None), ("b", "wait", "capped"), ("a", "wait", "capped")]
    assert verdicts([MAIL, dear])[0] == ("b", "send", None)
    capped = arbitrate([MAIL, dear], PERSON, now=NOON, purse=FREE)[1]
    assert capped.until == datetime(2026, 6, 2, tzinfo=UTC).timestamp()


def test_of_an_exclusion_group_one_campaign_reaches_a_customer():
    one, other = (replace(MAIL, campaign_id=name, exclusion_group="g", cap=9) for name in "ab")
    assert verdicts([one, other]) == [("a", "send", None), ("b", "skip", "exclusion_group")]
    assert verdicts([one, other], replace(PERSON, groups={"g": "b"})) == [
        ("a", "skip", "exclusion_group"),
        ("b", "send", None),
    ]


def test_a_message_that_is_counted_is_not_counted_against_itself():
    again = replace(MAIL, counted=date(2026, 6, 1))
    assert verdicts([again], replace(PERSON, contacts={("email", date(2026, 6, 1)): 1}))[0][1] == "send"


def test_budgets_end_a_campaign_and_quotas_hold_it_until_the_next_hour():
    messages = [replace(MAIL, step=step, cap=None, cost=40.0) for step in range(4)]
    purse = Purse({"a": (130.0, NOON + 60)}, {"a": 100.0})
    assert [each[1:] for each in verdicts(messages, purse=purse)] == [
        *([("send", None)] * 2),
        *([("skip", "budget")] * 2),
    ]
    purse = Purse({"a": (130.0, NOON + 60)}, {})
    found = arbitrate(messages, PERSON, now=NOON, purse=purse)
    assert [(each.verdict, each.until) for each in found] == [("send", None)] * 3 + [("wait", NOON + 60)]
    assert period_of(NOON, ZoneInfo("Asia/Shanghai"), "day") == ("day 2026-06-01", NOON + 4 * 3_600)
    assert period_of(NOON + 5, ZoneInfo("UTC"), "hour") == ("hour 2026-06-01T12Z", NOON + 3_600)


def test_who_would_wait_until_the_end_of_the_campaign_does_not_wait():
    soon = replace(MAIL, ends_at=NOON + 3_600)
    full = replace(PERSON, contacts={("email", date(2026, 6, 1)): 1})
    assert verdicts([soon], full) == [("a", "skip", "capped")]
    assert verdicts([soon], now=NOON + 3_600) == [("a", "skip", "ended")]


def test_the_day_and_the_night_are_those_of_the_customers_zone():
    shanghai = replace(PERSON, zone="Asia/Shanghai", contacts={("email", date(2026, 6, 2)): 1})
    night = datetime(2026, 6, 1, 16, 30, tzinfo=UTC).timestamp()  # half past midnight of the second of June there
    decision = arbitrate([MAIL], shanghai, now=night, purse=FREE)[0]
    assert (decision.reason, decision.until) == ("quiet", datetime(2026, 6, 2, tzinfo=UTC).timestamp())
    morning = arbitrate([MAIL], shanghai, now=night + 9 * 3_600, purse=FREE)[0]
    assert (morning.reason, morning.until) == ("capped", datetime(2026, 6, 2, 16, tzinfo=UTC).timestamp())
    for channel in ("storefront", "file"):
        assert verdicts([replace(MAIL, channel=channel)], replace(shanghai, contacts={}), now=night)[0][1] == "send"


def at(zone, *parts, fold=0):
    return datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold).timestamp()


@pytest.mark.parametrize(
    ("now", "window", "until"),
    [
        ((2026, 6, 1, 21, 59), ("22:00", "08:00"), None),
        ((2026, 6, 1, 22, 0), ("22:00", "08:00"), (2026, 6, 2, 8, 0)),
        ((2026, 6, 2, 7, 59), ("22:00", "08:00"), (2026, 6, 2, 8, 0)),
        ((2026, 6, 2, 8, 0), ("22:00", "08:00"), None),
        ((2026, 6, 2, 13, 0), ("12:00", "14:00"), (2026, 6, 2, 14, 0)),
        ((2026, 6, 2, 11, 0), ("12:00", "14:00"), None),
        ((2026, 6, 2, 11, 0), ("12:00", "12:00"), None),
        ((2026, 12, 31, 23, 0), ("22:00", "08:00"), (2027, 1, 1, 8, 0)),
    ],
)
def test_quiet_hours_end_where_they_say_also_over_midnight(now, window, until):
    expected = None if until is None else at("Europe/Berlin", *until)
    assert quiet_until(at("Europe/Berlin", *now), ZoneInfo("Europe/Berlin"), *window) == expected


def test_quiet_hours_heed_clocks_that_are_put_forward_and_back():
    berlin = ZoneInfo("Europe/Berlin")
    # 29 March 2026, 2:00 becomes 3:00: the night is an hour shorter, and half past two is when clocks land at 3:30.
    assert quiet_until(at("Europe/Berlin", 2026, 3, 28, 23), berlin, "22:00", "08:00") == at(
        "Europe/Berlin", 2026, 3, 29, 8
    )
    assert at("Europe/Berlin", 2026, 3, 29, 8) - at("Europe/Berlin", 2026, 3, 28, 23) == 8 * 3_600
    assert quiet_until(at("Europe/Berlin", 2026, 3, 29, 1), berlin, "00:00", "02:30") == at(
        "Europe/Berlin", 2026, 3, 29, 3, 30
    )
    # 25 October 2026, 3:00 becomes 2:00: each end of the window lies ahead, however often it is asked.
    first, second = (at("Europe/Berlin", 2026, 10, 25, 2, 30, fold=fold) for fold in (0, 1))
    assert quiet_until(first - 600, berlin, "00:00", "02:30") == first
    assert quiet_until(second - 600, berlin, "00:00", "02:30") == second
    now = at("Europe/Berlin", 2026, 10, 24, 22)
    while now < at("Europe/Berlin", 2026, 10, 25, 9):
        until = quiet_until(now, berlin, "22:00", "08:00")
        assert until is None or until > now
        now += 300
    assert midnight(date(2026, 10, 26), berlin) - midnight(date(2026, 10, 25), berlin) == 25 * 3_600
