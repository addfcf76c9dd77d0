"""Webhooks in the ledger: who is told of what, and with which secret it is signed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from engine.errors import BadInput, UnknownThing
from engine.storage.ledger import Ledger, connection_of, rows_of
from engine.storage.segments import is_storable, moment
from engine.targeting.webhook_messages import checked_events

_COLUMNS = "webhook_id, url, events, enabled, created_at, created_by, updated_at, updated_by"
LONGEST_URL = 2_000
#: So long messages are signed with the former secret too, while its owner changes over.
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Without its secret. Times are aware datetimes."""

    id: str
    url: str
    events: Sequence[str]
    enabled: bool
    created_at: datetime
    created_by: str | None
    updated_at: datetime
    updated_by: str | None

    def as_json(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("url", "events", "enabled", "created_by", "updated_by")}
        times = {"created_at": self.created_at.isoformat(), "updated_at": self.updated_at.isoformat()}
        return {"webhook_id": self.id, **told, **times}


def create_webhook(
    ledger: Ledger, url: str, events: Sequence[str], *, secret: str, private: bool, actor: str | None, now: float
) -> Webhook:
    """A new one. `private`: whether it may lead to private addresses. Raises BadInput."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "INSERT INTO webhooks (webhook_id, url, events, secret, enabled, created_at, created_by, updated_at,"
            f" updated_by) VALUES (:id, :url, :events, :secret, true, :at, :actor, :at, :actor) RETURNING {_COLUMNS}",
            id=f"wh_{uuid4().hex}",
            url=checked_url(url, private=private),
            events=checked_events(events),
            secret=secret,
            at=moment(now),
            actor=actor,
        )
    return Webhook(*rows[0])


def find_webhook(ledger: Ledger, webhook_id: str) -> Webhook:
    """Raises UnknownThing."""
    with connection_of(ledger) as connection:
        rows = (
            rows_of(connection, f"SELECT {_COLUMNS} FROM webhooks WHERE webhook_id = :id", id=webhook_id)
            if is_storable(webhook_id)
            else []
        )
    if not rows:
        raise UnknownThing(f"there is no webhook {webhook_id!a}", code="unknown_webhook", field="webhook_id")
    return Webhook(*rows[0])


def list_webhooks(ledger: Ledger) -> list[Webhook]:
    """All of them, oldest first."""
    with connection_of(ledger) as connection:
        rows = rows_of(connection, f"SELECT {_COLUMNS} FROM webhooks ORDER BY created_at, webhook_id")
    return [Webhook(*row) for row in rows]


def edit_webhook(
    ledger: Ledger,
    webhook_id: str,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    enabled: bool | None = None,
    private: bool,
    actor: str | None,
    now: float,
) -> Webhook:
    """Change what is given. Raises UnknownThing, BadInput."""
    with connection_of(ledger) as connection:
        found = find_webhook(connection, webhook_id)
        rows_of(
            connection,
            "UPDATE webhooks SET url = :url, events = :events, enabled = :enabled, updated_at = :at,"
            " updated_by = :actor WHERE webhook_id = :id",
            id=webhook_id,
            url=found.url if url is None else checked_url(url, private=private),
            events=found.events if events is None else checked_events(events),
            enabled=found.enabled if enabled is None else enabled,
            at=moment(now),
            actor=actor,
        )
        return find_webhook(connection, webhook_id)


def renew_secret(ledger: Ledger, webhook_id: str, secret: str, *, actor: str | None, now: float) -> Webhook:
    """From now on it signs with `secret`, and for a day with the former one too. Raises UnknownThing."""
    with connection_of(ledger) as connection:
        find_webhook(connection, webhook_id)
        rows_of(
            connection,
            "UPDATE webhooks SET former_secret = secret, former_until = :until, secret = :secret, updated_at = :at,"
            " updated_by = :actor WHERE webhook_id = :id",
            id=webhook_id,
            secret=secret,
            until=moment(now) + OVERLAP,
            at=moment(now),
            actor=actor,
        )
        return find_webhook(connection, webhook_id)


def delete_webhook(ledger: Ledger, webhook_id: str) -> None:
    """Remove it with all that it was sent. Raises UnknownThing."""
    with connection_of(ledger) as connection:
        find_webhook(connection, webhook_id)
        rows_of(connection, "DELETE FROM webhooks WHERE webhook_id = :id", id=webhook_id)


def checked_url(given: str, *, private: bool) -> str:
    """An address that messages may go to: https, or http too where private ones are allowed. Raises BadInput."""
    if len(given) > LONGEST_URL or not re.fullmatch(r"[\x21-\x7e]+", given):
        raise BadInput(f"url: 1 to {LONGEST_URL} ASCII characters without spaces", field="url")
    try:
        parts = urlsplit(given)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadInput(f"url: {error}", field="url") from error
    if parts.scheme not in (("https", "http") if private else ("https",)) or not host:
        raise BadInput("url: must begin with https:// and name a host", field="url")
    if parts.username is not None or parts.password is not None:
        raise BadInput("url: names and passwords do not belong in it; check the signature instead", field="url")
    if not private and (host == "localhost" or _is_inward(host)):
        raise BadInput(
            "url: leads to a private address; HAWKER_WEBHOOK_PRIVATE=on allows that",
            code="private_address",
            field="url",
        )
    return given


def _is_inward(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return False  # a name: where it leads to is looked up when something is sent


def is_public(address: str) -> bool:
    """Whether an IP address lies on the public internet, the one inside of an IPv6 address included."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found.sixtofour or found
    return found.is_global and not found.is_multicast
