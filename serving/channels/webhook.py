"""Webhook: the message waits in the outbox of webhooks from now on, which has its own retries for each endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.storage.campaign_outbox import Note
from engine.storage.campaign_round import Leaving
from engine.storage.ledger import LedgerConnection
from engine.storage.webhook_outbox import announce_many
from serving.campaign_message import Message

EVENT = "campaign.message"
_NOBODY_SECONDS = 300.0
_TOLD = ("subject", "text", "html", "unsubscribe_url")


def leave(
    connection: LedgerConnection, leaving: Sequence[tuple[Leaving, Message | None]], *, real_now: float
) -> list[Note]:
    """Each message once for every endpoint that asks for it; where none does, they wait for one."""
    told = {each.row.message_id: _data(each, message) for each, message in leaving}
    if leaving and not announce_many(connection, EVENT, told, now=real_now):
        later = real_now + _NOBODY_SECONDS
        return [
            Note(each.row, "waiting", f"no webhook asks for {EVENT}", each.row.attempts, not_before=later)
            for each, _ in leaving
        ]
    return [Note(each.row, "sent", attempts=each.row.attempts + 1, counted_on=each.day) for each, _ in leaving]


def _data(leaving: Leaving, message: Message | None) -> dict[str, Any]:
    return {
        "campaign_id": leaving.row.campaign_id,
        "user_id": leaving.row.person,
        "step": leaving.row.step,
        "variant": leaving.row.variant,
        "offer_id": leaving.row.offer_id,
        "code": leaving.code,
        **({} if message is None else {name: getattr(message, name) for name in _TOLD}),
    }
