"""Rebuild: what the live store should know, from the lake, which is the record.

Imported items and users, and everybody after a live store was lost. Documents are brought over only while the stream
is empty, so that nothing older than what a shop said last can win.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from engine.shop_documents import FIELDS, ID_FIELD, Kind
from engine.storage.event_stream import stream_key
from engine.storage.lake import Lake
from engine.storage.live_documents import LiveDocuments
from engine.storage.live_person import LiveEvent
from engine.storage.live_profiles import EXPIRY_DAYS, LiveProfiles
from engine.storage.online import AsyncClient

_BATCH = 1_000
#: Told of (what, done).
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many documents were brought over or corrected, and events and merges told to the profiles."""

    items: int = 0
    users: int = 0
    events: int = 0
    merges: int = 0


async def rebuild_documents(
    lake: Lake, live: AsyncClient, stream: AsyncClient, shop: str, *, say: Progress = lambda what, done: None
) -> Rebuilt | None:
    """Bring the lake's items and users to the live store where it says something else.

    None where the stream holds changes that the lake lacks: drain it first. Raises StoreUnavailable, or the store's own
    error.
    """
    documents, changed = LiveDocuments(live, shop), dict.fromkeys(get_args(Kind), 0)
    for kind in changed:
        for batch in _batches(documents_of(lake, kind), _BATCH):
            told = {each[ID_FIELD[kind]]: each for each in batch}
            async with documents.writing() as token:
                # Within the lock: whoever changes a document appends to the stream first.
                if await stream.xlen(stream_key(shop)):
                    return None
                known = dict(zip(told, await documents.get(kind, list(told)), strict=True))
                await documents.remember(kind, {name: each for name, each in told.items() if known[name] is None})
                news = {name: each for name, each in told.items() if known[name] not in (None, each)}
                if news:
                    await documents.put(kind, news, token=token)
            changed[kind] += sum(known[name] != each for name, each in told.items())
            say(kind, changed[kind])
    return Rebuilt(**changed)


async def rebuild_profiles(
    lake: Lake, live: AsyncClient, shop: str, *, now: float, say: Progress = lambda what, done: None
) -> Rebuilt:
    """Tell the profiles the merges and the events that they would still know; doing it again changes nothing."""
    profiles = LiveProfiles(live, shop)
    merges = lake.query("SELECT kind, id, user_id FROM merges ORDER BY time, kind, id").to_pylist()
    for each in merges:
        await profiles.merge(each["kind"], each["id"], each["user_id"])
    since = datetime.fromtimestamp(now, UTC) - timedelta(days=EXPIRY_DAYS)
    columns = ("event_id", "user_id", "session_id", "item_id", "type", "time", "quantity", "source")
    events = lake.events(columns, since=since).sort_by("time")
    for batch in events.to_batches(_BATCH):
        told = [row for row in batch.to_pylist() if row["user_id"] or row["session_id"]]
        plain = [{**row, "time": row["time"].timestamp(), "quantity": row["quantity"] or 1.0} for row in told]
        await profiles.record([LiveEvent(**row) for row in plain], trends=False)
        say("events", len(told))
    return Rebuilt(events=events.num_rows, merges=len(merges))


def documents_of(lake: Lake, kind: Kind) -> Iterator[dict[str, Any]]:
    """The rows of the lake as documents in wire form."""
    table = lake.items() if kind == "items" else lake.users()
    for batch in table.to_batches(_BATCH):
        for row in batch.to_pylist():
            document = {ID_FIELD[kind]: row[ID_FIELD[kind]]}
            if row["deleted"]:
                yield document | {"deleted": True}
                continue
            for name in FIELDS[kind]:
                value = row.get(name)
                if value is None or value == [] or (name == "available" and value):
                    continue
                if name == "attributes":
                    value = json.loads(value)
                elif isinstance(value, datetime):
                    value = value.isoformat()
                document[name] = value
            yield document


def _batches(rows: Iterator[dict[str, Any]], size: int) -> Iterator[Sequence[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
