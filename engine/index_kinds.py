"""Kinds of indexes: ways to find the vectors with the largest inner products by looking at a part of them.

The only file that imports faiss.

A vector's length counts: what everybody buys is long, and in a shop of a million most items are so short that they are
never among the best. So the longest come first, in that order: an inner product is at most the product of the lengths,
which says when to stop. Where lengths are even, the other kinds look for the nearest point; each vector x gets one more
dimension, sqrt(longest^2 - |x|^2), which puts all of them on one sphere, where the nearest point has the largest inner
product. Bachrach et al.: Speeding up the Xbox recommender system using a Euclidean transformation (2014).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from engine.longest import ends_of, most_alike

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
#: One of faiss' own, which its types do not tell apart.
Index = Any
_faiss: Any = faiss

faiss.omp_set_num_threads(1)  # a request must not take the other workers' cores

#: Of the vectors, on average: an index that has to compare more of them is not worth its trouble.
MOST_COMPARED = 0.1


class Searcher(Protocol):
    """An index in use. `compared` counts the vectors that were compared since it was made."""

    @property
    def compared(self) -> int: ...

    def find(self, queries: Vectors, n: int) -> tuple[Rows, Vectors | None]:
        """Rows [m, >= n] with their inner products where they are known already, -1 where there are fewer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`cost` is what comparing one vector takes, against one of a row of them.

    `make` gets the vectors and their rows, `searcher` the index and how far it looks; `margin` is how many times
    farther than it had to on average, where a search ends by itself. What is `slow` to make is left for where no other
    kind reaches the recall.
    """

    meaning: str
    cost: float
    make: Callable[[Vectors, Rows], Index]
    searcher: Callable[[Index, int], Searcher]
    margin: int = 1
    is_slow: bool = False


class Whole:
    """All vectors are compared."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self.compared = 0

    def find(self, queries: Vectors, n: int) -> tuple[Rows, Vectors | None]:
        scores, rows = faiss.knn(queries, self._vectors, n, faiss.METRIC_INNER_PRODUCT)
        self.compared += len(queries) * len(self._vectors)
        return np.asarray(rows), np.asarray(scores)


class Longest:
    """The first `effort` of the longest, in parts, until the rest is too short."""

    def __init__(self, index: Index, effort: int) -> None:
        flat = _faiss.downcast_index(index.index)
        self._index = index  # whose memory the views are
        self._vectors = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(flat.ntotal, flat.d)[:effort]
        self._rows = faiss.rev_swig_ptr(index.id_map.data(), index.ntotal)
        # What lies behind each end is no longer than the last before it.
        self._rests = np.linalg.norm(self._vectors[ends_of(len(self._vectors)) - 1], axis=1)
        self.compared = 0

    def find(self, queries: Vectors, n: int) -> tuple[Rows, Vectors | None]:
        rows, scores = np.full((len(queries), n), -1, np.int64), np.full((len(queries), n), -np.inf, np.float32)
        for line, query in enumerate(queries):
            found, told = self.best(query, n)
            rows[line, : len(found)], scores[line, : len(found)] = found, told
        return rows, scores

    def best(self, query: Vectors, n: int) -> tuple[NDArray[np.int32], Vectors]:
        """The rows for one query [d], best first, and their inner products; no more than there are."""
        rows, scores, compared = most_alike(self._vectors, self._rows, self._rests, query, n)
        self.compared += compared
        return rows, scores


class _Near:
    """The nearest points on the sphere, as a saved faiss index finds them; `more` of them where it is not exact."""

    def __init__(self, index: Index, more: float) -> None:
        self._index = index
        self._more = more
        _faiss.cvar.indexIVF_stats.reset()
        _faiss.cvar.hnsw_stats.reset()

    @property
    def compared(self) -> int:
        return int(_faiss.cvar.indexIVF_stats.ndis + _faiss.cvar.hnsw_stats.ndis)

    def find(self, queries: Vectors, n: int) -> tuple[Rows, Vectors | None]:
        lengths = np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        # A query's length does not change who is nearest, but which lists are looked into.
        points = np.concatenate([queries / lengths, np.zeros((len(queries), 1), np.float32)], axis=1)
        return self._index.search(points, int(n * self._more))[1], None


