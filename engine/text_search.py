"""Text search: which texts of a table are meant, found in their bytes without making a Python string of each."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from engine.expression import lowered
from engine.ids import TextTable

Flags = NDArray[np.bool_]


def equal_to(names: TextTable, wanted: Collection[str]) -> Flags:
    """[n] which texts are one of `wanted`."""
    found = np.zeros(len(names), bool)
    lengths = np.diff(names.offsets)
    by_length: dict[int, list[bytes]] = {}
    for text in wanted:
        raw = text.encode("utf-8", "surrogatepass")
        by_length.setdefault(len(raw), []).append(raw)
    for length, texts in by_length.items():
        rows = np.flatnonzero(lengths == length)
        if not length or not len(rows):
            found[rows] = True
            continue
        letters = names.blob[names.offsets[rows][:, None] + np.arange(length)]
        found[rows] = np.isin(letters.view(f"S{length}").ravel(), np.array(texts, f"S{length}"))
    return found


def ending_with(names: TextTable, end: str) -> Flags:
    """[n] which texts end so."""
    raw = np.frombuffer(end.encode("utf-8", "surrogatepass"), np.uint8)
    rows = np.flatnonzero(np.diff(names.offsets) >= len(raw))
    found = np.zeros(len(names), bool)
    letters = names.blob[names.offsets[rows + 1][:, None] - np.arange(len(raw), 0, -1)]
    found[rows] = (letters == raw).all(axis=1)
    return found


def containing(names: TextTable, part: str) -> Flags:
    """[n] which texts hold `part`, small letters or capitals."""
    if not part:
        return np.ones(len(names), bool)
    # Looked for ahead, so that a find across the border of two texts hides none that begins within it.
    pattern = re.compile(b"(?=" + b"".join(_either_case(letter) for letter in part) + b")")
    starts = np.array([each.start() for each in pattern.finditer(names.blob.tobytes())], np.int64)
    rows = np.searchsorted(names.offsets, starts, side="right") - 1
    length = len(part.encode("utf-8", "surrogatepass"))
    found = np.zeros(len(names), bool)
    found[rows[starts + length <= names.offsets[rows + 1]]] = True
    return found


def _either_case(letter: str) -> bytes:
    same = {letter, *(each for each in (letter.lower(), letter.upper()) if lowered(each) == lowered(letter))}
    return b"(?:" + b"|".join(re.escape(each.encode("utf-8", "surrogatepass")) for each in sorted(same)) + b")"
