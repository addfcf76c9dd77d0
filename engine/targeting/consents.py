"""Consent: for what, and over which channels, a customer agreed to be talked to, and the link that takes it back.

What was said last counts, whether it was of one channel or of `all`. Where nothing was said, marketing follows the
trait `subscribed`; another purpose needs a word of its own, but for service, which answers something of the customer's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput, UnknownThing

#: What a message may be for. Others are the shop's own.
PURPOSES: Mapping[str, str] = {
    "marketing": "offers, news and recommendations; a customer who never said anything is asked for `subscribed`",
    "service": "answers to something of the customer's own, such as a complaint; sent until it is refused",
}
#: Channels that consent is about; `all` speaks for each of them.
CONSENT_CHANNELS = ("all", "storefront", "email", "webhook", "file")
#: Below it, on the storefront, lie the links that end messages.
UNSUBSCRIBE_PATH = "/v1/unsubscribe/"
_LONGEST = 200
#: Channels on which the shop talks to those who come anyway: no consent is needed, a refusal is heeded.
_OF_THE_SHOP = frozenset({"storefront"})


@dataclass(frozen=True, slots=True)
class Said:
    """What a customer said last of a purpose and channel; `place` orders it among all that was ever said."""

    granted: bool
    place: int


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """What a signed link takes back: `campaign_id` is that of the message it stood in."""

    user_id: str
    purpose: str
    channel: str
    campaign_id: str | None = None


def allowed(purpose: str, channel: str, said: Mapping[tuple[str, str], Said], subscribed: bool | None) -> bool:
    """Whether a message may be sent; `said` maps (purpose, channel) to what was said last of it."""
    word = _word(said, purpose, channel)
    if word is not None:
        return word
    return purpose == "service" or channel in _OF_THE_SHOP or (purpose == "marketing" and subscribed is True)


def words_together(
    mine: Mapping[tuple[str, str], Said], theirs: Mapping[tuple[str, str], Said]
) -> list[tuple[str, str, bool]]:
    """What must be said of a customer, in this order, who turned out to be another: purposes, channels, granted or not.

    The more restrictive word counts: a withdrawal of either stays, however late the other agreed; where one agreed and
    the other said nothing, they agreed. Both of them are told like this, each with the other's words as `theirs`.
    """
    found = []
    for purpose in sorted({each for each, _ in (*mine, *theirs)}):
        words = {channel: _word(mine, purpose, channel) for channel in CONSENT_CHANNELS}
        for channel in CONSENT_CHANNELS:  # `all` comes first, and what it says of the others is said over
            spoken = (_word(mine, purpose, channel), _word(theirs, purpose, channel))
            granted = False not in spoken
            if spoken == (None, None) or words[channel] == granted:
                continue
            found.append((purpose, channel, granted))
            words |= dict.fromkeys(CONSENT_CHANNELS if channel == "all" else (channel,), granted)
    return found


def _word(said: Mapping[tuple[str, str], Said], purpose: str, channel: str) -> bool | None:
    """What holds of a purpose and channel, None where nothing was said."""
    words = [each for each in (said.get((purpose, channel)), said.get((purpose, "all"))) if each is not None]
    return max(words, key=lambda each: each.place).granted if words else None


def checked_consent(purpose: Any, channel: Any) -> tuple[str, str]:
    """A purpose and a channel that consent can be about. Raises BadInput."""
    if channel not in CONSENT_CHANNELS:
        raise BadInput(f"channel: one of {', '.join(CONSENT_CHANNELS)}, not {channel!a}", field="channel")
    sound = isinstance(purpose, str) and 0 < len(purpose) <= _LONGEST and purpose.isprintable()
    if not sound:
        raise BadInput(f"purpose: a word such as {', '.join(PURPOSES)}", field="purpose")
    return purpose, channel


def unsubscribe_token(secret: str, about: Unsubscribing) -> str:
    """The last part of a link that works without a login, for as long as the shop keeps its secret."""
    told = [about.user_id, about.purpose, about.channel, about.campaign_id]
    body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return f"{_text(body)}.{_text(_mark(secret, body))}"


def read_token(secret: str, token: str) -> Unsubscribing:
    """Whose link it is. UnknownThing for one that was not signed with this secret, or was cut or changed."""
    try:
        body, mark = (base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)) for each in token.split("."))
        if not hmac.compare_digest(mark, _mark(secret, body)) or _text(body) != token.split(".")[0]:
            raise ValueError
        return Unsubscribing(*json.loads(body.decode("utf-8", "surrogatepass")))
    except (binascii.Error, ValueError, TypeError) as error:
        raise UnknownThing(
            "this link is not whole; open it from the message again", code="unknown_link", field="token"
        ) from error


def _mark(secret: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), b"unsubscribe\0" + body, hashlib.sha256).digest()


def _text(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).decode().rstrip("=")
