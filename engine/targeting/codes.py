"""Codes: what a customer types. A made one holds so much chance that guessing is hopeless."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from engine.errors import BadInput

#: 32 characters that are not taken for one another; each is 5 bits of chance.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LEAST_BITS = 60
LONGEST_CODE = 64
DEFAULT_PATTERN = "#############"
_PATTERN = re.compile(r"[A-Z0-9_#-]+")
_BITS = 5


def checked_pattern(pattern: str) -> str:
    """A pattern such as `SUMMER-############`, in which each # becomes a character of chance. Raises BadInput."""
    if not _PATTERN.fullmatch(pattern) or len(pattern) > LONGEST_CODE:
        raise BadInput(f"pattern: up to {LONGEST_CODE} of A-Z, 0-9, - and _; # stands for chance", field="pattern")
    bits = _BITS * pattern.count("#")
    if bits < LEAST_BITS:
        raise BadInput(
            f"pattern: {bits} bits of chance can be guessed; write at least {LEAST_BITS // _BITS} #", field="pattern"
        )
    return pattern


def make_code(pattern: str, random_bits: Callable[[int], int]) -> str:
    """A code of a checked pattern; `random_bits` gives that many bits that nobody can foresee."""
    marks = pattern.count("#")
    bits = random_bits(_BITS * marks)
    chance = (ALPHABET[bits >> _BITS * place & 31] for place in range(marks))
    return "".join(next(chance) if each == "#" else each for each in pattern)


def make_codes(count: int, random_bytes: Callable[[int], bytes]) -> list[str]:
    """So many codes of the usual pattern; `random_bytes` gives so many bytes that nobody can foresee."""
    length = len(DEFAULT_PATTERN)
    chance = np.frombuffer(random_bytes(count * length), np.uint8) & 31
    letters = np.frombuffer(ALPHABET.encode(), np.uint8)[chance]
    return [each.decode() for each in letters.view(f"S{length}").tolist()]


def checked_code(code: str) -> str:
    """A code made elsewhere, as it may be stored and typed. Raises BadInput."""
    if not 1 <= len(code) <= LONGEST_CODE or not code.isprintable() or code != code.strip() or not code.isascii():
        raise BadInput(f"code: 1 to {LONGEST_CODE} printable ASCII characters without spaces around", field="code")
    return code
