"""Edits of segments. They are made one after another, so that two together cannot close a circle that neither would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from engine.errors import BadInput, NotAllowed
from engine.storage.class_rules import uses_of_classes
from engine.storage.ledger import Ledger, connection_of, rows_of
from engine.storage.segments import Segment, dependents, find_segment, live_segments, moment
from engine.targeting.definition import Definition
from engine.targeting.groups import groups
from engine.targeting.labels import checked_id, checked_names, definition_of, id_from
from engine.thresholds import read_thresholds

#: A segment that others name cannot go; so many of these are told.
_MOST_TOLD = 20
#: Ready-made groups, which rules may name too; their ids hold what no id of a segment may.
READY_MADE = frozenset(each.id for each in groups(read_thresholds("")))


def create_segment(
    ledger: Ledger,
    names: Any,
    *,
    definition: Definition | None,
    segment_id: Any = None,
    actor: str | None,
    now: float,
) -> Segment:
    """A new segment, static where there is no definition. Raises BadInput, NotAllowed for an id that is taken."""
    names = checked_names(names)
    wanted = checked_id(segment_id, "segment_id") if segment_id is not None else id_from(names)
    with connection_of(ledger) as connection:
        lock_definitions(connection)
        taken = {each for (each,) in rows_of(connection, "SELECT segment_id FROM segments")}
        if segment_id is not None and wanted in taken:
            raise NotAllowed(f"there is a segment {wanted!r} already", code="id_taken", field="segment_id")
        if wanted is None or wanted in taken:
            wanted = f"{(wanted or 'segment')[:55]}-{uuid4().hex[:8]}"
        if definition is not None:
            check_uses(connection, wanted, definition.uses)
        rows_of(
            connection,
            "INSERT INTO segments (segment_id, names, kind, version, definition, text, uses, members,"
            " created_at, created_by, updated_at, updated_by) VALUES (:id, CAST(:names AS JSONB), :kind, 1,"
            " CAST(:definition AS JSONB), :text, :uses, :members, :at, :actor, :at, :actor)",
            id=wanted,
            names=json.dumps(names),
            kind="static" if definition is None else "rule",
            members=0 if definition is None else None,
            at=moment(now),
            actor=actor,
            **columns_of(definition),
        )
        keep_version(connection, wanted)
        return find_segment(connection, wanted)


def edit_segment(
    ledger: Ledger,
    segment_id: str,
    *,
    names: Any = None,
    definition: Definition | None = None,
    version: int | None = None,
    actor: str | None,
    now: float,
) -> Segment:
    """Rename it, or give it another rule, which is its next version; the same rule again changes nothing.

    `version` is the one that the editor saw. Raises UnknownThing, BadInput, NotAllowed where somebody was faster.
    """
    with connection_of(ledger) as connection:
        lock_definitions(connection)
        found = find_segment(connection, segment_id)
        check_version(found, version)
        if definition is not None and found.kind == "static":
            raise NotAllowed(
                f"the segment {segment_id!r} is a list; upload its members, or make another one with a rule",
                code="is_static",
                field="definition",
            )
        new_names = found.names if names is None else checked_names(names)
        changed = definition is not None and definition.rule != found.definition
        if definition is not None and changed:
            check_uses(connection, segment_id, definition.uses)
            rows_of(
                connection,
                "UPDATE segments SET version = version + 1, definition = CAST(:definition AS JSONB), text = :text,"
                " uses = :uses WHERE segment_id = :id",
                id=segment_id,
                **columns_of(definition),
            )
        if changed or new_names != found.names:
            rows_of(
                connection,
                "UPDATE segments SET names = CAST(:names AS JSONB), updated_at = :at, updated_by = :actor"
                " WHERE segment_id = :id",
                id=segment_id,
                names=json.dumps(new_names),
                at=moment(now),
                actor=actor,
            )
        if changed:
            keep_version(connection, segment_id)
        return find_segment(connection, segment_id)


def archive_segment(ledger: Ledger, segment_id: str, *, archived: bool, actor: str | None, now: float) -> Segment:
    """Take it out of use, or back into it. Raises UnknownThing, NotAllowed while others name it."""
    with connection_of(ledger) as connection:
        lock_definitions(connection)
        found = find_segment(connection, segment_id)
        if archived == (found.archived_at is not None):
            return found
        if archived:
            check_unused(connection, segment_id)
        else:
            check_uses(connection, segment_id, found.uses)
        rows_of(
            connection,
            "UPDATE segments SET archived_at = :at, archived_by = :actor WHERE segment_id = :id",
            id=segment_id,
            at=moment(now) if archived else None,
            actor=actor if archived else None,
        )
        return find_segment(connection, segment_id)


def delete_segment(ledger: Ledger, segment_id: str) -> Segment:
    """Remove it with its versions and members for good. Raises UnknownThing, NotAllowed while others name it."""
    with connection_of(ledger) as connection:
        lock_definitions(connection)
        found = find_segment(connection, segment_id)
        check_unused(connection, segment_id)
        rows_of(connection, "DELETE FROM segments WHERE segment_id = :id", id=segment_id)
        return found


def check_version(found: Segment, version: int | None) -> None:
    if version is not None and version != found.version:
        raise NotAllowed(
            f"the segment is at version {found.version} now, not {version}; read it again",
            code="changed_meanwhile",
            field="version",
        )


def lock_definitions(connection: Ledger) -> None:
    """Until the transaction ends nobody else changes what rules name."""
    with connection_of(connection) as held:
        rows_of(held, "SELECT pg_advisory_xact_lock(hashtext(current_schema() || '/definitions'))")


def columns_of(definition: Definition | None) -> dict[str, Any]:
    """A definition as the columns `definition`, `text` and `uses`."""
    return {
        "definition": None if definition is None else json.dumps(definition.rule),
        "text": None if definition is None else definition.text,
        "uses": [] if definition is None else list(definition.uses),
    }


def keep_version(connection: Ledger, segment_id: str) -> None:
    """The segment as it stands becomes the row of its version."""
    with connection_of(connection) as held:
        rows_of(
            held,
            "INSERT INTO segment_versions (segment_id, version, definition, text, members, created_at, created_by)"
            " SELECT segment_id, version, definition, text, members, updated_at, updated_by FROM segments"
            " WHERE segment_id = :id",
            id=segment_id,
        )


def check_unused(connection: Ledger, name: str, field: str = "segment_id") -> None:
    """Raises NotAllowed while a rule names this segment or class."""
    named_by = dependents(connection, name)
    if named_by:
        told = ", ".join(named_by[:_MOST_TOLD])
        raise NotAllowed(f"{name!r} is named by {told}; change these first", code="in_use", field=field)


def check_uses(connection: Ledger, name: str, uses: Sequence[str]) -> None:
    """Every segment and class that the rule of `name` names is in use, and none of them leads back to it.

    A classification counts as one: who is in a class of it hangs on the rules of the others. Raises BadInput.
    """
    named = {each.id: frozenset(each.uses) for each in live_segments(connection)} | uses_of_classes(connection)
    for each in uses:
        if definition_of(each) == definition_of(name):
            raise BadInput(f"definition: {name!r} names itself, by {each!r}", code="circle", field="definition")
        if each not in named and each not in READY_MADE:
            raise BadInput(
                f"definition: there is no segment {each!a} in use; `hawker segment list` shows them, and a class of"
                " /v1/classes is called class:CLASSIFICATION:CLASS",
                code="unknown_segment",
                field="definition",
            )
    waiting = [[each] for each in uses]
    seen = set(uses)
    while waiting:
        way = waiting.pop()
        for each in sorted(named.get(way[-1], ())):
            if definition_of(each) == definition_of(name):
                told = " -> ".join([name, *way, each])
                raise BadInput(f"definition: this closes a circle: {told}", code="circle", field="definition")
            if each not in seen:
                seen.add(each)
                waiting.append([*way, each])
