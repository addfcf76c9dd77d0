"""Members of static segments: lists of users that people bring; each change of a list is a version of its segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from engine.errors import BadInput, NotAllowed
from engine.storage.ledger import Ledger, LedgerConnection, connection_of, insert_new, rows_of
from engine.storage.segment_edits import check_version, keep_version, lock_definitions
from engine.storage.segments import Segment, find_segment, moment

Mode = Literal["add", "replace", "remove"]
MODES: tuple[Mode, ...] = ("add", "replace", "remove")
#: Of one static segment.
MOST_MEMBERS = 2_000_000


def change_members(
    ledger: Ledger,
    segment_id: str,
    user_ids: Sequence[str],
    *,
    mode: Mode,
    version: int | None = None,
    actor: str | None,
    now: float,
) -> Segment:
    """Add these users to a static segment, take them out, or let it hold nobody else; all of it or nothing.

    `version` is the one that the caller saw. Raises UnknownThing, BadInput, NotAllowed for a rule or an archived one.
    """
    with connection_of(ledger) as connection:
        lock_definitions(connection)
        found = find_segment(connection, segment_id)
        check_version(found, version)
        if found.kind != "static":
            raise NotAllowed(
                f"{segment_id!r} is a rule; its members follow from it", code="is_rule", field="segment_id"
            )
        if found.archived_at is not None:
            raise NotAllowed(f"{segment_id!r} is archived; restore it first", code="archived", field="segment_id")
        members = _changed(connection, segment_id, list(dict.fromkeys(user_ids)), mode=mode, now=now)
        rows_of(
            connection,
            "UPDATE segments SET version = version + 1, members = :members, updated_at = :at, updated_by = :actor"
            " WHERE segment_id = :id",
            id=segment_id,
            members=members,
            at=moment(now),
            actor=actor,
        )
        keep_version(connection, segment_id)
        return find_segment(connection, segment_id)


def _changed(connection: LedgerConnection, segment_id: str, users: list[str], *, mode: Mode, now: float) -> int:
    """How many there are afterwards. Raises BadInput for too many."""
    if mode == "replace":
        rows_of(
            connection,
            "DELETE FROM segment_members WHERE segment_id = :id AND NOT user_id = ANY(:users)",
            id=segment_id,
            users=users,
        )
    if mode == "remove":
        rows_of(
            connection,
            "DELETE FROM segment_members WHERE segment_id = :id AND user_id = ANY(:users)",
            id=segment_id,
            users=users,
        )
    else:
        columns, at = ("segment_id", "user_id", "added_at"), moment(now)
        insert_new(connection, "segment_members", columns, ((segment_id, each, at) for each in users))
    rows = rows_of(connection, "SELECT count(*) FROM segment_members WHERE segment_id = :id", id=segment_id)
    if rows[0][0] > MOST_MEMBERS:
        raise BadInput(f"a static segment holds at most {MOST_MEMBERS:,} users", code="too_many", field="user_id")
    return int(rows[0][0])


def checked_mode(given: str) -> Mode:
    """Raises BadInput."""
    for mode in MODES:
        if given == mode:
            return mode
    raise BadInput(f"mode: must be one of {', '.join(MODES)}", field="mode")


def static_members(ledger: Ledger, segment_id: str, *, after: str = "", limit: int | None = None) -> list[str]:
    """The user ids of a static segment in their order, from the one behind `after` on; None: all."""
    with connection_of(ledger) as connection:
        find_segment(connection, segment_id)
        rows = rows_of(
            connection,
            'SELECT user_id FROM segment_members WHERE segment_id = :id AND user_id COLLATE "C" > :after'
            ' ORDER BY user_id COLLATE "C" LIMIT CAST(:limit AS BIGINT)',
            id=segment_id,
            after=after,
            limit=limit,
        )
    return [user for (user,) in rows]
