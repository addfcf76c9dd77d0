"""Live person: how one person's profile is written down in the live store, and read again.

A head (first and last seen, start of the session, counters, first and last touch) and two tails of events, each event
behind its length. The script that records reads and writes the same form.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.events import TYPE_CODES

_HEAD = struct.Struct("<BIIIHHHH")
_TIME = struct.Struct("<d")
_LONGEST_SOURCE = 40  # bytes
_RECORD = struct.Struct("<BIeI")  # type code, time, quantity, hash of the event's id; the item's id follows


class LiveEvent(NamedTuple):
    """What a profile keeps of an event. `time` is epoch seconds."""

    event_id: str
    user_id: str | None
    session_id: str | None
    item_id: str | None
    type: str
    time: float
    quantity: float = 1.0
    source: str | None = None


class Touch(NamedTuple):
    """Where a visit came from, and when (epoch seconds; 0 where an older form did not keep it). Ordered by both."""

    time: float
    source: str


@dataclass(frozen=True, slots=True)
class TailEvent:
    """One remembered event. `time` is epoch seconds."""

    item_id: str
    type_code: int
    time: int
    quantity: float


@dataclass(frozen=True, slots=True)
class LivePerson:
    """What is known of one person right now; times are epoch seconds, counters end at 65,535."""

    first_seen: int
    last_seen: int
    session_start: int
    views: int
    searches: int
    purchases: int
    others: int
    first_touch: str
    last_touch: str
    tail: tuple[TailEvent, ...]
    first_touch_at: float = 0.0
    last_touch_at: float = 0.0


def packed(event: LiveEvent) -> bytes | None:
    """A record behind its length; None for an id that is too long or a type of the shop's own."""
    assert event.item_id is not None
    item, code = event.item_id.encode("utf-8", "surrogatepass"), TYPE_CODES.get(event.type)
    if code is None or len(item) > 200:
        return None
    mark = int.from_bytes(hashlib.blake2b(event.event_id.encode(), digest_size=4).digest(), "little")
    record = _RECORD.pack(code, int(event.time), min(event.quantity, 60_000.0), mark) + item
    return bytes((len(record),)) + record


def _sections(value: bytes) -> tuple[tuple[Any, ...], bytes, bytes, bytes, bytes]:
    head, at = _HEAD.unpack_from(value), _HEAD.size
    touches = []
    for _ in range(2):
        size = value[at]
        touches.append(value[at + 1 : at + 1 + size])
        at += 1 + size
    size = int.from_bytes(value[at : at + 2], "little")
    at += 2
    return head, touches[0], touches[1], value[at : at + size], value[at + size :]


def unpacked(value: bytes) -> LivePerson:
    head, first_touch, last_touch, strong, light = _sections(value)
    tail = sorted((*_records(strong), *_records(light)), key=lambda each: each.time)
    first, last = _touch(first_touch), _touch(last_touch)
    views, searches, purchases, others = head[4:8]
    return LivePerson(
        head[1],
        head[2],
        head[3],
        views,
        searches,
        purchases,
        others,
        first.source,
        last.source,
        tuple(tail),
        first.time,
        last.time,
    )


def packed_touch(touch: Touch | None) -> bytes:
    """The mark of this form, the time, the source; nothing for nothing. Older touches are the source alone."""
    return b"" if touch is None else b"\x01" + _TIME.pack(touch.time) + touch.source.encode()[:_LONGEST_SOURCE]


def _touch(packed: bytes) -> Touch:
    if packed[:1] != b"\x01":
        return Touch(0.0, packed.decode(errors="replace"))
    return Touch(_TIME.unpack_from(packed, 1)[0], packed[1 + _TIME.size :].decode(errors="replace"))


def _records(tail: bytes) -> Iterable[TailEvent]:
    at = 0
    while at < len(tail):
        end = at + 1 + tail[at]
        code, time, quantity, _ = _RECORD.unpack_from(tail, at + 1)
        item = tail[at + 1 + _RECORD.size : end].decode("utf-8", "surrogatepass")
        yield TailEvent(item, code, time, quantity)
        at = end


def as_arguments(value: bytes) -> list[Any]:
    """A stored person as if all of it had happened now."""
    head, first_touch, last_touch, strong, light = _sections(value)
    return [strong, light, head[1], head[2], first_touch, last_touch]
