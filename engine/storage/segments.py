"""Segments in the ledger: rules and lists that people define, with every version that they ever had."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from engine.errors import BadInput, UnknownThing
from engine.storage.ledger import Ledger, connection_of, rows_of

Kind = Literal["rule", "static"]
_Name = TypeVar("_Name")
_COLUMNS = (
    "segment_id, names, kind, version, definition, text, uses, members,"
    " created_at, created_by, updated_at, updated_by, archived_at, archived_by"
)
_TIMES = ("created_at", "updated_at", "archived_at")


@dataclass(frozen=True, slots=True)
class Segment:
    """`definition` and `text` are None for a static one, `members` for a rule. Times are aware datetimes."""

    id: str
    names: Mapping[str, str]
    kind: Kind
    version: int
    definition: Mapping[str, Any] | None
    text: str | None
    uses: Sequence[str]
    members: int | None
    created_at: datetime
    created_by: str | None
    updated_at: datetime
    updated_by: str | None
    archived_at: datetime | None
    archived_by: str | None

    def as_json(self) -> dict[str, Any]:
        told = {name.strip(): getattr(self, name.strip()) for name in _COLUMNS.split(",")[1:]}
        times = {name: told[name] and told[name].isoformat() for name in _TIMES}
        return {"segment_id": self.id, **told, **times}


@dataclass(frozen=True, slots=True)
class SegmentVersion:
    """A version as it was; `members` is how many a static segment had."""

    version: int
    definition: Mapping[str, Any] | None
    text: str | None
    members: int | None
    created_at: datetime
    created_by: str | None

    def as_json(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("version", "definition", "text", "members", "created_by")}
        return {**told, "created_at": self.created_at.isoformat()}


def find_segment(ledger: Ledger, segment_id: str) -> Segment:
    """Raises UnknownThing."""
    with connection_of(ledger) as connection:
        rows = (
            rows_of(connection, f"SELECT {_COLUMNS} FROM segments WHERE segment_id = :id", id=segment_id)
            if is_storable(segment_id)
            else []
        )
    if not rows:
        raise UnknownThing(f"there is no segment {segment_id!a}", code="unknown_segment", field="segment_id")
    return Segment(*rows[0])


def list_segments(ledger: Ledger, *, archived: bool = False, after: str = "", limit: int = 100) -> list[Segment]:
    """Segments by their ids, from the one behind `after` on; archived ones only where they are asked for."""
    if not is_storable(after):
        raise BadInput("after: names no segment", field="after")
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            f"SELECT {_COLUMNS} FROM segments WHERE segment_id > :after AND (archived_at IS NULL OR :archived)"
            " ORDER BY segment_id LIMIT :limit",
            after=after,
            archived=archived,
            limit=limit,
        )
    return [Segment(*row) for row in rows]


def live_segments(ledger: Ledger) -> list[Segment]:
    """All that are not archived, each behind those that its rule names."""
    with connection_of(ledger) as connection:
        rows = rows_of(connection, f"SELECT {_COLUMNS} FROM segments WHERE archived_at IS NULL ORDER BY segment_id")
    found = {each.id: each for each in (Segment(*row) for row in rows)}
    return [found[name] for name in in_turn({name: each.uses for name, each in found.items()})]


def in_turn(uses: Mapping[_Name, Collection[_Name]]) -> list[_Name]:
    """The names, each behind those of them that it uses."""
    waiting = dict(uses)
    ordered: list[_Name] = []
    while waiting:
        ready = [name for name, used in waiting.items() if not waiting.keys() & set(used)]
        for name in ready or list(waiting):  # edits keep circles out; a loop must end all the same
            del waiting[name]
            ordered.append(name)
    return ordered


def segment_versions(ledger: Ledger, segment_id: str) -> list[SegmentVersion]:
    """All versions, newest first. Raises UnknownThing."""
    with connection_of(ledger) as connection:
        find_segment(connection, segment_id)
        rows = rows_of(
            connection,
            "SELECT version, definition, text, members, created_at, created_by FROM segment_versions"
            " WHERE segment_id = :id ORDER BY version DESC",
            id=segment_id,
        )
    return [SegmentVersion(*row) for row in rows]


def dependents(ledger: Ledger, segment_id: str) -> list[str]:
    """What names this segment in its rule: segments that are in use, and classes as `classification/class`."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "SELECT segment_id FROM segments WHERE :id = ANY(uses) AND archived_at IS NULL"
            " UNION ALL SELECT classification_id || '/' || class_id FROM classes WHERE :id = ANY(uses) ORDER BY 1",
            id=segment_id,
        )
    return [name for (name,) in rows]


def is_storable(text: str) -> bool:
    """The ledger holds no NUL and no half characters, so that nothing in it is called so."""
    return "\0" not in text and not any(0xD800 <= ord(each) < 0xE000 for each in text)


def moment(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)
