"""IdMap: the shop's ids <-> our row numbers, and TextTable: many texts in two arrays.

Both are plain arrays, so that a million ids can be memory-mapped and shared by all workers
instead of being built as dicts in each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
        hashes = np.fromiter((_hash(table.raw(row)) for row in range(len(table))), np.uint64, len(table))
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
        return int(self.rows((text,))[0])

    def rows(self, texts: Iterable[str]) -> NDArray[np.int32]:
        """[n] the row of each id, -1 where it is not here."""
        wanted = [text.encode("utf-8", "surrogatepass") for text in texts]
        if not wanted or not len(self):
            return np.full(len(wanted), -1, np.int32)
        hashed = np.array([_hash(each) for each in wanted], np.uint64)
        first = np.searchsorted(self.hashes, hashed)
        at = np.minimum(first, len(self.hashes) - 1)
        rows = np.where(self.hashes[at] == hashed, self.rows_by_hash[at], -1)
        for place, raw in enumerate(self.ids.raws(rows)):
            if raw != wanted[place] and rows[place] >= 0:
                rows[place] = self._another(wanted[place], hashed[place], int(first[place]) + 1)
        return rows

    def _another(self, wanted: bytes, hashed: np.uint64, at: int) -> int:
        """Of two ids that share a hash the other one, -1 where there is none."""
        while at < len(self.hashes) and self.hashes[at] == hashed:
            row = int(self.rows_by_hash[at])
            if self.ids.raw(row) == wanted:
                return row
            at += 1
        return -1


def _hash(raw: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")
