"""Id hash: the number under which an id is found, the same as `hashlib.blake2b(raw, digest_size=8)`, little-endian.

Written as a loop, since asking hashlib for it costs several times what it computes. Aumasson, Neves, Wilcox-O'Hearn and
Winnerlein: BLAKE2: simpler, smaller, fast as MD5 (2013), as in RFC 7693.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import inner

_BEGIN = np.array(
    [
        0x6A09E667F3BCC908,
        0xBB67AE8584CAA73B,
        0x3C6EF372FE94F82B,
        0xA54FF53A5F1D36F1,
        0x510E527FADE682D1,
        0x9B05688C2B3E6C1F,
        0x1F83D9ABFB41BD6B,
        0x5BE0CD19137E2179,
    ],
    np.uint64,
)
#: Which words each of the twelve rounds mixes in.
_ORDERS = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    ],
    np.int64,
)
_BLOCK = 128  # bytes
_SIZE, _FORM = np.uint64(8), np.uint64(0x01010000)  # bytes of the digest; no key, one leaf
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_Four = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


@inner
def hash_of(blob: NDArray[np.uint8], begin: int, end: int) -> np.uint64:
    """Of the bytes `begin` to `end`."""
    state, words = _BEGIN.copy(), np.empty(16, np.uint64)
    state[0] ^= _FORM ^ _SIZE
    at = begin
    while True:
        stop = min(at + _BLOCK, end)
        _read(blob, at, stop, words)
        _stir(state, words, np.uint64(stop - begin), is_last=stop == end)
        if stop == end:
            return np.uint64(state[0])
        at = stop


@inner
def _read(blob: NDArray[np.uint8], at: int, stop: int, words: NDArray[np.uint64]) -> None:
    """A block as little-endian words, filled up with zeros."""
    words[:] = np.uint64(0)
    for place in range(stop - at):
        words[place >> 3] |= np.uint64(blob[at + place]) << np.uint64(8 * (place & 7))


@inner
def _stir(state: NDArray[np.uint64], words: NDArray[np.uint64], counted: np.uint64, is_last: bool) -> None:
    a0, a1, a2, a3, b0, b1, b2, b3 = state
    c0, c1, c2, c3, d0, d1, d2, d3 = _BEGIN
    d0 ^= counted
    if is_last:
        d2 ^= _ALL
    for turn in range(12):
        order = _ORDERS[turn]
        a0, b0, c0, d0 = _mixed(a0, b0, c0, d0, words[order[0]], words[order[1]])
        a1, b1, c1, d1 = _mixed(a1, b1, c1, d1, words[order[2]], words[order[3]])
        a2, b2, c2, d2 = _mixed(a2, b2, c2, d2, words[order[4]], words[order[5]])
        a3, b3, c3, d3 = _mixed(a3, b3, c3, d3, words[order[6]], words[order[7]])
        a0, b1, c2, d3 = _mixed(a0, b1, c2, d3, words[order[8]], words[order[9]])
        a1, b2, c3, d0 = _mixed(a1, b2, c3, d0, words[order[10]], words[order[11]])
        a2, b3, c0, d1 = _mixed(a2, b3, c0, d1, words[order[12]], words[order[13]])
        a3, b0, c1, d2 = _mixed(a3, b0, c1, d2, words[order[14]], words[order[15]])
    for place, mixed in enumerate((a0 ^ c0, a1 ^ c1, a2 ^ c2, a3 ^ c3, b0 ^ d0, b1 ^ d1, b2 ^ d2, b3 ^ d3)):
        state[place] ^= mixed


@inner
def _mixed(a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64, x: np.uint64, y: np.uint64) -> _Four:
    a = a + b + x
    d = _turned(d ^ a, 32)
    c = c + d
    b = _turned(b ^ c, 24)
    a = a + b + y
    d = _turned(d ^ a, 16)
    c = c + d
    return a, _turned(b ^ c, 63), c, d


@inner
def _turned(value: np.uint64, bits: int) -> np.uint64:
    """To the right, what falls off coming in on the left."""
    return (value >> np.uint64(bits)) | (value << np.uint64(64 - bits))
