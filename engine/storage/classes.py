"""Classifications in the ledger: named dimensions of exclusive classes, each by a rule or by hand.

A user is in one class of a classification at most. Who was put into one by hand is in that one; of everybody else the
first class by place whose rule fits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from engine.errors import BadInput, NotAllowed, UnknownThing
from engine.storage.ledger import Ledger, connection_of, rows_of
from engine.storage.segment_edits import check_unused, check_uses, columns_of, lock_definitions
from engine.storage.segments import is_storable, moment
from engine.targeting.definition import Definition
from engine.targeting.labels import checked_id, checked_names, class_segment, id_from

MOST_CLASSES = 100  # of one classification


@dataclass(frozen=True, slots=True)
class Class:
    """`place` orders the rules; `members` counts those who are in it by hand."""

    classification_id: str
    id: str
    names: Mapping[str, str]
    place: int
    definition: Mapping[str, Any] | None
    text: str | None
    uses: Sequence[str]
    updated_at: datetime
    updated_by: str | None
    members: int

    def as_json(self) -> dict[str, Any]:
        names = ("names", "place", "definition", "text", "uses", "updated_by", "members")
        told = {name: getattr(self, name) for name in names}
        segment = class_segment(self.classification_id, self.id)
        return {"class_id": self.id, "segment_id": segment, **told, "updated_at": self.updated_at.isoformat()}


@dataclass(frozen=True, slots=True)
class Classification:
    """Times are aware datetimes; classes by their places."""

    id: str
    names: Mapping[str, str]
    created_at: datetime
    created_by: str | None
    updated_at: datetime
    updated_by: str | None
    classes: tuple[Class, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "classification_id": self.id,
            "names": self.names,
            "created_at": self.created_at.isoformat(),
            "created_by": self.created_by,
            "updated_at": self.updated_at.isoformat(),
            "updated_by": self.updated_by,
            "classes": [each.as_json() for each in self.classes],
        }


def create_classification(
    ledger: Ledger, names: Any, *, classification_id: Any = None, actor: str | None, now: float
) -> Classification:
    """A new one without classes. Raises BadInput, NotAllowed for an id that is taken."""
    names = checked_names(names)
    wanted = id_from(names) if classification_id is None else checked_id(classification_id, "classification_id")
    wanted = wanted or f"classes-{uuid4().hex[:8]}"
    with connection_of(ledger) as connection:
        made = rows_of(
            connection,
            "INSERT INTO classifications (classification_id, names, created_at, created_by, updated_at, updated_by)"
            " VALUES (:id, CAST(:names AS JSONB), :at, :actor, :at, :actor) ON CONFLICT DO NOTHING"
            " RETURNING classification_id",
            id=wanted,
            names=json.dumps(names),
            at=moment(now),
            actor=actor,
        )
        if not made:
            told = f"there is a classification {wanted!r} already"
            raise NotAllowed(told, code="id_taken", field="classification_id")
        return find_classification(connection, wanted)


def list_classifications(ledger: Ledger) -> list[Classification]:
    """All of them by their ids, without their classes."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "SELECT classification_id, names, created_at, created_by, updated_at, updated_by FROM classifications"
            " ORDER BY classification_id",
        )
    return [Classification(*row) for row in rows]


def find_classification(ledger: Ledger, classification_id: str, *, locked: bool = False) -> Classification:
    """With its classes; `locked` until the caller's transaction ends. Raises UnknownThing."""
    lock = " FOR UPDATE" if locked else ""
    with connection_of(ledger) as connection:
        rows = (
            rows_of(
                connection,
                "SELECT classification_id, names, created_at, created_by, updated_at, updated_by"
                f" FROM classifications WHERE classification_id = :id{lock}",
                id=classification_id,
            )
            if is_storable(classification_id)
            else []
        )
        if not rows:
            told = f"there is no classification {classification_id!a}"
            raise UnknownThing(told, code="unknown_classification", field="classification_id")
        classes = rows_of(
            connection,
            "SELECT classification_id, class_id, names, place, definition, text, uses, updated_at, updated_by,"
            " (SELECT count(*) FROM class_members WHERE class_members.classification_id = classes.classification_id"
            " AND class_members.class_id = classes.class_id)"
            " FROM classes WHERE classification_id = :id ORDER BY place, class_id",
            id=classification_id,
        )
    return replace(Classification(*rows[0]), classes=tuple(Class(*row) for row in classes))


