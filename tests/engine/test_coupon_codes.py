"""Codes and counters by their names."""

from __future__ import annotations

import random
from datetime import date

import pytest

from engine.errors import BadInput
from engine.targeting.codes import ALPHABET, checked_code, checked_pattern, make_code
from engine.targeting.counting import Scope, counter_key, day_of, holds_of, scope_of


def test_a_code_keeps_its_pattern_and_draws_the_rest():
    chance = random.Random(1)
    codes = {make_code("A-############", chance.getrandbits) for _ in range(1_000)}
    assert len(codes) == 1_000
    assert all(code.startswith("A-") and set(code[2:]) <= set(ALPHABET) and len(code) == 14 for code in codes)


@pytest.mark.parametrize("pattern", ["", "###########", "ab-############", "#" * 65, "############ "])
def test_a_pattern_that_can_be_guessed_or_typed_wrong_is_refused(pattern):
    with pytest.raises(BadInput, match="pattern"):
        checked_pattern(pattern)


@pytest.mark.parametrize("code", ["", " A", "A\n", "A" * 65, "\u00e9", "\x00"])
def test_what_cannot_be_a_code_is_refused(code):
    with pytest.raises(BadInput, match="code"):
        checked_code(code)


def test_counters_are_apart_by_whom_and_by_the_shops_days():
    day = date(2026, 1, 1)
    keys = {
        counter_key(Scope("uses", of, per), "offer o", "u", day)
        for of in ("offer", "customer")
        for per in ("total", "day", "week", "month")
    }
    assert len(keys) == 8
    assert '"2026-W01"' in counter_key(Scope("uses", "offer", "week"), "offer o", None, day)
    assert '"2020-W53"' in counter_key(Scope("uses", "offer", "week"), "offer o", None, date(2021, 1, 3))
    assert day_of(1_767_222_000, "UTC") == date(2025, 12, 31)
    assert day_of(1_767_222_000, "Asia/Shanghai") == day


def test_a_limit_for_each_customer_needs_one():
    scope = scope_of("uses customer day")
    with pytest.raises(BadInput, match="name the user"):
        holds_of("o", None, None, caps={scope: 1}, counted=(), discount=5, day=date(2026, 1, 1))
    assert holds_of("o", None, None, caps={}, counted=[scope], discount=5, day=date(2026, 1, 1)) == ()