def _longest(vectors: Vectors, rows: Rows) -> Index:
    order = np.argsort(-np.linalg.norm(vectors, axis=1), kind="stable")[: max(1, int(MOST_COMPARED * len(vectors)))]
    index = faiss.IndexIDMap(faiss.IndexFlatIP(vectors.shape[1]))
    index.add_with_ids(vectors[order], rows[order])
    return index


def _codes(vectors: Vectors, rows: Rows) -> Index:
    d, bits = vectors.shape[1] + 1, faiss.ScalarQuantizer.QT_8bit
    return _filled(faiss.IndexIVFScalarQuantizer(faiss.IndexFlatL2(d), d, _n_lists(len(rows)), bits), vectors, rows)


def _lists(vectors: Vectors, rows: Rows) -> Index:
    d = vectors.shape[1] + 1
    return _filled(faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, _n_lists(len(rows))), vectors, rows)


def _filled(index: Index, vectors: Vectors, rows: Rows) -> Index:
    # A sample finds the middles as well as all do, in a fraction of the time.
    index.cp.max_points_per_centroid, index.cp.min_points_per_centroid, index.cp.niter = 64, 1, 10
    points = _on_sphere(vectors)
    index.train(points)
    index.add_with_ids(points, rows)
    return index


def _n_lists(n: int) -> int:
    return max(1, min(n // 8, int(4 * np.sqrt(n))))


def _graph(vectors: Vectors, rows: Rows) -> Index:
    graph = faiss.IndexHNSWFlat(vectors.shape[1] + 1, 32)
    graph.hnsw.efConstruction = 80
    index = faiss.IndexIDMap(graph)
    index.add_with_ids(_on_sphere(vectors), rows)
    return index


def _on_sphere(vectors: Vectors) -> Vectors:
    """[n, d + 1] points at the same distance from the origin."""
    squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    return np.concatenate(
        [vectors, np.sqrt(np.maximum(squares.max() - squares, 0.0))[:, None]], axis=1, dtype=np.float32
    )


def _in_lists(index: Index, effort: int, more: float = 1.0) -> Searcher:
    lists = _faiss.downcast_index(index)
    lists.nprobe = effort
    return _Near(lists, more)


def _in_codes(index: Index, effort: int) -> Searcher:
    return _in_lists(index, effort, 1.5)


def _in_graph(index: Index, effort: int) -> Searcher:
    _faiss.downcast_index(index.index).hnsw.efSearch = effort
    return _Near(index, 1.0)


#: The one that is tried first first.
KINDS: Mapping[str, Kind] = {
    "longest": Kind("The longest vectors first, until no shorter one can be better.", 1, _longest, Longest, 8),
    "codes": Kind("Lists of near items, each number of a vector in a byte.", 0.5, _codes, _in_codes),
    "lists": Kind("Lists of near items (inverted file).", 1, _lists, _in_lists),
    "graph": Kind("Each item linked to near ones (HNSW).", 8, _graph, _in_graph, is_slow=True),
}


def write(index: Index, path: Path) -> None:
    faiss.write_index(index, str(path))


def mapped(path: Path) -> Index:
    """A written index, shared by all processes that map it. Raises RuntimeError for what is none."""
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)


def nearest(queries: Vectors, vectors: Vectors, n: int) -> Rows:
    """[m, n] by comparing all, -1 where there are fewer."""
    return np.asarray(faiss.knn(queries, vectors, n, faiss.METRIC_INNER_PRODUCT)[1])


@contextmanager
def threads(number: int) -> Iterator[None]:
    """So many threads for what is built meanwhile."""
    faiss.omp_set_num_threads(number)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(1)