def rename_classification(
    ledger: Ledger, classification_id: str, names: Any, *, actor: str | None, now: float
) -> Classification:
    """Raises UnknownThing, BadInput."""
    with connection_of(ledger) as connection:
        find_classification(connection, classification_id, locked=True)
        _touch(connection, classification_id, names=checked_names(names), actor=actor, now=now)
        return find_classification(connection, classification_id)


def delete_classification(ledger: Ledger, classification_id: str) -> None:
    """Remove it with its classes and who is in them; the record of assignments stays.

    Raises UnknownThing, NotAllowed while a rule names one of its classes.
    """
    with connection_of(ledger) as connection:
        lock_definitions(connection)
        for each in find_classification(connection, classification_id, locked=True).classes:
            check_unused(connection, class_segment(classification_id, each.id), "classification_id")
        rows_of(connection, "DELETE FROM classifications WHERE classification_id = :id", id=classification_id)


def put_class(
    ledger: Ledger,
    classification_id: str,
    class_id: Any,
    *,
    names: Any,
    definition: Definition | None,
    place: int | None = None,
    actor: str | None,
    now: float,
) -> Class:
    """A new class, behind the others unless `place` says otherwise, or another name and rule of one that is there.

    Raises UnknownThing, BadInput.
    """
    class_id, names = checked_id(class_id, "class_id"), checked_names(names)
    with connection_of(ledger) as connection:
        lock_definitions(connection)
        found = find_classification(connection, classification_id, locked=True)
        there = {each.id: each for each in found.classes}
        if class_id not in there and len(there) >= MOST_CLASSES:
            raise BadInput(f"a classification has at most {MOST_CLASSES} classes", code="too_many", field="class_id")
        if definition is not None:
            check_uses(connection, class_segment(classification_id, class_id), definition.uses)
        if place is None:
            last = max((each.place for each in found.classes), default=0)
            place = there[class_id].place if class_id in there else last + 1
        rows_of(
            connection,
            "INSERT INTO classes (classification_id, class_id, names, place, definition, text, uses, created_at,"
            " created_by, updated_at, updated_by) VALUES (:id, :class, CAST(:names AS JSONB), :place,"
            " CAST(:definition AS JSONB), :text, :uses, :at, :actor, :at, :actor)"
            " ON CONFLICT (classification_id, class_id) DO UPDATE SET names = excluded.names, place = excluded.place,"
            " definition = excluded.definition, text = excluded.text, uses = excluded.uses,"
            " updated_at = excluded.updated_at, updated_by = excluded.updated_by",
            **{"id": classification_id, "class": class_id},
            names=json.dumps(names),
            place=place,
            at=moment(now),
            actor=actor,
            **columns_of(definition),
        )
        _touch(connection, classification_id, names=found.names, actor=actor, now=now)
        return find_class(connection, classification_id, class_id)


def find_class(ledger: Ledger, classification_id: str, class_id: str) -> Class:
    """Raises UnknownThing."""
    for each in find_classification(ledger, classification_id).classes:
        if each.id == class_id:
            return each
    raise UnknownThing(
        f"there is no class {class_id!a} in {classification_id!a}", code="unknown_class", field="class_id"
    )


def delete_class(
    ledger: Ledger, classification_id: str, class_id: str, *, release: bool, actor: str | None, now: float
) -> None:
    """Remove a class. Raises UnknownThing, NotAllowed while a rule names it, or somebody is in it by hand and may not
    be let go.
    """
    with connection_of(ledger) as connection:
        lock_definitions(connection)
        find_classification(connection, classification_id, locked=True)
        found = find_class(connection, classification_id, class_id)
        if found.members and not release:
            raise NotAllowed(
                f"{found.members:,} users are in {class_id!r} by hand; move them first,"
                " or let them go with release=true",
                code="in_use",
                field="class_id",
            )
        check_unused(connection, class_segment(classification_id, class_id), "class_id")
        names = find_classification(connection, classification_id).names
        rows_of(
            connection,
            "DELETE FROM classes WHERE classification_id = :id AND class_id = :class",
            **{"id": classification_id, "class": class_id},
        )
        _touch(connection, classification_id, names=names, actor=actor, now=now)


def _touch(
    connection: Ledger, classification_id: str, *, names: Mapping[str, str], actor: str | None, now: float
) -> None:
    with connection_of(connection) as held:
        rows_of(
            held,
            "UPDATE classifications SET names = CAST(:names AS JSONB), updated_at = :at, updated_by = :actor"
            " WHERE classification_id = :id",
            id=classification_id,
            names=json.dumps(dict(names)),
            at=moment(now),
            actor=actor,
        )
