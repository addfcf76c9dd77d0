"""Coupons for many customers at once, as a campaign gives them: one each, under a source_id of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from engine.storage.ledger import LedgerConnection, copy_csv, rows_of
from engine.storage.offer_documents import expiry_of
from engine.storage.offer_ledger import StoredOffer
from engine.targeting.codes import make_codes

_AT_ONCE = 100_000  # rows of a piece that is sent to the ledger
_COLUMNS = (
    "code", "offer_id", "version", "user_id", "max_uses", "issued_at", "expires_at", "source_id", "created_at",
)  # fmt: skip


def issue_to_many(
    connection: LedgerConnection, offer: StoredOffer, user_ids: Sequence[str], source_ids: Sequence[str], *, now: float
) -> int:
    """Give each of the users a coupon of the offer under the source_id beside them; how many waiting codes were taken.

    Codes that wait are taken first, in their order; the rest are made. Raises BadInput where a source_id stands for a
    coupon already.
    """
    over = expiry_of(offer, now)
    moment, expires = _moment(now), None if over is None else _moment(over)
    taken = _take_waiting(connection, offer, user_ids, source_ids, moment, expires)
    number = len(user_ids) - taken
    codes = make_codes(number, secrets.token_bytes)
    table = pa.table(
        {
            "code": codes,
            "offer_id": repeated(offer.offer_id, number),
            "version": repeated(offer.version, number),
            "user_id": pa.array(user_ids[taken:], pa.string()),
            "max_uses": repeated(1, number),
            "issued_at": repeated(moment.isoformat(), number),
            "expires_at": repeated(None if expires is None else expires.isoformat(), number),
            "source_id": pa.array(source_ids[taken:], pa.string()),
            "created_at": repeated(moment.isoformat(), number),
        }
    )
    copy_csv(connection, "coupons", _COLUMNS, csv_of(table))
    return taken


def csv_of(table: pa.Table) -> Iterator[bytes]:
    """The rows as CSV in which null is an empty field and an empty text is quoted, as the ledger reads it."""
    for batch in table.to_batches(max_chunksize=_AT_ONCE):
        written = BytesIO()
        pa_csv.write_csv(batch, written, pa_csv.WriteOptions(include_header=False))
        yield written.getvalue()


def repeated(value: Any, number: int) -> pa.Array:
    """A column that holds the same everywhere."""
    return pa.repeat(pa.scalar(value, pa.string() if value is None else None), number)


def _take_waiting(
    connection: LedgerConnection,
    offer: StoredOffer,
    user_ids: Sequence[str],
    source_ids: Sequence[str],
    moment: datetime,
    expires: datetime | None,
) -> int:
    free = rows_of(
        connection,
        "SELECT code FROM coupons WHERE offer_id = :offer AND issued_at IS NULL AND state = 'active' AND max_uses = 1"
        " AND uses = 0 AND user_id IS NULL ORDER BY code LIMIT :most FOR UPDATE SKIP LOCKED",
        offer=offer.offer_id,
        most=len(user_ids),
    )
    if free:
        rows_of(
            connection,
            "UPDATE coupons SET user_id = given.user_id, source_id = given.source_id, version = :version,"
            " issued_at = :now, expires_at = CAST(:over AS TIMESTAMPTZ) FROM unnest(CAST(:codes AS TEXT[]),"
            " CAST(:users AS TEXT[]), CAST(:sources AS TEXT[])) AS given (code, user_id, source_id)"
            " WHERE coupons.code = given.code",
            version=offer.version,
            now=moment,
            over=expires,
            codes=[code for (code,) in free],
            users=list(user_ids[: len(free)]),
            sources=list(source_ids[: len(free)]),
        )
    return len(free)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
