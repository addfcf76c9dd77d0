"""Coupons of campaigns: each message brings its customer one code, the same however often it is asked for."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import UnknownThing
from engine.storage.ledger import LedgerConnection, rows_of
from engine.storage.offer_documents import expiry_of
from engine.storage.offer_ledger import StoredOffer, find_offer
from engine.storage.segments import moment
from engine.targeting.codes import DEFAULT_PATTERN, make_code


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
    missing = [each for each in wishes if each.source_id not in found]
    if missing:
        over = expiry_of(offer, now)
        told = {"offer": offer.offer_id, "version": offer.version, "now": moment(now)}
        told |= {"over": None if over is None else moment(over)}
        _take(connection, missing, told)
        found = _known(connection, wishes)
        missing = [each for each in wishes if each.source_id not in found]
    while missing:  # a code that is there already is made anew, once in 2^60 or so
        _make(connection, missing, told)
        found = _known(connection, wishes)
        missing = [each for each in wishes if each.source_id not in found]
    return found


def _known(connection: LedgerConnection, wishes: Sequence[Wish]) -> dict[str, str]:
    rows = rows_of(
        connection,
        "SELECT source_id, code FROM coupons WHERE source_id = ANY (:sources)",
        sources=[each.source_id for each in wishes],
    )
    return dict(rows)


def _take(connection: LedgerConnection, missing: Sequence[Wish], told: dict[str, object]) -> None:
    rows_of(
        connection,
        "WITH free AS (SELECT code, row_number() OVER (ORDER BY code) AS place FROM (SELECT code FROM coupons"
        " WHERE offer_id = :offer AND issued_at IS NULL AND state = 'active' AND max_uses = 1 AND uses = 0"
        " AND user_id IS NULL ORDER BY code LIMIT :most FOR UPDATE SKIP LOCKED) AS taken)"
        " UPDATE coupons c SET user_id = w.user_id, source_id = w.source_id, version = :version, issued_at = :now,"
        " expires_at = :over FROM free JOIN unnest(CAST(:sources AS TEXT[]), CAST(:users AS TEXT[])) WITH ORDINALITY"
        " AS w (source_id, user_id, place) USING (place) WHERE c.code = free.code",
        most=len(missing),
        sources=[each.source_id for each in missing],
        users=[each.user_id for each in missing],
        **told,
    )


def _make(connection: LedgerConnection, missing: Sequence[Wish], told: dict[str, object]) -> None:
    rows_of(
        connection,
        "INSERT INTO coupons (code, offer_id, version, user_id, max_uses, issued_at, expires_at, source_id, created_at)"
        " SELECT w.code, :offer, :version, w.user_id, 1, :now, :over, w.source_id, :now FROM"
        " unnest(CAST(:codes AS TEXT[]), CAST(:users AS TEXT[]), CAST(:sources AS TEXT[]))"
        " AS w (code, user_id, source_id) ON CONFLICT DO NOTHING",
        codes=[make_code(DEFAULT_PATTERN, secrets.randbits) for _ in missing],
        sources=[each.source_id for each in missing],
        users=[each.user_id for each in missing],
        **told,
    )


def _shared(connection: LedgerConnection, offer_id: str) -> str:
    rows = rows_of(
        connection,
        "SELECT code FROM coupons WHERE offer_id = :offer AND user_id IS NULL AND issued_at IS NOT NULL"
        " AND state = 'active' AND max_uses IS DISTINCT FROM 1 ORDER BY created_at, code LIMIT 1",
        offer=offer_id,
    )
    return str(rows[0][0]) if rows else ""
