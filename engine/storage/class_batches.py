"""Assignments to classes by hand: each is a batch that says who did it and why, and that can be undone.

Undoing puts each user back to where the batch found them, unless a later batch has moved them since.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from engine.errors import NotAllowed, UnknownThing
from engine.storage.classes import find_class, find_classification
from engine.storage.ledger import Ledger, connection_of, rows_of
from engine.storage.segments import is_storable, moment

_COLUMNS = "batch_id, classification_id, class_id, reason, changed, created_at, created_by, undone_by"


@dataclass(frozen=True, slots=True)
class Batch:
    """`class_id` None took its users out of their classes; `reason` is what was asked for; `changed` counts users."""

    id: str
    classification_id: str
    class_id: str | None
    reason: Mapping[str, Any]
    changed: int
    created_at: datetime
    created_by: str | None
    undone_by: str | None

    def as_json(self) -> dict[str, Any]:
        names = ("classification_id", "class_id", "reason", "changed", "created_by", "undone_by")
        told = {name: getattr(self, name) for name in names}
        return {"batch_id": self.id, **told, "created_at": self.created_at.isoformat()}


def assign(
    ledger: Ledger,
    classification_id: str,
    class_id: str | None,
    user_ids: Sequence[str],
    *,
    reason: Mapping[str, Any],
    actor: str | None,
    now: float,
) -> Batch:
    """Put these users into a class, and out of any other of the classification; None: out of all.

    Who is there already is not changed. Raises UnknownThing.
    """
    with connection_of(ledger) as connection:
        find_classification(connection, classification_id, locked=True)
        if class_id is not None:
            find_class(connection, classification_id, class_id)
        batch = _new_batch(connection, classification_id, class_id, reason=reason, actor=actor, now=now)
        rows_of(
            connection,
            "INSERT INTO class_changes (batch_id, user_id, classification_id, former_class, former_batch,"
            " former_since, class_id) SELECT :batch, asked.user_id, :id, was.class_id, was.batch_id, was.since, :class"
            " FROM (SELECT DISTINCT unnest(CAST(:users AS TEXT[])) AS user_id) asked"
            " LEFT JOIN class_members was ON was.classification_id = :id AND was.user_id = asked.user_id"
            " WHERE was.class_id IS DISTINCT FROM CAST(:class AS TEXT)",
            **{"batch": batch, "id": classification_id, "class": class_id, "users": list(user_ids)},
        )
        rows_of(
            connection,
            "INSERT INTO class_members (classification_id, user_id, class_id, batch_id, since)"
            " SELECT classification_id, user_id, class_id, batch_id, :at FROM class_changes"
            " WHERE batch_id = :batch AND class_id IS NOT NULL"
            " ON CONFLICT (classification_id, user_id) DO UPDATE"
            " SET class_id = excluded.class_id, batch_id = excluded.batch_id, since = excluded.since",
            batch=batch,
            at=moment(now),
        )
        _take_out(connection, batch)
        return _counted(connection, batch)


def undo(ledger: Ledger, classification_id: str, batch_id: str, *, actor: str | None, now: float) -> Batch:
    """Put the users of a batch back to where it found them; what was changed again since stays. Its own batch.

    Raises UnknownThing, NotAllowed for one that is undone already or undid another.
    """
    with connection_of(ledger) as connection:
        find_classification(connection, classification_id, locked=True)
        former = find_batch(connection, classification_id, batch_id)
        if former.undone_by is not None or "undoes" in former.reason:
            told = "was undone already" if former.undone_by else "undid another; assign anew instead"
            raise NotAllowed(f"the batch {batch_id} {told}", code="not_undoable", field="batch_id")
        batch = _new_batch(connection, classification_id, None, reason={"undoes": batch_id}, actor=actor, now=now)
        rows_of(
            connection,
            "INSERT INTO class_changes (batch_id, user_id, classification_id, former_class, former_batch,"
            " former_since, class_id) SELECT :batch, done.user_id, :id, done.class_id, :undone, done.former_since,"
            " there.class_id FROM class_changes done"
            " LEFT JOIN class_members now_in ON now_in.classification_id = :id AND now_in.user_id = done.user_id"
            # A class that was removed meanwhile takes nobody back.
            " LEFT JOIN classes there ON there.classification_id = :id AND there.class_id = done.former_class"
            " WHERE done.batch_id = :undone AND (now_in.batch_id = :undone"
            " OR (done.class_id IS NULL AND now_in.user_id IS NULL))",
            batch=batch,
            id=classification_id,
            undone=batch_id,
        )
        rows_of(
            connection,
            # The former batch comes back with the former class, so that it can be undone in its turn.
            "INSERT INTO class_members (classification_id, user_id, class_id, batch_id, since)"
            " SELECT back.classification_id, back.user_id, back.class_id, done.former_batch, done.former_since"
            " FROM class_changes back JOIN class_changes done ON done.batch_id = :undone"
            " AND done.user_id = back.user_id WHERE back.batch_id = :batch AND back.class_id IS NOT NULL"
            " ON CONFLICT (classification_id, user_id) DO UPDATE"
            " SET class_id = excluded.class_id, batch_id = excluded.batch_id, since = excluded.since",
            batch=batch,
            undone=batch_id,
        )
        _take_out(connection, batch)
        rows_of(
            connection, "UPDATE class_batches SET undone_by = :batch WHERE batch_id = :id", batch=batch, id=batch_id
        )
        return _counted(connection, batch)


def find_batch(ledger: Ledger, classification_id: str, batch_id: str) -> Batch:
    """Raises UnknownThing."""
    with connection_of(ledger) as connection:
        rows = (
            rows_of(
                connection,
                f"SELECT {_COLUMNS} FROM class_batches WHERE classification_id = :id AND batch_id = :batch",
                id=classification_id,
                batch=batch_id,
            )
            if is_storable(batch_id)
            else []
        )
    if not rows:
        raise UnknownThing(f"there is no batch {batch_id!a}", code="unknown_batch", field="batch_id")
    return Batch(*rows[0])


def list_batches(ledger: Ledger, classification_id: str, *, limit: int = 100) -> list[Batch]:
    """The last assignments, newest first. Raises UnknownThing."""
    with connection_of(ledger) as connection:
        find_classification(connection, classification_id)
        rows = rows_of(
            connection,
            f"SELECT {_COLUMNS} FROM class_batches WHERE classification_id = :id"
            " ORDER BY created_at DESC, batch_id LIMIT :limit",
            id=classification_id,
            limit=limit,
        )
    return [Batch(*row) for row in rows]


def class_members(
    ledger: Ledger, classification_id: str, *, class_id: str | None = None, after: str = "", limit: int = 100
) -> list[dict[str, Any]]:
    """Who is in a class by hand, by user id, from the one behind `after` on. Raises UnknownThing."""
    with connection_of(ledger) as connection:
        find_classification(connection, classification_id)
        rows = rows_of(
            connection,
            "SELECT user_id, class_id, batch_id, since FROM class_members WHERE classification_id = :id"
            ' AND (CAST(:class AS TEXT) IS NULL OR class_id = :class) AND user_id COLLATE "C" > :after'
            ' ORDER BY user_id COLLATE "C" LIMIT :limit',
            **{"id": classification_id, "class": class_id, "after": after, "limit": limit},
        )
    return [
        {"user_id": user, "class_id": name, "batch_id": batch, "since": since.isoformat()}
        for user, name, batch, since in rows
    ]


def by_hand(ledger: Ledger, classification_id: str, class_id: str, user_ids: Sequence[str]) -> set[str]:
    """Those of `user_ids` who were put into the class by hand."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "SELECT user_id FROM class_members WHERE classification_id = :id AND class_id = :class"
            " AND user_id = ANY(:users)",
            **{"id": classification_id, "class": class_id, "users": list(user_ids)},
        )
    return {user for (user,) in rows}


