"""Known bodies: a shop's pages ask for the same few lists again and again, each time for somebody else.

What a body says besides who asks is checked and understood once, and known from then on by its text.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any, NamedTuple, TypeVar

import orjson

from serving.json_body import count_keys, is_told_once, read_json
from serving.schemas import RecommendationRequest, sound_id
from serving.storefront.listing import Ask, ask_of

_MOST_KEPT, _LONGEST_KEPT = 512, 1_000  # bytes
_WHO = ("user_id", "session_id")
_USER = b'"user_id":"'
_PLAIN_NAME = re.compile(rb"[\w.:@-]{1,64}", re.ASCII)
#: What says that a body might name somebody elsewhere or in other words.
_TELLING = (b"user_id", b"session_id", b"\\")

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Wish(NamedTuple):
    """A list, and for whom."""

    ask: Ask
    user_id: str | None
    session_id: str | None


class KnownBodies:
    """Of one process."""

    def __init__(self) -> None:
        self._asks: OrderedDict[bytes, tuple[Ask, int]] = OrderedDict()
        # The same by what stands before a user's name and behind it, character by character.
        self._around: OrderedDict[tuple[bytes, bytes], Ask] = OrderedDict()

    def read(self, body: bytes) -> Wish:
        """What `RecommendationRequest` reads; raises what it, `read_json` and `ask_of` do: a ValueError or HawkerError,
        or BodyRefused."""
        before, _, after = body.partition(_USER)
        name, _, behind = after.partition(b'"')
        known = self._around.get((before, behind))
        if known is not None and _PLAIN_NAME.fullmatch(name):
            return Wish(known, name.decode("ascii"), None)
        wish = self._read_parts(body)
        # Such a body names nobody elsewhere, and another plain name in this place changes nothing else of it.
        around = before + behind
        if not any(each in around for each in _TELLING) and wish.user_id == name.decode("utf-8", "replace"):
            _keep(self._around, (before, behind), wish.ask, len(around))
        return wish

    def _read_parts(self, body: bytes) -> Wish:
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
            _keep(self._asks, text, (wish.ask, count_keys(value)), len(text))
            return wish
        ask, keys = known
        if not is_told_once(body, keys + named):
            return _read(body)
        user_id, session_id = (None if each is None else sound_id(each) for each in who)
        return Wish(ask, user_id, session_id)


def _keep(known: OrderedDict[_Key, _Value], key: _Key, value: _Value, length: int) -> None:
    if length <= _LONGEST_KEPT:
        known[key] = value
        if len(known) > _MOST_KEPT:
            known.popitem(last=False)


def _read(body: bytes) -> Wish:
    value: Any = read_json(body)
    asked = RecommendationRequest.model_validate(value)
    return Wish(ask_of(asked), asked.user_id, asked.session_id)
