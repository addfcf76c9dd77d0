"""Webhook messages: what shops are told of, signed as Standard Webhooks has it, and when a failed one is sent again."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from engine.errors import BadInput

#: What a webhook may ask for.
WEBHOOK_EVENTS: Mapping[str, str] = {
    "segment.entered": "users entered a segment",
    "segment.left": "users left a segment",
    "campaign.message": "a campaign has a message for a customer",
    "webhook.test": "somebody tried the webhook",
}
_PREFIX = "whsec_"
SECRET_BYTES = 24
MOST_ATTEMPTS = 9
# 5 s, 20 s, 80 s, ... and 12 h: the ninth attempt is 19.6 hours after the first.
_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE, _JITTER = 5.0, 4.0, 43_200.0, 0.2


def secret_of(random_bytes: bytes) -> str:
    """The secret of an endpoint, as its owner keeps it."""
    return _PREFIX + base64.b64encode(random_bytes).decode()


def headers_of(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt, signed with each secret. `timestamp` is the attempt's real time, epoch seconds."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "Content-Type": "application/json",
        "User-Agent": "Hawker",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{_mark(secret, signed)}" for secret in secrets),
    }


def _mark(secret: str, signed: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise BadInput("secret: is whsec_ and base64", field="secret") from error
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def pause_after(attempts: int, chance: float) -> float | None:
    """Seconds until the next attempt, None after the last. `chance` in [0, 1) spreads those that failed together."""
    if attempts >= MOST_ATTEMPTS:
        return None
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * _GROWTH ** (attempts - 1))
    return pause * (1 + _JITTER * (2 * chance - 1))


def checked_events(given: Sequence[str]) -> list[str]:
    """The events that a webhook asks for. Raises BadInput."""
    for each in given:
        if each not in WEBHOOK_EVENTS:
            raise BadInput(f"events: {each[:100]!a} is not one of {', '.join(WEBHOOK_EVENTS)}", field="events")
    if not given:
        raise BadInput(f"events: name at least one of {', '.join(WEBHOOK_EVENTS)}", field="events")
    return sorted(set(given))
