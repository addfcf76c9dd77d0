"""Consents follow merges: two users who turn out to be one person have said the same from then on.

Merges come by the event stream, which needs no ledger, so that they are followed a moment later: before the customers'
files show the two as one. What is said afterwards under any id of the person is put on record for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.storage.consents import last_words, merging, put_words
from engine.storage.lake_sql import one_row
from engine.storage.ledger import LedgerConnection, LedgerPool, connection_of, rows_of
from engine.storage.segments import is_storable, moment
from engine.targeting.consents import words_together

_AT_ONCE = 1_000  # merges of one transaction


def merges_mark(sql: Any) -> tuple[int, int]:
    """What tells whether users were merged since: how many merges of users there are, and when the last was (us).

    `sql` has the lake's view `merges`.
    """
    number, last = one_row(sql, "SELECT count(*), max(epoch_us(time)) FROM merges WHERE kind = 'user'")
    return int(number), int(last or 0)


def follow_merges(sql: Any, ledger: LedgerPool, *, now: float) -> int:
    """Let consents follow the lake's view `merged_users`; how many merges were new. Doing it again changes nothing."""
    followed = 0
    for pairs in _pairs(sql):
        with connection_of(ledger) as connection:
            merging(connection, alone=True)
            fresh = _fresh(connection, pairs)
            _together(connection, fresh, now=now)
        followed += len(fresh)
    return followed


def _pairs(sql: Any) -> Iterator[list[tuple[str, str]]]:
    """Ids with the user that each is at the end of its chain of merges."""
    found = sql.execute("SELECT id, target FROM merged_users WHERE id <> target ORDER BY id")
    while rows := found.fetchmany(_AT_ONCE):
        yield [(one, other) for one, other in rows if is_storable(one + other)]


def _fresh(connection: LedgerConnection, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    rows = rows_of(
        connection,
        "SELECT told.user_id, told.into_user FROM unnest(CAST(:users AS TEXT[]), CAST(:others AS TEXT[]))"
        " AS told (user_id, into_user) LEFT JOIN merged_users known USING (user_id)"
        " WHERE known.into_user IS DISTINCT FROM told.into_user ORDER BY 1",
        users=[user for user, _ in pairs],
        others=[other for _, other in pairs],
    )
    return [(user, other) for user, other in rows]


def _together(connection: LedgerConnection, pairs: Sequence[tuple[str, str]], *, now: float) -> None:
    spoken = last_words(connection, sorted({user for pair in pairs for user in pair}))
    for user, other in pairs:
        if user not in spoken and other not in spoken:
            continue
        said = last_words(connection, [user, other])  # an earlier pair may have told more of them
        for one, another in ((other, user), (user, other)):
            words = words_together(said.get(one, {}), said.get(another, {}))
            put_words(connection, one, words, source="merge", proof={"merged_with": another}, now=now)
        spoken |= {user: said.get(user, {}), other: said.get(other, {})}
    rows_of(
        connection,
        "INSERT INTO merged_users (user_id, into_user, at) SELECT user_id, into_user, :at"
        " FROM unnest(CAST(:users AS TEXT[]), CAST(:others AS TEXT[])) AS told (user_id, into_user)"
        " ON CONFLICT (user_id) DO UPDATE SET into_user = excluded.into_user, at = excluded.at",
        users=[user for user, _ in pairs],
        others=[other for _, other in pairs],
        at=moment(now),
    )
