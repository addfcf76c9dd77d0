"""The drain: brings what the stream holds into the lake, each row once, and then gives the stream its memory back.

One process drains a shop (its worker holds a lock), so that the stream's own order is all its books: read
from the beginning, write a table a kind, trim. Each write carries the position in the stream that it goes up to, in
the same Delta transaction; whoever is killed between writing and trimming finds that position and goes on behind it.
A row that no table can hold goes to `dead_letters` with the reason, so that nothing waits behind it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from engine.errors import BadInput
from engine.storage.event_stream import stream_key
from engine.storage.lake import Lake
from engine.storage.lake_tables import DEAD_LETTERS, LAKE_TABLES, UTC_MICROSECONDS, LakeTable
from engine.storage.online import Client

#: Entries are read until they hold so many bytes, or there are no more; one entry holds at most about a megabyte.
_BYTES_A_ROUND = 16 * 2**20
_ENTRIES_A_READ = 128
_SEQUENCE_BITS = 20  # of a position: a stream hands out at most a million ids a millisecond


@dataclass(frozen=True, slots=True)
class Entry:
    """One append. `position` grows along the stream and fits 63 bits."""

    id: str
    position: int
    kind: str
    rows: bytes


@dataclass(frozen=True, slots=True)
class Drained:
    """What one round brought over; `more` says that it was full and left something behind."""

    more: bool
    rows: int
    stored: int
    dead: int


class Drain:
    """Brings one shop's stream into its lake; not for two processes at once."""

    def __init__(self, lake: Lake, client: Client, shop: str) -> None:
        self._lake = lake
        self._client = client
        self._key = stream_key(shop)

    def round(self, now: float) -> Drained:
        """One batch, oldest entries first; nothing is done where the stream is empty. `now` dates dead letters.

        Raises StoreUnavailable or the store's error when one of both is away: repeat it later, nothing is lost.
        """
        entries, more = self._read()
        if not entries:
            return Drained(False, 0, 0, 0)
        rows = stored = 0
        dead: list[dict[str, Any]] = []
        for kind in dict.fromkeys(each.kind for each in entries):
            mine = [each for each in entries if each.kind == kind]
            if kind not in LAKE_TABLES or kind == DEAD_LETTERS.name:
                dead += [_dead(each, each.rows, f"no table is called {kind!r}", now) for each in mine]
                continue
            known = self._lake.position(kind)
            fresh = [each for each in mine if each.position > known]
            if fresh:
                table, faulty = _readable(LAKE_TABLES[kind], fresh, now)
                dead += faulty
                rows += table.num_rows
                stored += self._lake.take_from_stream(kind, table, fresh[-1].position)
        self._bury(dead, entries[-1].position)
        self._client.xtrim(self._key, minid=_after(entries[-1].id), approximate=False)
        return Drained(more, rows, stored, len(dead))

    def waiting(self) -> tuple[int, float]:
        """Entries not drained yet, and when the oldest was written (epoch seconds, 0 without any)."""
        first: Any = self._client.xrange(self._key, count=1)
        length: Any = self._client.xlen(self._key)
        return int(length), int(first[0][0].split(b"-")[0]) / 1_000 if first else 0.0

    def _read(self) -> tuple[list[Entry], bool]:
        entries: list[Entry] = []
        since, size = "-", 0
        while size < _BYTES_A_ROUND:
            found: Any = self._client.xrange(self._key, min=since, count=_ENTRIES_A_READ)
            for raw_id, fields in found:
                name = raw_id.decode()
                entries.append(Entry(name, _position(name), fields[b"kind"].decode(), fields[b"rows"]))
                size += len(fields[b"rows"])
            if len(found) < _ENTRIES_A_READ:
                return entries, False
            since = f"({entries[-1].id}"
        return entries, True

    def _bury(self, dead: Sequence[dict[str, Any]], position: int) -> None:
        # A repeated round finds its dead letters stored already.
        if dead and self._lake.position(DEAD_LETTERS.name) < position:
            self._lake.take_from_stream(
                DEAD_LETTERS.name, pa.Table.from_pylist(list(dead), DEAD_LETTERS.schema), position
            )


def _position(entry_id: str) -> int:
    milliseconds, sequence = entry_id.split("-")
    return int(milliseconds) << _SEQUENCE_BITS | int(sequence)


def _after(entry_id: str) -> str:
    milliseconds, sequence = entry_id.split("-")
    return f"{milliseconds}-{int(sequence) + 1}"


def _readable(table: LakeTable, entries: Sequence[Entry], now: float) -> tuple[pa.Table, list[dict[str, Any]]]:
    """The rows of the entries as the table's columns; those that do not fit it, as dead letters."""
    try:
        return _parsed(table, b"\n".join(each.rows for each in entries)), []
    except (pa.ArrowException, BadInput):
        pass  # somewhere in there: looked for row by row
    good: list[pa.Table] = [table.schema.empty_table()]
    dead = []
    for entry in entries:
        for line in entry.rows.splitlines():
            try:
                good.append(_parsed(table, line))
            except (pa.ArrowException, BadInput, UnicodeDecodeError) as error:
                dead.append(_dead(entry, line, str(error).splitlines()[0], now))
    return pa.concat_tables(good), dead


def _parsed(table: LakeTable, lines: bytes) -> pa.Table:
    # Times travel as whole microseconds, which Arrow's reader of JSON does not take for times.
    told = pa.schema([(f.name, pa.int64() if f.type == UTC_MICROSECONDS else f.type) for f in table.schema])
    options = pj.ParseOptions(explicit_schema=told, unexpected_field_behavior="error")
    rows = pj.read_json(
        io.BytesIO(lines), read_options=pj.ReadOptions(use_threads=False, block_size=2**26), parse_options=options
    ).cast(table.schema)
    for name in table.required:
        if rows[name].null_count:
            raise BadInput(f"a row has no {name}", field=name)
    if "attributes" in table.schema.names and not all(map(_is_object, rows["attributes"].to_pylist())):
        raise BadInput("attributes is no JSON object", field="attributes")
    if table.partition and not pc.all(pc.greater_equal(rows["time"].cast(pa.int64()), 0), min_count=0).as_py():
        raise BadInput("a time lies before 1970", field="time")
    return rows


def _is_object(text: str | None) -> bool:
    try:
        return text is None or isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _dead(entry: Entry, text: bytes, reason: str, now: float) -> dict[str, Any]:
    return {
        "time": round(now * 1e6),
        "kind": entry.kind,
        "text": text.decode("utf-8", "replace"),
        "reason": reason,
        "entry": entry.id,
    }
