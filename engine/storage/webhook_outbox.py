"""Outbox of webhooks: each message waits here, one row an endpoint, until it is delivered or given up.

Times are real ones, not the shop's: endpoints hold the signature's time against their own clocks.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.errors import BadInput, NotAllowed, UnknownThing
from engine.storage.ledger import Ledger, connection_of, rows_of
from engine.storage.segments import moment
from engine.storage.webhooks import find_webhook

#: Who claims a delivery has so long for it; after a kill -9 it is then sent again.
LEASE = timedelta(seconds=60)
#: What became of deliveries is kept so long.
KEPT = timedelta(days=30)
STATES = ("waiting", "delivered", "dead")
_COLUMNS = (
    "delivery_id, webhook_id, message_id, event, state, attempts, next_at, last_status, last_error, created_at,"
    " ended_at, body"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one endpoint. Times are aware datetimes."""

    id: int
    webhook_id: str
    message_id: str
    event: str
    state: str
    attempts: int
    next_at: datetime | None
    last_status: int | None
    last_error: str | None
    created_at: datetime
    ended_at: datetime | None
    body: str

    def as_json(self) -> dict[str, Any]:
        names = ("webhook_id", "message_id", "event", "state", "attempts", "last_status", "last_error")
        times = {name: getattr(self, name) for name in ("next_at", "created_at", "ended_at")}
        return {
            "delivery_id": self.id,
            **{name: getattr(self, name) for name in names},
            **{name: at and at.isoformat() for name, at in times.items()},
            "body": json.loads(self.body),
        }


@dataclass(frozen=True, slots=True)
class Due:
    """What must be sent now. `secrets` sign it, the newest first; `attempts` counts this one."""

    id: int
    webhook_id: str
    message_id: str
    body: str
    attempts: int
    url: str
    secrets: tuple[str, ...]


def announce(
    ledger: Ledger, event: str, data: Mapping[str, Any], *, message_id: str, now: float, only: str | None = None
) -> int:
    """Tell every webhook that asks for `event`, or `only` one; how many will be told.

    The same `message_id` again tells nobody twice, so that a caller who was cut may repeat.
    """
    body = json.dumps({"type": event, "timestamp": moment(now).isoformat(), "data": data}, ensure_ascii=False)
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "INSERT INTO webhook_deliveries (webhook_id, message_id, event, body, state, attempts, next_at, created_at)"
            " SELECT webhook_id, :message, :event, :body, 'waiting', 0, :at, :at FROM webhooks"
            " WHERE enabled AND (:event = ANY(events) OR webhook_id = :only)"
            " AND (CAST(:only AS TEXT) IS NULL OR webhook_id = :only)"
            " ON CONFLICT DO NOTHING RETURNING delivery_id",
            message=message_id,
            event=event,
            body=body,
            at=moment(now),
            only=only,
        )
    return len(rows)


def announce_many(ledger: Ledger, event: str, data: Mapping[str, Mapping[str, Any]], *, now: float) -> bool:
    """Tell every webhook that asks for `event` of each message, by its id; False where none asks.

    Ids that were announced before tell nobody twice.
    """
    at = moment(now)
    bodies = [
        json.dumps({"type": event, "timestamp": at.isoformat(), "data": told}, ensure_ascii=False)
        for told in data.values()
    ]
    with connection_of(ledger) as connection:
        asking = rows_of(
            connection,
            "SELECT webhook_id FROM webhooks WHERE enabled AND :event = ANY(events) FOR SHARE",
            event=event,
        )
        rows_of(
            connection,
            "INSERT INTO webhook_deliveries (webhook_id, message_id, event, body, state, attempts, next_at, created_at)"
            " SELECT w.id, m.id, :event, m.body, 'waiting', 0, :at, :at"
            " FROM unnest(CAST(:webhooks AS TEXT[])) AS w (id) CROSS JOIN"
            " unnest(CAST(:ids AS TEXT[]), CAST(:bodies AS TEXT[])) AS m (id, body)"
            " ON CONFLICT DO NOTHING",
            event=event,
            at=at,
            webhooks=[webhook for (webhook,) in asking],
            ids=list(data),
            bodies=bodies,
        )
    return bool(asking)


