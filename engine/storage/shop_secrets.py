"""Secrets of a shop: made at the first need, kept in the ledger, the same for every process from then on."""

from __future__ import annotations

import secrets

from engine.storage.ledger import Ledger, connection_of, rows_of

#: Draws who no campaign talks to.
HOLDOUT_SALT = "holdout"
#: Signs the links that messages carry.
LINKS = "links"


def shop_secret(ledger: Ledger, name: str) -> str:
    """The shop's secret of this name, 256 bits of chance as text."""
    with connection_of(ledger) as connection:
        known = rows_of(connection, "SELECT secret FROM shop_secrets WHERE name = :name", name=name)
        if not known:
            rows_of(
                connection,
                "INSERT INTO shop_secrets (name, secret) VALUES (:name, :secret) ON CONFLICT DO NOTHING",
                name=name,
                secret=secrets.token_urlsafe(32),
            )
            known = rows_of(connection, "SELECT secret FROM shop_secrets WHERE name = :name", name=name)
    return str(known[0][0])
