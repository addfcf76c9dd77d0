"""Drawn ids: what requests and lists are called, random UUIDs, drawn many at once since asking the system for one costs
as much as for hundreds."""

from __future__ import annotations

import os

import numpy as np

_AT_ONCE = 256
_waiting: list[str] = []


def drawn_id() -> str:
    """An id that nobody had before: a UUID of version 4, as 32 hexadecimal digits."""
    while True:
        try:
            return _waiting.pop()
        except IndexError:
            _waiting.extend(_drawn(_AT_ONCE))


def _drawn(number: int) -> list[str]:
    drawn = np.frombuffer(bytearray(os.urandom(16 * number)), np.uint8).reshape(number, 16)
    drawn[:, 6] = drawn[:, 6] & 0x0F | 0x40
    drawn[:, 8] = drawn[:, 8] & 0x3F | 0x80
    digits = drawn.tobytes().hex()
    return [digits[at : at + 32] for at in range(0, 32 * number, 32)]


os.register_at_fork(after_in_child=_waiting.clear)
