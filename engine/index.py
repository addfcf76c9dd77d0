"""ItemIndex: the items nearest to a vector. The only file that imports faiss."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from engine.errors import BundleUnusable

faiss.omp_set_num_threads(1)  # a request must not take the other workers' cores


class ItemIndex:
    """Items by inner product with a query vector: exact, over the rows that have a vector at all.

    The same index answers "items for a user" (query: the user's vector) and "items like this one"
    (query: the item's own vector over an index of `unit` vectors, so that closeness is the cosine).
    """

    def __init__(self, index: faiss.Index) -> None:
        self._index = index

    @classmethod
    def build(cls, vectors: NDArray[np.float32]) -> ItemIndex:
        """From `vectors` [n, d], float32; row i is item i."""
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors, np.float32))
        return cls(index)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, queries: NDArray[np.float32], n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best `n` rows and their inner products for `queries` [m, d]; both [m, n], -1 where there are fewer."""
        scores, rows = self._index.search(np.ascontiguousarray(queries, np.float32), n)
        return rows, scores

    def save(self, path: Path) -> None:
        faiss.write_index(self._index, str(path))

    @classmethod
    def load(cls, path: Path) -> ItemIndex:
        try:
            return cls(faiss.read_index(str(path)))
        except RuntimeError as problem:
            raise BundleUnusable(f"the index {path.name} cannot be read: {problem}") from problem


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """`vectors` [n, d] at length one; a zero vector stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)
