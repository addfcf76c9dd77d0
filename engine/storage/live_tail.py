"""Live tail: a profile with what somebody did since, read off the live store's strings as they came.

`live_person` says what the strings look like, and reads one into words; a page wants rows, in the order of time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.compiled import (
    BYTES,
    BYTES_WRITTEN,
    FLOATS,
    FLOATS_WRITTEN,
    PLACES,
    PLACES_WRITTEN,
    ROWS,
    ROWS_WRITTEN,
    WHOLE,
    compiled,
    inner,
)
from engine.ids import HASHES, IdMap, row_of
from engine.profile import Profile

#: Where the first touch begins, behind the fields of `live_person`'s head.
_HEAD = 21
#: Bytes of a record before the item's id: its length, type, time, quantity, and the hash of the event's id.
_RECORD = 12


def continued(profile: Profile, persons: Sequence[bytes], since: float, items: IdMap) -> Profile:
    """The profile and what these persons, at most two, did from `since` on (epoch seconds) with items that are known.

    All of that lies after the profile. The same profile where there is nothing.
    """
    if not persons:
        return profile
    first, *more = persons
    text = np.frombuffer(first if not more else first + more[0], np.uint8)
    stored = profile.items, profile.types, profile.times, profile.quantities
    most = len(profile) + len(text) // _RECORD
    found = np.empty(most, np.int32), np.empty(most, np.uint8), np.empty(most, np.int64), np.empty(most, np.float32)
    n = _continue(*found, text, len(first), math.ceil(since), *stored, *items.columns)
    if n == len(profile):
        return profile
    known = found[0][:n], found[1][:n], found[2][:n], found[3][:n]
    return Profile(profile.row, *known, is_continued=profile.is_stored or profile.is_continued)


@inner
def _records(text: NDArray[np.uint8], border: int) -> NDArray[np.int64]:
    """Where the records of one person, and behind the border those of another, begin."""
    found, n = np.empty(len(text) // _RECORD, np.int64), 0
    for begin, stop in ((0, border), (border, len(text))):
        at = begin + _HEAD
        for _ in range(2):  # touches, each behind its length
            at += 1 + text[at] if at < stop else 0
        at += 2  # the length of the first tail, which the second one follows
        while at + _RECORD <= stop:
            found[n] = at
            n += 1
            at += max(1 + text[at], _RECORD)
    return found[:n]


@inner
def _number(text: NDArray[np.uint8], at: int, size: int) -> int:
    found = 0
    for place in range(size):
        found |= int(text[at + place]) << (8 * place)
    return found


@inner
def _half(bits: int) -> float:
    """A number of IEEE 754's half precision."""
    size, part = (bits >> 10) & 31, bits & 1023
    if size == 31:
        found = np.inf if part == 0 else np.nan
    else:
        found = part * 2.0**-24 if size == 0 else (1.0 + part / 1024.0) * 2.0 ** (size - 15)
    return -found if bits >> 15 else found


@compiled(
    *(ROWS_WRITTEN, BYTES_WRITTEN, PLACES_WRITTEN, FLOATS_WRITTEN),
    *(BYTES, WHOLE, WHOLE, ROWS, BYTES, PLACES, FLOATS, HASHES, ROWS, BYTES, PLACES),
)
def _continue(
    all_items: NDArray[np.int32],
    all_types: NDArray[np.uint8],
    all_times: NDArray[np.int64],
    all_quantities: NDArray[np.float32],
    text: NDArray[np.uint8],
    border: int,
    since: int,
    items: NDArray[np.int32],
    types: NDArray[np.uint8],
    times: NDArray[np.int64],
    quantities: NDArray[np.float32],
    hashes: NDArray[np.uint64],
    rows_by_hash: NDArray[np.int32],
    blob: NDArray[np.uint8],
    offsets: NDArray[np.int64],
) -> int:
    """Write down what was known and what followed; how many events that is. An array that is made here and given back
    costs more than one that is brought."""
    starts, n = _records(text, border), len(items)
    all_items[:n], all_types[:n], all_times[:n], all_quantities[:n] = items, types, times, quantities
    for at in starts:
        time, end = _number(text, at + 2, 4), min(at + 1 + text[at], len(text))
        row = row_of(text, at + _RECORD, end, hashes, rows_by_hash, blob, offsets) if time >= since else -1
        if row >= 0:
            place = n  # of equal times the one that was met first comes first
            while place > len(items) and all_times[place - 1] > time:
                all_items[place], all_types[place] = all_items[place - 1], all_types[place - 1]
                all_times[place], all_quantities[place] = all_times[place - 1], all_quantities[place - 1]
                place -= 1
            all_items[place], all_types[place], all_times[place] = row, text[at + 1], time
            all_quantities[place] = _half(_number(text, at + 6, 2))
            n += 1
    return n
