"""Secrets of a shop, made at their first need and never changed: salts of draws, and what links are signed with."""

from __future__ import annotations

import secrets

from engine.storage.ledger import Ledger, connection_of, rows_of

#: Draws who is in the shop's own holdout.
HOLDOUT_SALT = "holdout_salt"
#: Signs the links that messages carry.
LINKS = "links"


def secret_of(ledger: Ledger, name: str) -> str:
    """The secret of this name, 64 hexadecimal digits; two who ask first at the same time get the same one."""
    with connection_of(ledger) as connection:
        found = rows_of(connection, "SELECT value FROM shop_secrets WHERE name = :name", name=name)
        if not found:
            rows_of(
                connection,
                "INSERT INTO shop_secrets (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING",
                name=name,
                value=secrets.token_hex(32),
            )
            found = rows_of(connection, "SELECT value FROM shop_secrets WHERE name = :name", name=name)
    return str(found[0][0])
