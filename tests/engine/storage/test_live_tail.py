"""The tail that a page reads is what `live_person` reads in words, laid behind the history."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from engine.events import TYPE_CODES
from engine.ids import IdMap
from engine.profile import Profile, unknown, with_tail
from engine.storage.live_person import LiveEvent, Touch, packed, packed_touch, unpacked
from engine.storage.live_tail import continued

KINDS = ("purchase", "view", "cart_add", "dismiss")
ITEMS = IdMap.of([f"i{number}" for number in range(50)] + ["界/1", "x" * 150, "\ud800"])


def written(strong=(), light=(), *, first=None, last=None):
    head = struct.pack("<BIIIHHHH", 1, 10, 20, 10, 1, 2, 3, 4)
    touches = [bytes((len(each),)) + each for each in (packed_touch(first), packed_touch(last))]
    tails = [b"".join(packed(each) for each in tail) for tail in (strong, light)]
    return head + b"".join(touches) + struct.pack("<H", len(tails[0])) + tails[0] + tails[1]


def event(item, kind="view", time=100, quantity=1.0):
    return LiveEvent(f"e{time}", "u", None, item, kind, time, quantity)


def some(rng, number):
    names = [*ITEMS.ids, "nobody's", ""]
    return [
        event(
            str(rng.choice(names)), str(rng.choice(KINDS)), int(rng.integers(90, 110)), float(rng.integers(1, 60_000))
        )
        for _ in range(number)
    ]


def oracle(profile, persons, since):
    tail = [each for person in persons for each in unpacked(person).tail if each.time >= since]
    rows = ITEMS.rows(each.item_id for each in tail)
    columns = (("type_code", np.uint8), ("time", np.int64), ("quantity", np.float32))
    rest = [np.array([getattr(each, name) for each in tail], kind)[rows >= 0] for name, kind in columns]
    return with_tail(profile, rows[rows >= 0], *rest)


def assert_same(found, expected):
    for name in ("items", "types", "times", "quantities"):
        mine, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_array_equal(mine, other, name)
        assert mine.dtype == other.dtype
    assert (found.row, found.is_stored, found.is_continued) == (expected.row, expected.is_stored, expected.is_continued)


@pytest.mark.parametrize("seed", range(40))
def test_it_is_what_the_words_say(seed):
    rng = np.random.default_rng(seed)
    touches = {"first": Touch(5.5, "ads"), "last": Touch(7.0, "é" * 20)} if seed % 2 else {}
    persons = [written(some(rng, rng.integers(12)), some(rng, rng.integers(12)), **touches) for _ in range(seed % 3)]
    n = int(rng.integers(4))
    stored = Profile(
        7,
        rng.integers(0, 50, n).astype(np.int32),
        np.ones(n, np.uint8),
        np.arange(n),
        np.ones(n, np.float32),
        is_stored=True,
    )
    for profile in (stored, unknown()):
        found = continued(profile, persons, 95.5, ITEMS)
        assert_same(found, oracle(profile, persons, 95.5))


def test_who_did_nothing_new_keeps_the_very_history():
    history = unknown(("said",))
    for persons in ([], [written()], [written([event("i1", time=3)])], [written([event("nobody's")]), written()]):
        assert continued(history, persons, 50, ITEMS) is history


def test_quantities_are_those_of_half_precision():
    for quantity in (0.0, 1.0, 0.1, 60_000.0, 6e-8, -2.5, 65_504.0, float("inf"), float("nan"), 1e-5):
        text = written([event("i1", "purchase", quantity=quantity)])
        found = continued(unknown(), [text], 0, ITEMS)
        assert_same(found, oracle(unknown(), [text], 0))
    assert found.types.tolist() == [TYPE_CODES["purchase"]]


def test_a_text_that_was_cut_gives_what_is_whole():
    text = written([event("i1"), event("i2", time=101)], [event("i3", time=102)], first=Touch(1.0, "ads"))
    whole = continued(unknown(), [text], 0, ITEMS).items.tolist()
    for end in range(1, len(text)):
        found = continued(unknown(), [text[:end]], 0, ITEMS).items.tolist()
        assert found == whole[: len(found)]
