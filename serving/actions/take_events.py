"""Take events: check each, make what is new durable, let the profiles know. HTTP and the Segment API come here."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from engine.errors import StoreUnavailable
from engine.event_check import Refusal, check_event
from engine.storage.live_person import LiveEvent
from engine.storage.online import StoreError
from serving.runtime import Runtime
from serving.wire import as_verdicts

log = logging.getLogger("hawker.events")

MOST_EVENTS = 1_000
MOST_ROW_BYTES = 32_768
#: NUL as orjson writes it. An even number of backslashes before it are texts of their own.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of a batch; `rejected` are places in it with the reason."""

    accepted: int
    duplicates: int
    rejected: Sequence[tuple[int, Refusal]]

    def as_json(self) -> dict[str, Any]:
        return {"accepted": self.accepted, "duplicates": self.duplicates, "rejected": as_verdicts(self.rejected)}


async def take_events(
    runtime: Runtime, wire_events: Sequence[Any], *, now: float, create_missing: bool = True, dry_run: bool = False
) -> Verdicts:
    """The verdict on each event; what is accepted is on the disk, and the next request knows of it.

    `dry_run` says the same and stores nothing. Without `create_missing` an event about an item that the catalogue does
    not know is rejected. Raises StoreUnavailable (and Overloaded) when the stream cannot take them: none was accepted.
    """
    rows, rejected = _checked(runtime, wire_events, now, create_missing)
    if dry_run:
        return _counted(runtime, len(rows), 0, rejected, dry_run=True)
    stream, pressure = runtime.doors.stream, runtime.doors.pressure
    if stream is None or pressure is None:
        raise StoreUnavailable("this storefront runs without an event stream; start it with `hawker serve`")
    pressure.check()
    fresh = await stream.append_events([row["event_id"] for row, _ in rows], [text for _, text in rows])
    await _let_profiles_know(runtime, [row for row, _ in rows])
    accepted = sum(fresh)
    return _counted(runtime, accepted, len(rows) - accepted, rejected)


def _checked(
    runtime: Runtime, wire_events: Sequence[Any], now: float, create_missing: bool
) -> tuple[list[tuple[dict[str, Any], bytes]], list[tuple[int, Refusal]]]:
    terms, rows, rejected = runtime.terms(now), [], []
    unknown = frozenset() if create_missing else _unknown_items(runtime, wire_events)
    for place, given in enumerate(wire_events):
        row = check_event(given, terms)
        if isinstance(row, Refusal):
            rejected.append((place, row))
        elif row.get("item_id") in unknown:
            told = "item_id: the catalogue has no such item; put it first, or send create_missing true"
            rejected.append((place, Refusal("unknown_item", "item_id", told)))
        elif isinstance(text := _encoded(row), Refusal):
            rejected.append((place, text))
        else:
            rows.append((row, text))
    return rows, rejected


def _unknown_items(runtime: Runtime, wire_events: Sequence[Any]) -> frozenset[str]:
    named = {each.get("item_id") for each in wire_events if type(each) is dict and type(each.get("item_id")) is str}
    items = runtime.live.bundle.items if runtime.live else None
    return frozenset(each for each in named if type(each) is str and (items is None or items.row(each) < 0))


def _encoded(row: dict[str, Any]) -> bytes | Refusal:
    """The row as the lake's JSON line, in which `properties` is a text."""
    try:
        properties = row.pop("properties", None)
        if properties:
            written = orjson.dumps(properties)
            if b"u0000" in written and _NUL.search(written):
                told = "properties.custom: must not hold the character NUL"
                return Refusal("bad_properties", "properties.custom", told)
            row["properties"] = written.decode()
        text = orjson.dumps(row)
    except TypeError:  # half a surrogate pair, or an object within 254 others
        told = "properties.custom: holds text that is none, or is nested too deeply"
        return Refusal("bad_properties", "properties.custom", told)
    if len(text) > MOST_ROW_BYTES:
        return Refusal("too_large", "properties", f"properties: an event holds at most {MOST_ROW_BYTES} bytes")
    return text


async def _let_profiles_know(runtime: Runtime, rows: Sequence[dict[str, Any]]) -> None:
    """Of repeated events too: the first try may have ended here. A failure costs freshness, not the event."""
    profiles = runtime.doors.profiles
    if profiles is None:
        return
    events = [
        LiveEvent(
            row["event_id"],
            row.get("user_id"),
            row.get("session_id"),
            row.get("item_id"),
            row["type"],
            row["time"] / 1e6,
            row["quantity"],
            row.get("source"),
        )
        for row in rows
    ]
    try:
        await profiles.record(events)
    except (StoreError, OSError) as error:
        runtime.metrics.profiles_behind.inc(len(events))
        log.debug("the live profiles missed %d events: %s", len(events), error)


def _counted(
    runtime: Runtime, accepted: int, duplicates: int, rejected: Sequence[tuple[int, Refusal]], *, dry_run: bool = False
) -> Verdicts:
    if not dry_run:
        counts = {"accepted": accepted, "duplicate": duplicates, "rejected": len(rejected)}
        for verdict, number in counts.items():
            runtime.metrics.events.labels(verdict).inc(number)
    return Verdicts(accepted, duplicates, rejected)
