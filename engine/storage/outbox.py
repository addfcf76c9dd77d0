"""Outbox: what the ledger's transactions have to tell, kept with them until it is told.

Events go to the lake. Notes name users whose coupons changed, for their wallets in the live store.
"""

from __future__ import annotations

from typing import Any

from engine.storage.ledger import LedgerPool, connection_of, rows_of


def read_outbox(ledger: LedgerPool, most: int) -> list[tuple[int, dict[str, Any]]]:
    """The oldest events that wait, as (place, the lake's row)."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "SELECT place, document FROM outbox WHERE kind = 'event' ORDER BY place LIMIT :most",
            most=most,
        )
    return [(place, document) for place, document in rows]


def forget_outbox(ledger: LedgerPool, places: list[int]) -> None:
    """Drop events that were told; a note of whose they were is left."""
    with connection_of(ledger) as connection:
        rows_of(
            connection,
            "WITH told AS (DELETE FROM outbox WHERE place = ANY (:places) RETURNING document->>'user_id' AS user_id)"
            " INSERT INTO outbox (kind, document, at) SELECT DISTINCT 'wallet', jsonb_build_object('user_id', user_id),"
            " now() FROM told WHERE user_id IS NOT NULL",
            places=places,
        )


def read_notes(ledger: LedgerPool, most: int) -> dict[int, str]:
    """The oldest notes that wait: the user of each place."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "SELECT place, document->>'user_id' FROM outbox WHERE kind = 'wallet' ORDER BY place LIMIT :most",
            most=most,
        )
    return dict(rows)


def forget_notes(ledger: LedgerPool, places: list[int]) -> None:
    """Drop notes that were followed."""
    with connection_of(ledger) as connection:
        rows_of(connection, "DELETE FROM outbox WHERE place = ANY (:places)", places=places)
