"""Coupons of campaigns: each message brings its customer one code, the same however often it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import UnknownThing
from engine.storage.coupon_bulk import issue_to_many
from engine.storage.ledger import LedgerConnection, rows_of
from engine.storage.offer_ledger import StoredOffer, find_offer


@dataclass(frozen=True, slots=True)
class Wish:
    """A coupon of `offer_id` for a customer; `source_id` is the message's."""

    source_id: str
    offer_id: str
    user_id: str


def read_offers(connection: LedgerConnection, offer_ids: Sequence[str]) -> dict[str, StoredOffer]:
    """The newest versions of these offers; unknown ones are left out."""
    found = {}
    for offer_id in dict.fromkeys(offer_ids):
        try:
            found[offer_id] = find_offer(connection, offer_id)
        except UnknownThing:
            continue
    return found


def issue_coupons(
    connection: LedgerConnection, offer: StoredOffer, wishes: Sequence[Wish], *, now: float
) -> dict[str, str]:
    """The code of each wish by its source, all of one offer. Codes that wait are taken first, then new ones made.

    An offer for which everybody has the same code gives that one, one without codes an empty text.
    """
    kind = offer.terms.get("code", "unique")
    if kind != "unique":
        code = _shared(connection, offer.offer_id) if kind == "generic" else ""
        return {each.source_id: code for each in wishes}
    found = _known(connection, wishes)
    if missing := [each for each in wishes if each.source_id not in found]:
        users, sources = [each.user_id for each in missing], [each.source_id for each in missing]
        issue_to_many(connection, offer, users, sources, now=now)
        found |= _known(connection, missing)
    return found


def _known(connection: LedgerConnection, wishes: Sequence[Wish]) -> dict[str, str]:
    rows = rows_of(
        connection,
        "SELECT source_id, code FROM coupons WHERE source_id = ANY (:sources)",
        sources=[each.source_id for each in wishes],
    )
    return dict(rows)


def _shared(connection: LedgerConnection, offer_id: str) -> str:
    rows = rows_of(
        connection,
        "SELECT code FROM coupons WHERE offer_id = :offer AND user_id IS NULL AND issued_at IS NOT NULL"
        " AND state = 'active' AND max_uses IS DISTINCT FROM 1 ORDER BY created_at, code LIMIT 1",
        offer=offer_id,
    )
    return str(rows[0][0]) if rows else ""
