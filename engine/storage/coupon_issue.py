"""Issuing: codes made in bulk or elsewhere, and given to one customer each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.errors import BadInput, NotAllowed
from engine.storage.ledger import Ledger, LedgerConnection, connection_of, insert_new, rows_of
from engine.storage.offer_ledger import StoredOffer, find_offer
from engine.targeting.codes import DEFAULT_PATTERN, checked_code, checked_pattern, make_code

MOST_CODES = 1_000_000
_COLUMNS = (
    "code", "offer_id", "version", "user_id", "max_uses", "uses", "issued_at", "expires_at", "state", "source_id",
    "created_at",
)  # fmt: skip
#: When a coupon issued at a moment is over, by its offer's terms; None for never. Epoch seconds.
Expiry = Callable[[StoredOffer, float], float | None]


@dataclass(frozen=True, slots=True)
class Issued:
    """A customer's coupon; `fresh` is False where it was theirs before."""

    code: str
    offer_id: str
    version: int
    user_id: str
    source_id: str | None
    expires_at: float | None
    fresh: bool


def never(_offer: StoredOffer, _now: float) -> float | None:
    """The expiry of coupons whose offer says nothing of a duration."""
    return None


def generate_codes(ledger: Ledger, offer_id: str, count: int, pattern: str = DEFAULT_PATTERN, *, now: float) -> int:
    """Make `count` codes for one use each, which wait to be given out; all of them or none. Raises BadInput."""
    checked_pattern(pattern)
    if not 1 <= count <= MOST_CODES:
        raise BadInput(f"count: from 1 to {MOST_CODES:,}", field="count")
    with connection_of(ledger) as connection:
        offer = _usable(connection, offer_id)
        missing = count
        while missing:  # a code that is there already is made anew, once in 2^60 or so
            made = (make_code(pattern, secrets.randbits) for _ in range(missing))
            missing -= _insert(connection, offer, made, max_uses=1, now=now)
    return count


def import_codes(
    ledger: Ledger, offer_id: str, codes: Iterable[str], *, max_uses: int | None = 1, now: float
) -> tuple[int, int]:
    """Take over codes made elsewhere; returns how many were new and how many this offer had already.

    `max_uses` None makes codes for everybody, which only the offer's limits hold. All of them or none: raises BadInput
    for what cannot be a code, NotAllowed for one of another offer.
    """
    if max_uses is not None and not 1 <= max_uses < 2**31:
        raise BadInput("max_uses: at least 1, or none at all", field="max_uses")
    wanted = []
    for place, code in enumerate(codes):
        try:
            wanted.append(checked_code(code))
        except BadInput as error:
            raise BadInput(error.message, field="code", position=place) from error
    wanted = list(dict.fromkeys(wanted))
    if not 1 <= len(wanted) <= MOST_CODES:
        raise BadInput(f"codes: from 1 to {MOST_CODES:,}", field="codes")
    with connection_of(ledger) as connection:
        offer = _usable(connection, offer_id)
        new = _insert(connection, offer, wanted, max_uses=max_uses, now=now)
        foreign = rows_of(
            connection,
            "SELECT code FROM coupons WHERE code = ANY (:codes) AND offer_id <> :id LIMIT 1",
            codes=wanted,
            id=offer_id,
        )
        if foreign:
            raise NotAllowed(f"the code {foreign[0][0]!r} belongs to another offer", code="code_taken", field="codes")
    return new, len(wanted) - new


def publish(
    ledger: Ledger,
    offer_id: str,
    user_id: str,
    source_id: str | None = None,
    *,
    join_once: bool = True,
    expiry: Expiry = never,
    now: float,
) -> Issued:
    """Give the customer a coupon under the offer's newest terms.

    The same `source_id` always gets the same code, and with `join_once` the customer has one of this offer at most. A
    code that waits is taken, or a new one made. Raises UnknownThing, NotAllowed for a disabled offer and for a
    source_id that stands for somebody else's coupon.
    """
    with connection_of(ledger) as connection:
        # Two calls about the same source or customer come one after the other.
        for about in sorted({f"source {source_id}" if source_id else "", f"joins {offer_id} {user_id}"} - {""}):
            rows_of(
                connection,
                "SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || :about, 2))) AS held",
                about=about,
            )
        known = _known(connection, offer_id, user_id, source_id, join_once)
        if known is not None:
            return known
        offer = _usable(connection, offer_id)
        over = expiry(offer, now)
        values = {
            "offer": offer_id, "version": offer.version, "user": user_id, "source": source_id, "now": _moment(now),
            "over": None if over is None else _moment(over), "code": make_code(DEFAULT_PATTERN, secrets.randbits),
        }  # fmt: skip
        given = rows_of(
            connection,
            "UPDATE coupons SET user_id = :user, version = :version, issued_at = :now, expires_at = :over,"
            " source_id = :source WHERE code = (SELECT code FROM coupons WHERE offer_id = :offer AND issued_at IS NULL"
            " AND state = 'active' AND max_uses = 1 AND uses = 0 AND user_id IS NULL ORDER BY code LIMIT 1"
            " FOR UPDATE SKIP LOCKED) RETURNING code",
            **values,
        ) or rows_of(
            connection,
            "INSERT INTO coupons (code, offer_id, version, user_id, max_uses, issued_at, expires_at, source_id,"
            " created_at) VALUES (:code, :offer, :version, :user, 1, :now, :over, :source, :now) RETURNING code",
            **values,
        )
    return Issued(given[0][0], offer_id, offer.version, user_id, source_id, over, fresh=True)


def _known(
    connection: LedgerConnection, offer_id: str, user_id: str, source_id: str | None, join_once: bool
) -> Issued | None:
    rows = rows_of(
        connection,
        "SELECT code, offer_id, version, user_id, source_id, extract(epoch FROM expires_at)::float8 FROM coupons"
        " WHERE source_id = :source OR (:once AND offer_id = :offer AND user_id = :user)"
        " ORDER BY source_id IS NOT DISTINCT FROM :source DESC, issued_at LIMIT 1",
        source=source_id,
        once=join_once,
        offer=offer_id,
        user=user_id,
    )
    if not rows:
        return None
    found = Issued(*(*rows[0], False))
    if (found.offer_id, found.user_id) != (offer_id, user_id):
        raise NotAllowed(
            "source_id: stands for another coupon already; name each publication once",
            code="duplicate_source_id",
            field="source_id",
        )
    return found


def _usable(connection: LedgerConnection, offer_id: str) -> StoredOffer:
    offer = find_offer(connection, offer_id)
    if offer.state != "active":
        raise NotAllowed(f"the offer {offer_id!r} is disabled", code="offer_disabled", field="offer_id")
    return offer


def _insert(
    connection: LedgerConnection, offer: StoredOffer, codes: Iterable[str], *, max_uses: int | None, now: float
) -> int:
    moment = _moment(now)
    # A code for everybody is in the hands of everybody from now on.
    issued = moment if max_uses != 1 else None
    rows = (
        (code, offer.offer_id, offer.version, None, max_uses, 0, issued, None, "active", None, moment) for code in codes
    )
    return insert_new(connection, "coupons", _COLUMNS, rows)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
