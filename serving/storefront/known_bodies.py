"""Known bodies: a shop's pages ask for the same few lists again and again, each time for somebody else.

What a body says besides who asks is checked and understood once, and known from then on by its text.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import orjson

from serving.json_body import count_keys, is_told_once, read_json
from serving.schemas import RecommendationRequest, sound_id
from serving.storefront.listing import Ask, ask_of

_MOST_KEPT, _LONGEST_KEPT = 512, 1_000  # bytes
_WHO = ("user_id", "session_id")


@dataclass(frozen=True, slots=True)
class Wish:
    """A list, and for whom."""

    ask: Ask
    user_id: str | None
    session_id: str | None


class KnownBodies:
    """Of one process."""

    def __init__(self) -> None:
        self._asks: OrderedDict[bytes, tuple[Ask, int]] = OrderedDict()

    def read(self, body: bytes) -> Wish:
        """What `RecommendationRequest` reads; raises what it, `read_json` and `ask_of` do: a ValueError or HawkerError,
        or BodyRefused."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _read(body)
        if type(value) is not dict:
            return _read(body)
        who = [value.pop(name, None) for name in _WHO]
        named = sum(each is not None for each in who)  # one that is null is rare, and read anew
        text = orjson.dumps(value)
        known = self._asks.get(text)
        if known is None:
            wish = _read(body)
            if len(text) <= _LONGEST_KEPT:
                self._asks[text] = wish.ask, count_keys(value)
                if len(self._asks) > _MOST_KEPT:
                    self._asks.popitem(last=False)
            return wish
        ask, keys = known
        if not is_told_once(body, keys + named):
            return _read(body)
        user_id, session_id = (None if each is None else sound_id(each) for each in who)
        return Wish(ask, user_id, session_id)


def _read(body: bytes) -> Wish:
    value: Any = read_json(body)
    asked = RecommendationRequest.model_validate(value)
    return Wish(ask_of(asked), asked.user_id, asked.session_id)
