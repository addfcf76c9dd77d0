"""What a message depends on of its customer: traits as of the last refresh, and what the shop last said of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import available_timezones

from engine.errors import StoreUnavailable
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.live_documents import document_key
from engine.storage.online import Client, StoreError

_ZONES = available_timezones()
_TRAITS = """
SELECT people.user_id, zone, minor, lower(personalization) = 'off', complaints_open > 0, subscribed
FROM people LEFT JOIN traits USING (person) WHERE people.user_id IN (SELECT unnest(?))"""


@dataclass(frozen=True, slots=True)
class Customer:
    """`zone` None is the shop's. `email` is checked for its form where it is used."""

    zone: str | None = None
    minor: bool = False
    opted_out: bool = False
    complaint: bool = False
    subscribed: bool | None = None
    email: str | None = None
    name: str | None = None
    language: str | None = None


def customers_of(home: Home, live: Client | None, user_ids: Sequence[str], *, now: float) -> dict[str, Customer]:
    """These customers as of `now`; those of whom nothing is known are there too.

    The document counts where it says more than the traits do, which are as old as the last refresh. Raises
    NotEnoughData before the customers were computed, StoreUnavailable.
    """
    traits = _traits(home, user_ids, now)
    documents = _documents(home, live, user_ids)
    return {user: _customer(traits.get(user, _UNKNOWN), documents.get(user, {})) for user in user_ids}


_UNKNOWN: tuple[Any, ...] = (None, None, None, None, None)


def _customer(traits: tuple[Any, ...], document: Mapping[str, Any]) -> Customer:
    zone, minor, opted_out, complaint, subscribed = traits
    told = document.get("attributes") or {}
    said_zone = document.get("zone") or zone
    off = str(told.get("personalization", "")).lower() == "off"
    return Customer(
        said_zone if said_zone in _ZONES else None,
        bool(minor),
        bool(opted_out) or off,
        bool(complaint),
        subscribed,
        *(told.get(name) if isinstance(told.get(name), str) else None for name in ("email", "name", "language")),
    )


def _traits(home: Home, user_ids: Collection[str], now: float) -> dict[str, tuple[Any, ...]]:
    with CustomerFiles(home).reading(now) as sql:
        rows = sql.execute(_TRAITS, [list(user_ids)]).fetchall()
    return {row[0]: tuple(row[1:]) for row in rows}


def _documents(home: Home, live: Client | None, user_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    if live is None or not user_ids:
        return {}
    try:
        found: Any = live.mget([document_key(home.shop, "users", each) for each in user_ids])
    except (StoreError, OSError) as error:
        raise StoreUnavailable(f"the live store does not answer: {error}; try again") from error
    told = {user: json.loads(text) for user, text in zip(user_ids, found, strict=True) if text is not None}
    return {user: document for user, document in told.items() if not document.get("deleted")}
