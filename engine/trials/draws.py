"""Draws by salted hashes: whoever has the salt finds the same number for the same customer, and nothing is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def fraction(salt: str, unit: str, person: bytes = b"") -> float:
    """A number in [0, 1) that only salt, customer and what it is drawn for decide."""
    # An id of the wire may be half a surrogate pair, and is drawn for all the same.
    told = f"{salt}\0{unit}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.blake2b(told, digest_size=8, person=person).digest())
    return float(number >> 11) / 2.0**53


def fractions(salt: str, units: Sequence[str], person: bytes = b"") -> NDArray[np.float64]:
    """(n,) float64 in [0, 1): blake2b of the salt, a NUL and the customer's id, its first 53 bits."""
    begun = hashlib.blake2b(f"{salt}\0".encode("utf-8", "surrogatepass"), digest_size=8, person=person)

    def digest(unit: str) -> bytes:
        one = begun.copy()
        one.update(unit.encode("utf-8", "surrogatepass"))
        return one.digest()

    numbers = np.frombuffer(b"".join(map(digest, units)), ">u8").astype(np.uint64)
    return (numbers >> np.uint64(11)).astype(np.float64) / 2.0**53


def places(numbers: NDArray[np.float64], shares: Sequence[float]) -> NDArray[Any]:
    """(n,) which of the shares, laid end to end, each number of [0, 1) falls into."""
    edges = np.cumsum(np.asarray(shares, np.float64))
    return np.minimum(np.searchsorted(edges, numbers, side="right"), len(edges) - 1)