def claim_due(ledger: Ledger, *, now: float, busy: Collection[str], each: int, most: int) -> list[Due]:
    """What is due, at most `each` of one webhook and none of the `busy` ones; nobody else is given it for a while."""
    at = moment(now)
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "WITH due AS (SELECT first.delivery_id FROM webhooks CROSS JOIN LATERAL (SELECT delivery_id, next_at"
            " FROM webhook_deliveries w WHERE w.webhook_id = webhooks.webhook_id AND state = 'waiting'"
            " AND next_at <= :at ORDER BY next_at, delivery_id LIMIT :each) AS first"
            " WHERE enabled AND NOT webhooks.webhook_id = ANY(CAST(:busy AS TEXT[]))"
            " ORDER BY first.next_at LIMIT :most)"
            " UPDATE webhook_deliveries AS sent SET attempts = attempts + 1, next_at = :lease"
            " FROM due, webhooks AS told WHERE sent.delivery_id = due.delivery_id"
            " AND told.webhook_id = sent.webhook_id"
            " RETURNING sent.delivery_id, sent.webhook_id, sent.message_id, sent.body, sent.attempts, told.url,"
            " told.secret, CASE WHEN told.former_until > :at THEN told.former_secret END",
            at=at,
            lease=at + LEASE,
            busy=list(busy),
            each=each,
            most=most,
        )
    return [
        Due(delivery, webhook, message, body, attempts, url, tuple(filter(None, secrets)))
        for delivery, webhook, message, body, attempts, url, *secrets in rows
    ]


def note_delivered(ledger: Ledger, delivery_id: int, status: int, *, now: float) -> None:
    with connection_of(ledger) as connection:
        rows_of(
            connection,
            "UPDATE webhook_deliveries SET state = 'delivered', last_status = :status, last_error = NULL,"
            " next_at = NULL, ended_at = :at WHERE delivery_id = :id",
            id=delivery_id,
            status=status,
            at=moment(now),
        )


def note_failed(
    ledger: Ledger, delivery_id: int, *, status: int | None, error: str, again_at: float | None, now: float
) -> None:
    """It is sent again at `again_at`; None gives it up."""
    with connection_of(ledger) as connection:
        rows_of(
            connection,
            "UPDATE webhook_deliveries SET state = :state, last_status = :status, last_error = :error,"
            " next_at = :again, ended_at = :ended WHERE delivery_id = :id",
            id=delivery_id,
            state="dead" if again_at is None else "waiting",
            status=status,
            error=error[:500].replace("\0", ""),
            again=None if again_at is None else moment(again_at),
            ended=moment(now) if again_at is None else None,
        )


def list_deliveries(
    ledger: Ledger, webhook_id: str, *, state: str | None = None, before: int | None = None, limit: int = 100
) -> list[Delivery]:
    """What a webhook was sent, newest first, older than `before`. Raises UnknownThing, BadInput."""
    if state is not None and state not in STATES:
        raise BadInput(f"state: must be one of {', '.join(STATES)}", field="state")
    with connection_of(ledger) as connection:
        find_webhook(connection, webhook_id)
        rows = rows_of(
            connection,
            f"SELECT {_COLUMNS} FROM webhook_deliveries WHERE webhook_id = :id"
            " AND (CAST(:state AS TEXT) IS NULL OR state = :state)"
            " AND (CAST(:before AS BIGINT) IS NULL OR delivery_id < :before) ORDER BY delivery_id DESC LIMIT :limit",
            id=webhook_id,
            state=state,
            before=before,
            limit=limit,
        )
    return [Delivery(*row) for row in rows]


def replay(ledger: Ledger, webhook_id: str, *, delivery_id: int | None = None, now: float) -> int:
    """Send one delivery once more, under its old id, or all that were given up; how many that are.

    Raises UnknownThing, NotAllowed for one that still waits for its turn.
    """
    with connection_of(ledger) as connection:
        find_webhook(connection, webhook_id)
        rows = rows_of(
            connection,
            "UPDATE webhook_deliveries SET state = 'waiting', attempts = 0, next_at = :at, ended_at = NULL"
            " WHERE webhook_id = :id AND (state = 'dead' OR (state = 'delivered' AND delivery_id = :delivery))"
            " AND (CAST(:delivery AS BIGINT) IS NULL OR delivery_id = :delivery) RETURNING delivery_id",
            id=webhook_id,
            delivery=delivery_id,
            at=moment(now),
        )
        if delivery_id is not None and not rows:
            there = rows_of(
                connection,
                "SELECT 1 FROM webhook_deliveries WHERE webhook_id = :id AND delivery_id = :delivery",
                id=webhook_id,
                delivery=delivery_id,
            )
            if there:
                raise NotAllowed("this delivery is still being tried", code="still_waiting", field="delivery_id")
            raise UnknownThing("there is no such delivery", code="unknown_delivery", field="delivery_id")
    return len(rows)


def forget_deliveries(ledger: Ledger, *, now: float) -> int:
    """Drop what ended long ago; how many."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "DELETE FROM webhook_deliveries WHERE ended_at < :before RETURNING 1",
            before=moment(now) - KEPT,
        )
    return len(rows)