def class_history(ledger: Ledger, classification_id: str, user_id: str) -> list[dict[str, Any]]:
    """How a user came to the class that they are in, newest first."""
    with connection_of(ledger) as connection:
        find_classification(connection, classification_id)
        rows = rows_of(
            connection,
            "SELECT batch_id, former_class, done.class_id, batch.created_at, batch.created_by, batch.reason"
            " FROM class_changes done JOIN class_batches batch USING (batch_id)"
            " WHERE done.classification_id = :id AND user_id = :user ORDER BY batch.created_at DESC, batch_id",
            id=classification_id,
            user=user_id,
        )
    return [
        {
            "batch_id": batch,
            "former_class": former,
            "class_id": name,
            "changed_at": at.isoformat(),
            "changed_by": actor,
            "reason": reason,
        }
        for batch, former, name, at, actor, reason in rows
    ]


def _new_batch(
    connection: Ledger,
    classification_id: str,
    class_id: str | None,
    *,
    reason: Mapping[str, Any],
    actor: str | None,
    now: float,
) -> str:
    batch_id = uuid4().hex
    with connection_of(connection) as held:
        rows_of(
            held,
            "INSERT INTO class_batches (batch_id, classification_id, class_id, reason, created_at, created_by)"
            " VALUES (:batch, :id, :class, CAST(:reason AS JSONB), :at, :actor)",
            **{"batch": batch_id, "id": classification_id, "class": class_id},
            reason=json.dumps(dict(reason)),
            at=moment(now),
            actor=actor,
        )
    return batch_id


def _take_out(connection: Ledger, batch_id: str) -> None:
    with connection_of(connection) as held:
        rows_of(
            held,
            "DELETE FROM class_members USING class_changes gone WHERE gone.batch_id = :batch AND gone.class_id IS NULL"
            " AND class_members.classification_id = gone.classification_id AND class_members.user_id = gone.user_id",
            batch=batch_id,
        )


def _counted(connection: Ledger, batch_id: str) -> Batch:
    with connection_of(connection) as held:
        rows = rows_of(
            held,
            "UPDATE class_batches SET changed = (SELECT count(*) FROM class_changes WHERE batch_id = :batch)"
            f" WHERE batch_id = :batch RETURNING {_COLUMNS}",
            batch=batch_id,
        )
    return Batch(*rows[0])
