"""Which events are taken, and what the others are told."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.event_check import FIELDS, Refusal, Terms, check_event
from engine.event_properties import COMMON, OF_TYPE
from engine.events import EVENT_TYPES, WITHOUT_ITEM, own_types

NOW = 1_750_000_000.0
TERMS = Terms(NOW, own_types={"quiz"})
VIEW = {"event_id": "e1", "type": "view", "user_id": "u", "item_id": "i"}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def checked(**changes):
    return check_event({**VIEW, **changes}, TERMS)


def field_of(found):
    assert isinstance(found, Refusal), found
    assert found.message and (found.field is None or found.message.startswith(found.field))
    return found.field


def test_a_plain_event_becomes_a_row_of_now():
    assert check_event(VIEW, TERMS) == {**VIEW, "time": 1_750_000_000_000_000, "quantity": 1.0}


def test_nulls_say_nothing():
    assert checked(session_id=None, amount=None, properties=None, time=None) == check_event(VIEW, TERMS)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_id": None}, "event_id"),
        ({"event_id": 7}, "event_id"),
        ({"event_id": ""}, "event_id"),
        ({"event_id": "x" * 513}, "event_id"),
        ({"event_id": "界" * 200}, "event_id"),
        ({"item_id": "a\0"}, "item_id"),
        ({"item_id": "\ud800"}, "item_id"),
        ({"user_id": None}, "user_id"),
        ({"user_id": ["u"]}, "user_id"),
        ({"type": "vieww"}, "type"),
        ({"type": None}, "type"),
        ({"type": []}, "type"),
        ({"item_id": None}, "item_id"),
        ({"time": "2025-06-15T10:00:00"}, "time"),
        ({"time": "yesterday"}, "time"),
        ({"time": 1_750_000_000}, "time"),
        ({"time": "9999-12-31T23:59:59Z"}, "time"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "time"),
        ({"time": "2020-01-01T00:00:00Z"}, "time"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"quantity": math.nan}, "quantity"),
        ({"quantity": math.inf}, "quantity"),
        ({"quantity": "2"}, "quantity"),
        ({"amount": 1.5}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 2**63}, "amount"),
        ({"amount": True}, "amount"),
        ({"list_amount": "9"}, "list_amount"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "EURO"}, "currency"),
        ({"source": "tv"}, "source"),
        ({"price": 3}, "price"),
        ({"properties": []}, "properties"),
        ({"properties": {"colour": "red"}}, "properties.colour"),
        ({"properties": {"position": -1}}, "properties.position"),
        ({"properties": {"custom": 3}}, "properties.custom"),
        ({"properties": {"url": "x" * 5_000}}, "properties.url"),
        ({"type": "search"}, "properties.query"),
        ({"type": "search", "properties": {"results": 3}}, "properties.query"),
        ({"type": "rating", "properties": {"value": "5"}}, "properties.value"),
        ({"type": "survey", "properties": {"score": 3, "aspect": "taste"}}, "properties.aspect"),
        ({"type": "review", "properties": {"aspects": {"fit": "good"}}}, "properties.aspects"),
        ({"type": "review", "properties": {"sentiment": 2}}, "properties.sentiment"),
        ({"type": "delivered"}, "order_id"),
        ({"type": "delivered", "order_id": "o", "properties": {"promised_at": "soon"}}, "properties.promised_at"),
        ({"type": "coupon_redeem"}, "coupon_code"),
    ],
)
def test_what_is_wrong_is_named(changes, field):
    assert field_of(checked(**changes)) == field


def test_a_clock_that_is_a_little_ahead_is_taken_for_now_and_one_further_ahead_refused():
    assert checked(time="2025-06-15T15:15:00Z")["time"] == NOW * 1e6  # 8 minutes ahead
    assert checked(time="2025-06-15T15:30:00Z").code == "in_future"


def test_times_of_any_zone_are_kept_to_the_microsecond():
    assert checked(time="2025-06-15T20:00:00.123456+08:00")["time"] == 1_749_988_800_123_456


def test_a_shops_own_type_needs_no_item_and_keeps_its_words_under_custom():
    row = check_event({"event_id": "e", "type": "quiz", "session_id": "s", "properties": {"custom": {"a": [1]}}}, TERMS)
    assert row["properties"] == {"custom": {"a": [1]}}


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), anything))
def test_whatever_comes_is_taken_or_refused_with_its_field(given_event):
    found = check_event({**VIEW, **given_event}, TERMS)
    assert isinstance(found, dict) or field_of(found)


@given(anything)
def test_what_is_no_object_is_refused(value):
    if not isinstance(value, dict):
        assert check_event(value, TERMS).code == "bad_event"


def test_the_tables_of_types_and_properties_fit_each_other():
    assert set(OF_TYPE) <= set(EVENT_TYPES) and set(EVENT_TYPES) > WITHOUT_ITEM
    shared = {each.name for each in COMMON}
    assert all(not shared & {each.name for each in part} for part in OF_TYPE.values())


def test_own_types_are_read_from_one_line():
    (quiz, walk) = own_types("quiz:0.2:30, walk_by:0:7")
    assert (quiz.name, quiz.weight, quiz.half_life_days, walk.name) == ("quiz", 0.2, 30.0, "walk_by")
    assert own_types("") == ()


@pytest.mark.parametrize("text", ["view:1:1", "Quiz:1:1", "quiz", "quiz:x:1", "quiz:1:0", "quiz:nan:1", "q:1:1,q:1:1"])
def test_own_types_that_cannot_be_are_refused(text):
    with pytest.raises(ValueError):
        own_types(text)
