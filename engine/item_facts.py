"""Item facts: what the shop says of its items beyond the catalogue's own columns, for rules to ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.catalog import NOT_TRACKED
from engine.ids import TextTable

#: Names of attributes that are kept, the most frequent ones; a shop that makes one up for each item has no rule on it.
MOST_ATTRIBUTES = 500
LONGEST_VALUE = 200  # characters: what is longer is a description, which no rule asks for
NUMBER, TEXT, FLAG, MEMBER = 1, 2, 3, 4  # kinds of an attribute's value; a list of texts has a MEMBER each


@dataclass(frozen=True, slots=True)
class Labels:
    """Texts of each item: `indptr` int64 [n + 1], `codes` into `names`."""

    indptr: NDArray[np.int64]
    codes: NDArray[np.int32]
    names: TextTable


@dataclass(frozen=True, slots=True)
class Attributes:
    """Values by name: those of name i are `indptr[i] : indptr[i + 1]`, by rising `rows`.

    `numbers` hold numbers and flags, `texts` codes into `words`; `kinds` say which of both counts.
    """

    names: TextTable
    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    numbers: NDArray[np.float64]
    texts: NDArray[np.int32]
    words: TextTable

    def of(self, name: str) -> slice:
        """Where the values of a name stand."""
        wanted = name.encode("utf-8", "surrogatepass")
        for row in range(len(self.names)):
            if self.names.raw(row) == wanted:
                return slice(int(self.indptr[row]), int(self.indptr[row + 1]))
        return slice(0, 0)


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One row an item. Money in minor units and times in epoch seconds, -1 where nothing is said."""

    list_price: NDArray[np.int64]
    cost: NDArray[np.int64]
    available_from: NDArray[np.int64]
    available_until: NDArray[np.int64]
    tags: Labels
    attributes: Attributes

    def __len__(self) -> int:
        return len(self.cost)


def facts_of(documents: Sequence[Mapping[str, Any]]) -> ItemFacts:
    """From item documents in wire form, or rows of the lake with their attributes as an object."""
    return ItemFacts(
        list_price=_whole(each.get("list_price") for each in documents),
        cost=_whole(each.get("cost") for each in documents),
        available_from=_whole(_seconds(each.get("available_from")) for each in documents),
        available_until=_whole(_seconds(each.get("available_until")) for each in documents),
        tags=labels_of([each.get("tags") or () for each in documents]),
        attributes=_attributes(documents),
    )


def labels_of(lists: Sequence[Iterable[str]]) -> Labels:
    names: dict[str, int] = {}
    codes = [[names.setdefault(text, len(names)) for text in texts] for texts in lists]
    indptr = np.zeros(len(lists) + 1, np.int64)
    np.cumsum([len(each) for each in codes], out=indptr[1:])
    return Labels(indptr, np.array([code for each in codes for code in each], np.int32), TextTable.of(names))


def _whole(values: Iterable[int | None]) -> NDArray[np.int64]:
    return np.array([NOT_TRACKED if each is None else each for each in values], np.int64)


def _seconds(value: Any) -> int | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return int(value.timestamp()) if isinstance(value, datetime) else None


def _attributes(documents: Sequence[Mapping[str, Any]]) -> Attributes:
    found: dict[str, list[tuple[int, int, float, str]]] = {}
    for row, document in enumerate(documents):
        for name, kind, number, text in _flat(document.get("attributes") or {}, "attributes"):
            found.setdefault(name, []).append((row, kind, number, text))
    kept = sorted(found, key=lambda name: (-len(found[name]), name))[:MOST_ATTRIBUTES]
    words: dict[str, int] = {"": 0}
    entries = [entry for name in kept for entry in found[name]]
    indptr = np.zeros(len(kept) + 1, np.int64)
    np.cumsum([len(found[name]) for name in kept], out=indptr[1:])
    return Attributes(
        names=TextTable.of(kept),
        indptr=indptr,
        rows=np.array([each[0] for each in entries], np.int32),
        kinds=np.array([each[1] for each in entries], np.uint8),
        numbers=np.array([each[2] for each in entries], np.float64),
        texts=np.array([words.setdefault(each[3], len(words)) for each in entries], np.int32),
        words=TextTable.of(words),
    )


def _flat(value: Any, name: str) -> Iterator[tuple[str, int, float, str]]:
    """(name, kind, number, text) of each value below `name`; names of objects are joined by points."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}")
    elif isinstance(value, bool):
        yield name, FLAG, float(value), ""
    elif isinstance(value, int | float) and abs(value) < 1e308:
        yield name, NUMBER, float(value), ""
    elif isinstance(value, str) and len(value) <= LONGEST_VALUE:
        yield name, TEXT, 0.0, value
    elif isinstance(value, list):
        # Each once, so that a list is a set of texts.
        for text in dict.fromkeys(each for each in value if isinstance(each, str) and len(each) <= LONGEST_VALUE):
            yield name, MEMBER, 0.0, text
