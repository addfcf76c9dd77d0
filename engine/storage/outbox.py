"""Outbox: what the ledger's transactions have to tell the lake, kept with them until it is told."""

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
    """Drop what was told."""
    with connection_of(ledger) as connection:
        rows_of(connection, "DELETE FROM outbox WHERE place = ANY (:places)", places=places)
