"""Keys in the ledger; what is read of them is remembered in a file, since storefronts go on without the ledger."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from engine.access import AccessKey, checked_key, fingerprint
from engine.errors import UnknownThing
from engine.storage.durable import locked, replace_file
from engine.storage.ledger import Ledger, connection_of, rows_of

_PREFIX = "hk_"
_COLUMNS = "fingerprint, key_id, actor, scopes, origins, created_at, revoked_at"

#: Keys by the fingerprints of their secrets, revoked ones included.
Keys = dict[str, AccessKey]


def create_key(
    ledger: Ledger, actor: str, scopes: Collection[str], origins: Collection[str] = (), *, now: float
) -> tuple[AccessKey, str]:
    """A new key and its secret, which nobody can look up later. Raises BadInput."""
    key = checked_key(f"k{secrets.token_hex(4)}", actor, scopes, origins, now)
    secret = _PREFIX + secrets.token_urlsafe(24)
    with connection_of(ledger) as connection:
        rows_of(
            connection,
            "INSERT INTO keys (key_id, fingerprint, actor, scopes, origins, created_at)"
            " VALUES (:id, :fingerprint, :actor, :scopes, :origins, :at)",
            id=key.id,
            fingerprint=fingerprint(secret),
            actor=key.actor,
            scopes=sorted(key.scopes),
            origins=list(key.origins),
            at=datetime.fromtimestamp(now, UTC),
        )
    return key, secret


def revoke_key(ledger: Ledger, key_id: str, *, now: float) -> AccessKey:
    """End a key; storefronts refuse it within seconds. Again changes nothing. Raises UnknownThing."""
    with connection_of(ledger) as connection:
        rows_of(
            connection,
            "UPDATE keys SET revoked_at = :at WHERE key_id = :id AND revoked_at IS NULL",
            id=key_id,
            at=datetime.fromtimestamp(now, UTC),
        )
        found = [key for key in _read(connection).values() if key.id == key_id]
    if not found:
        raise UnknownThing(f"there is no key {key_id!r}; `hawker keys list` shows them", field="id")
    return found[0]


def read_keys(ledger: Ledger) -> Keys:
    """All keys, oldest first."""
    with connection_of(ledger) as connection:
        return _read(connection)


def _read(ledger: Ledger) -> Keys:
    with connection_of(ledger) as connection:
        rows = rows_of(connection, f"SELECT {_COLUMNS} FROM keys ORDER BY created_at, key_id")
    return {
        mark: AccessKey(
            key_id,
            actor,
            frozenset(scopes),
            tuple(origins),
            created.timestamp(),
            revoked.timestamp() if revoked else None,
        )
        for mark, key_id, actor, scopes, origins, created, revoked in rows
    }


def remember(path: Path, keys: Keys) -> None:
    """Keep `keys` in a file, replaced whole; nothing is written where it says the same already."""
    told = {mark: {**asdict(key), "scopes": sorted(key.scopes)} for mark, key in keys.items()}
    content = json.dumps(told, indent=1).encode()
    with locked(path.with_suffix(".lock")):
        with suppress(FileNotFoundError):
            if path.read_bytes() == content:
                return
        replace_file(path, content)


def remembered(path: Path) -> Keys | None:
    """The keys of the file, None where there is none that can be read."""
    try:
        told = json.loads(path.read_bytes())
        return {
            mark: AccessKey(**{**each, "scopes": frozenset(each["scopes"]), "origins": tuple(each["origins"])})
            for mark, each in told.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
