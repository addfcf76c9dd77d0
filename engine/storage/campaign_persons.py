"""Persons of messages: users who turned out to be one person get each message once, and count as one.

Messages stay under the ids that they were planned for, so that what is on its way keeps its name and is not sent again.
Who is whom is asked at the moment of sending: a merge between planning and sending counts as soon as it is followed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from engine.storage.campaign_outbox import PERSONS, Note, Row
from engine.storage.ledger import LedgerConnection, rows_of


def once_each(connection: LedgerConnection, rows: Sequence[Row]) -> tuple[list[Row], list[Note]]:
    """What is left of due messages when each person gets each one once, and notes of those that are withdrawn.

    Of the same step of a campaign, planned for several ids of a person, that one stays which was sent, else which was
    tried, else the person's own. Who is held out under any of their ids is held out.
    """
    doubled: set[tuple[str, str, int]] = set()
    held: set[tuple[str, str, int]] = set()
    for campaign_id, user_id, step, is_double, is_held in _others(connection, rows):
        if is_double or is_held:
            (doubled if is_double else held).add((campaign_id, user_id, step))
    notes = [
        # What was tried before stays counted: it may have arrived.
        Note(row, "skipped", "merged", row.attempts, counted_on=row.counted_on)
        for row in rows
        if row.place in doubled
    ]
    left = [row for row in rows if row.place not in doubled]
    return [replace(row, arm="holdout") if row.place in held else row for row in left], notes


def _others(connection: LedgerConnection, rows: Sequence[Row]) -> Collection[tuple[str, str, int, bool, bool]]:
    """Messages of persons with several ids: whether another one goes before it, and whether another id is held out."""
    return rows_of(
        connection,
        f"WITH {PERSONS}, due AS (SELECT * FROM unnest(CAST(:campaigns AS TEXT[]), CAST(:ids AS TEXT[]),"
        " CAST(:steps AS INT[]), CAST(:tried AS BOOLEAN[])) AS told (campaign_id, user_id, step, tried))"
        " SELECT due.campaign_id, due.user_id, due.step, coalesce(bool_or("
        "  (x.state = 'sent', x.counted_on IS NOT NULL, x.user_id = mine.person, due.user_id)"
        "  > (false, due.tried, due.user_id = mine.person, x.user_id)), false),"
        " coalesce(bool_or(h.arm <> 'treatment'), false)"
        " FROM due JOIN ids mine ON mine.user_id = due.user_id"
        " JOIN ids other ON other.person = mine.person AND other.user_id <> due.user_id"
        " LEFT JOIN campaign_outbox x ON x.campaign_id = due.campaign_id AND x.user_id = other.user_id"
        "  AND x.step = due.step AND (x.state IN ('sent', 'waiting') OR x.state = 'dead' AND x.counted_on IS NOT NULL)"
        " LEFT JOIN campaign_members h ON h.campaign_id = due.campaign_id AND h.user_id = other.user_id"
        " GROUP BY 1, 2, 3",
        users=sorted({row.person for row in rows}),
        campaigns=[row.campaign_id for row in rows],
        ids=[row.user_id for row in rows],
        steps=[row.step for row in rows],
        tried=[row.counted_on is not None for row in rows],
    )
