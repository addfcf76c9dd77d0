"""ItemIndex: the items nearest to a vector.

Few vectors are compared one by one. Of many, an index looks at a part only; which kind it is and how large a part is
settled when it is built, by the recall it reaches on vectors that will really be asked. What it proposes is compared
once more with the vectors themselves, so that scores are inner products whatever the index keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import BundleUnusable
from engine.index_kinds import KINDS, MOST_COMPARED, Longest, Rows, Vectors, Whole, mapped, nearest, threads, write

FILE = "index.faiss"
#: Of the best `RECALL_AT` by comparing all, an index has to find this share.
RECALL, RECALL_AT = 0.985, 50
LEAST_RECALL = 0.98  # of those vectors that tell the recall, which have no say in the effort
#: Up to so many bytes all vectors are compared: that takes no longer than half a millisecond.
EXACT_BYTES = 20 * 2**20
#: Up to so many all are compared where no index does: some ten milliseconds.
WHOLE_BYTES = 100 * 2**20
#: Of kinds that are slow to make: so many vectors take some minutes.
MOST_OF_SLOW = 200_000
#: An index that compares no more than this share of the vectors is good enough: no better one is looked for.
CHEAP = 0.005
_ASKED = 2_048  # vectors that settle an index, half of them its effort and half the recall that is told


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """How items are looked up: `kind`, how far it looks (vectors, lists or graph nodes), its recall of `RECALL_AT`.

    The recall was measured on `asked` vectors that had no say in the effort. `compared` is the mean share of all
    vectors that a look-up compares.
    """

    kind: str = "exact"
    effort: int = 0
    recall: float = 1.0
    compared: float = 1.0
    asked: int = 0

    @property
    def cost(self) -> float:
        """Of a look-up, comparing all being 1."""
        return self.compared * (KINDS[self.kind].cost if self.kind in KINDS else 1.0)


class ItemIndex:
    """Items by inner product with a query vector, over the rows that have a vector at all.

    The same index answers "items for a user" (query: the user's vector) and "items like this one"
    (query: the item's own vector over an index of `unit` vectors, so that closeness is the cosine).
    """

    def __init__(self, vectors: Vectors, index: Any = None, facts: IndexFacts | None = None) -> None:
        """`vectors` [n, d]; without an `index`, which is one of the kind that `facts` name, all are compared."""
        self._vectors = vectors
        self._index = index
        self.facts = facts or IndexFacts()
        kind = KINDS.get(self.facts.kind)
        self._searcher = Whole(vectors) if kind is None else kind.searcher(index, self.facts.effort)

    @classmethod
    def build(
        cls,
        vectors: Vectors,
        asked: Vectors | None = None,
        *,
        n_threads: int = 1,
        exact_bytes: int = EXACT_BYTES,
        kinds: Sequence[str] = (),
        most_compared: float = MOST_COMPARED,
        whole_bytes: int = WHOLE_BYTES,
    ) -> ItemIndex:
        """From `vectors` [n, d], float32; row i is item i. `asked` [m, d] are such as will be asked, as users' are.

        The cheapest of `kinds` that reaches the recall, all of `KINDS` by default. Where none does, all are compared;
        where that are more than `whole_bytes`, which takes longer than a page may, it is the one that misses the least.
        """
        vectors = np.ascontiguousarray(vectors, np.float32)
        told = np.flatnonzero(np.linalg.norm(vectors, axis=1) > 0)
        if vectors.nbytes <= exact_bytes or len(told) < 2:
            return cls(vectors)
        asked = _sample(vectors[told] if asked is None or not len(asked) else np.asarray(asked, np.float32))
        if not len(asked):
            return cls(vectors)
        found = cls(vectors)
        with threads(n_threads):
            best = nearest(asked, vectors, min(RECALL_AT, len(vectors)))
        short = found
        for kind in kinds or [name for name, each in KINDS.items() if len(told) <= MOST_OF_SLOW or not each.is_slow]:
            if found.facts.cost <= CHEAP or (KINDS[kind].is_slow and found.facts.kind != "exact"):
                continue
            with threads(n_threads):
                made = KINDS[kind].make(vectors[told], told)
            tried = _settled(vectors, made, kind, asked, best, most_compared)
            if tried.facts.recall >= LEAST_RECALL and tried.facts.cost < found.facts.cost:
                found = tried
            elif short is found or tried.facts.recall > short.facts.recall:
                short = tried
        return short if found.facts.kind == "exact" and vectors.nbytes > whole_bytes else found

    def __len__(self) -> int:
        return len(self._vectors)

    @property
    def compared(self) -> int:
        """How many vectors were compared since the index was opened."""
        return self._searcher.compared

    def search(self, queries: Vectors, n: int) -> tuple[Rows, Vectors]:
        """The best `n` rows and their inner products for `queries` [m, d]; both [m, n], -1 where there are fewer."""
        queries = np.ascontiguousarray(queries, np.float32)
        rows, scores = self._searcher.find(queries, n)
        if scores is not None:
            return rows, scores
        scores = np.matmul(self._vectors[rows], queries[:, :, None])[:, :, 0]
        scores[rows < 0] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
        return np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)

    def best(self, query: Vectors, n: int) -> tuple[NDArray[np.integer], Vectors]:
        """The best rows for one vector [d], at most `n`, and their inner products: `search`, as pages ask it."""
        if isinstance(self._searcher, Longest):
            return self._searcher.best(query, n)
        rows, scores = self.search(query[None, :], n)
        there = rows[0] >= 0
        return rows[0][there], scores[0][there]

    def save(self, folder: Path) -> None:
        """Write what the vectors themselves do not tell."""
        if self._index is not None:
            write(self._index, folder / FILE)

    @classmethod
    def load(cls, folder: Path, facts: Mapping[str, Any], vectors: Vectors) -> ItemIndex:
        """As saved with these facts, over the same vectors; the file is mapped, so that processes share it."""
        try:
            told = IndexFacts(**facts)
            if told.kind == "exact":
                return cls(vectors)
            index = mapped(folder / FILE)
            if told.kind not in KINDS or index.d - vectors.shape[1] not in (0, 1) or index.ntotal > len(vectors):
                raise BundleUnusable(f"the index {FILE} does not fit its manifest or the items' vectors", field=FILE)
            return cls(vectors, index, told)
        except (RuntimeError, TypeError, AttributeError) as problem:
            raise BundleUnusable(f"the index {FILE} cannot be read: {problem}", field=FILE) from problem


def unit(vectors: Vectors) -> Vectors:
    """`vectors` [n, d] at length one; a zero vector stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


def recall(found: NDArray[np.integer], best: NDArray[np.integer]) -> float:
    """The share of each line of `best` [m, k] that the same line of `found` has, on average over the lines."""
    lines = zip(found, best, strict=True)
    return float(np.mean([np.isin(right, line).mean() for line, right in lines]))


def _sample(vectors: Vectors) -> Vectors:
    """Some of those that have a length, evenly from first to last."""
    told = np.flatnonzero(np.linalg.norm(vectors, axis=1) > 0)
    places = np.linspace(0, len(told) - 1, min(_ASKED, len(told))).astype(np.int64)
    return np.ascontiguousarray(vectors[told[places]])


def _settled(vectors: Vectors, made: Any, kind: str, asked: Vectors, best: Rows, most_compared: float) -> ItemIndex:
    """The index at the least effort that reaches the recall on every other vector, or at the most that it may take."""

    def at(effort: int, queries: slice) -> ItemIndex:
        tried = ItemIndex(vectors, made, IndexFacts(kind, effort))
        reached = recall(tried.search(asked[queries], best.shape[1])[0], best[queries])
        n = len(asked[queries])
        facts = replace(tried.facts, recall=reached, compared=tried.compared / n / len(vectors), asked=n)
        return ItemIndex(vectors, made, facts)

    choosing, telling = slice(0, None, 2), slice(1 if len(asked) > 1 else 0, None, 2)
    effort, reached = 1, at(1, choosing)
    while reached.facts.recall < RECALL:
        if reached.facts.compared > most_compared or effort > made.ntotal:
            return at(max(1, effort // 2), telling)
        effort *= 2
        reached = at(effort, choosing)
    low = effort // 2
    while effort - low > max(1, effort // 16):
        middle = (low + effort) // 2
        low, effort = (low, middle) if at(middle, choosing).facts.recall >= RECALL else (middle, effort)
    return at(min(effort * KINDS[kind].margin, made.ntotal), telling)
