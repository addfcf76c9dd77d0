"""IdMap: the shop's ids <-> our row numbers, and TextTable: many texts in two arrays.

Both are plain arrays, so that a million ids can be memory-mapped and shared by all workers
instead of being built as dicts in each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from engine.compiled import BYTES, PLACES, ROWS, compiled, inner, read_only
from engine.id_hash import hash_of

#: Hashes, the row of each, the texts end to end, and where each begins.
Columns = tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64]]
HASHES = read_only("uint64")
_HASHES = 2.0**64  # so many there are


@dataclass(frozen=True, slots=True)
class TextTable:
    """Texts by row. `blob` holds their UTF-8 bytes end to end, `offsets` [n + 1] where each begins."""

    blob: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Iterable[str]) -> TextTable:
        # surrogatepass: an id is any text that JSON can carry, lone surrogates included.
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(each) for each in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    def extended(self, texts: Iterable[str]) -> TextTable:
        """The same table with more texts behind."""
        more = TextTable.of(texts)
        return TextTable(np.concatenate([self.blob, more.blob]), np.r_[self.offsets, more.offsets[1:] + len(self.blob)])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        return self.raw(row).decode("utf-8", "surrogatepass")

    def texts(self, rows: NDArray[np.integer]) -> list[str]:
        """The texts of several rows, which is cheaper than one by one."""
        return [str(each, "utf-8", "surrogatepass") for each in self.raws(rows)]

    def raws(self, rows: NDArray[np.integer]) -> list[memoryview]:
        """The same as bytes; of row -1 some that mean nothing."""
        bounds = zip(self.offsets[rows].tolist(), self.offsets[rows + 1].tolist(), strict=True)
        blob = memoryview(self.blob.data)
        return [blob[start:end] for start, end in bounds]

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))

    def raw(self, row: int) -> bytes:
        return self.blob[self.offsets[row] : self.offsets[row + 1]].tobytes()


@dataclass(frozen=True, slots=True)
class IdMap:
    """Ids by row and rows by id: the ids' hashes sorted, and the row that each belongs to."""

    ids: TextTable
    hashes: NDArray[np.uint64]
    rows_by_hash: NDArray[np.int32]

    @classmethod
    def of(cls, ids: Sequence[str]) -> IdMap:
        """Rows in the given order; ids must differ."""
        table = TextTable.of(ids)
        hashes = np.asarray(_hashes(table.blob, table.offsets))
        order = np.argsort(hashes, kind="stable")
        return cls(table, hashes[order], order.astype(np.int32))

    def __len__(self) -> int:
        return len(self.ids)

    def extended(self, ids: Sequence[str]) -> IdMap:
        """The same rows, and more behind; all ids must differ."""
        more = IdMap.of(ids)
        at = np.searchsorted(self.hashes, more.hashes)
        return IdMap(
            self.ids.extended(ids),
            np.insert(self.hashes, at, more.hashes),
            np.insert(self.rows_by_hash, at, more.rows_by_hash + np.int32(len(self))),
        )

    def row(self, text: str) -> int:
        """The row of an id, -1 for one that is not here."""
        wanted = text.encode("utf-8", "surrogatepass")
        return int(_row(np.frombuffer(wanted, np.uint8), *self.columns))

    def rows(self, texts: Iterable[str]) -> NDArray[np.int32]:
        """[n] the row of each id, -1 where it is not here."""
        wanted = [text.encode("utf-8", "surrogatepass") for text in texts]
        if not wanted:
            return np.zeros(0, np.int32)
        ends = np.array([*accumulate(map(len, wanted))], np.int64)
        return np.asarray(_rows(np.frombuffer(b"".join(wanted), np.uint8), ends, *self.columns))

    @property
    def columns(self) -> Columns:
        """What compiled functions look rows up in, see `row_of`."""
        return self.hashes, self.rows_by_hash, self.ids.blob, self.ids.offsets


@inner
def row_of(
    wanted: NDArray[np.uint8],
    begin: int,
    end: int,
    hashes: NDArray[np.uint64],
    rows_by_hash: NDArray[np.int32],
    blob: NDArray[np.uint8],
    offsets: NDArray[np.int64],
) -> int:
    """The row of the id that stands in `wanted` from `begin` to `end`; -1 for none."""
    hashed, n = hash_of(wanted, begin, end), len(hashes)
    at = _first(hashed, hashes)
    while at < n and hashes[at] == hashed:  # two ids may share a hash
        row = rows_by_hash[at]
        first = offsets[row]
        if offsets[row + 1] - first == end - begin:
            place = 0
            while place < end - begin and blob[first + place] == wanted[begin + place]:
                place += 1
            if place == end - begin:
                return int(row)
        at += 1
    return -1


@inner
def _first(hashed: np.uint64, hashes: NDArray[np.uint64]) -> int:
    """The first place whose hash is not below `hashed`.

    Hashes lie evenly, so that their value nearly tells where they stand: halving would look at four times as many.
    """
    last = len(hashes) - 1
    at, width = 0, _HASHES / max(last, 1)
    for _ in range(3):
        if last < 0:
            break
        apart = np.float64(hashed - hashes[at]) if hashed >= hashes[at] else -np.float64(hashes[at] - hashed)
        at = min(max(at + int(apart / width), 0), last)
    while at > 0 and hashes[at - 1] >= hashed:
        at -= 1
    while at <= last and hashes[at] < hashed:
        at += 1
    return at


@compiled(BYTES, HASHES, ROWS, BYTES, PLACES)
def _row(
    wanted: NDArray[np.uint8],
    hashes: NDArray[np.uint64],
    rows_by_hash: NDArray[np.int32],
    blob: NDArray[np.uint8],
    offsets: NDArray[np.int64],
) -> int:
    return row_of(wanted, 0, len(wanted), hashes, rows_by_hash, blob, offsets)


@compiled(BYTES, PLACES, HASHES, ROWS, BYTES, PLACES)
def _rows(
    wanted: NDArray[np.uint8],
    ends: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    rows_by_hash: NDArray[np.int32],
    blob: NDArray[np.uint8],
    offsets: NDArray[np.int64],
) -> NDArray[np.int32]:
    found, begin = np.empty(len(ends), np.int32), 0
    for place, end in enumerate(ends):
        found[place] = row_of(wanted, begin, end, hashes, rows_by_hash, blob, offsets)
        begin = end
    return found


@compiled(BYTES, PLACES)
def _hashes(blob: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    found = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(found)):
        found[row] = hash_of(blob, offsets[row], offsets[row + 1])
    return found
