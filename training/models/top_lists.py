"""The best items of each user: cut from dense scores, chunk by chunk, with ties in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from scipy import sparse

#: Which items a list may hold: every item, only those that the user never bought, only those bought before.
Kind = Literal["whole", "new", "repeat"]
#: Users scored at a time are bounded by this many float32 scores (64 MiB).
_SCORES_AT_ONCE = 16_000_000
#: Columns whose highest score stands for all of them when the best few of a long row are looked for.
_BLOCK = 64


def top_of_each(
    score: Callable[[slice], np.ndarray], bought: sparse.csr_matrix, *, top_new: int, top_own: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every user the best `top_new` items never bought and the best `top_own` bought before, in one list.

    `score(users)` gives float32 scores [len, n_items] of a slice of users; -inf is never listed. Both
    halves are kept so that lists of either kind stay full: (indptr, items, scores), best first.
    """
    n_users, n_items = bought.shape
    counts, items, scores = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for users in chunks(n_users, n_items):
        dense, known = score(users), bought[users]
        row = np.repeat(np.arange(known.shape[0]), np.diff(known.indptr))
        own = np.full((len(dense), int(np.diff(known.indptr).max(initial=0))), -np.inf, dtype=np.float32)
        place = np.arange(known.nnz) - np.repeat(known.indptr[:-1], np.diff(known.indptr))
        own[row, place] = dense[row, known.indices]
        own_place, own_value = best_of(own, top_own)
        own_item = known.indices[np.minimum(known.indptr[:-1, None] + np.maximum(own_place, 0), max(known.nnz - 1, 0))]
        keep(dense, known, "new")
        new_item, new_value = best_of(dense, top_new)
        chosen = np.concatenate([new_item, np.where(own_place >= 0, own_item, -1)], axis=1).astype(np.int32)
        value = np.concatenate([new_value, own_value], axis=1)
        order = np.lexsort((chosen, -value), axis=1)
        chosen, value = np.take_along_axis(chosen, order, axis=1), np.take_along_axis(value, order, axis=1)
        counts.append((chosen >= 0).sum(axis=1))
        items.append(chosen[chosen >= 0])
        scores.append(value[chosen >= 0])
    return np.cumsum(np.concatenate(counts)).astype(np.int32), np.concatenate(items), np.concatenate(scores)


def chunks(n_users: int, n_items: int) -> Iterator[slice]:
    """Slices of users small enough that users x items float32 scores stay within bounds."""
    step = max(1, _SCORES_AT_ONCE // max(1, n_items))
    for start in range(0, n_users, step):
        yield slice(start, min(start + step, n_users))


def best_of(dense: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The `n` best columns of each row, best first, ties by column; -inf is never chosen: (items, scores)."""
    rows, width = dense.shape
    items = np.full((rows, n), -1, dtype=np.int32)
    scores = np.full((rows, n), -np.inf, dtype=np.float32)
    if rows == 0 or width == 0 or n == 0:
        return items, scores
    highest = _highest_of_blocks(dense)
    for row in range(rows):
        chosen = _best_columns(dense[row], n, highest[row])
        items[row, : len(chosen)] = chosen
        scores[row, : len(chosen)] = dense[row, chosen]
    return items, scores


def _highest_of_blocks(dense: np.ndarray) -> np.ndarray:
    """The highest score of each `_BLOCK` columns: [rows, blocks]."""
    whole = dense.shape[1] // _BLOCK * _BLOCK
    blocks = dense[:, :whole].reshape(len(dense), -1, _BLOCK).max(axis=2)
    if whole == dense.shape[1]:
        return np.asarray(blocks)
    return np.column_stack([blocks, dense[:, whole:].max(axis=1)])


def _best_columns(line: np.ndarray, n: int, highest: np.ndarray) -> np.ndarray:
    """The n best lie in the n blocks with the highest peaks (of equal peaks the first ones): look only there."""
    if len(highest) > n:
        blocks = np.sort(_cut(highest, n))
        columns = (blocks[:, None] * _BLOCK + np.arange(_BLOCK)).ravel()
        columns = columns[columns < len(line)]
    else:
        columns = np.arange(len(line))
    columns = columns[_cut(line[columns], n)]
    columns = columns[line[columns] > -np.inf]
    return np.asarray(columns[np.argsort(-line[columns], kind="stable")])


def _cut(values: np.ndarray, n: int) -> np.ndarray:
    """The places of the n highest values, ascending; of equal ones the first. argpartition cuts ties at random."""
    if len(values) <= n:
        return np.arange(len(values))
    threshold = np.partition(values, len(values) - n)[len(values) - n]
    above = np.flatnonzero(values > threshold)
    level = np.flatnonzero(values == threshold)[: n - len(above)]
    return np.sort(np.concatenate([above, level]))


def keep(dense: np.ndarray, bought: sparse.csr_matrix, kind: Kind) -> None:
    """Set to -inf, in place, what a list of this kind may not hold; `bought` has the same rows."""
    if kind == "whole":
        return
    row = np.repeat(np.arange(bought.shape[0]), np.diff(bought.indptr))
    if kind == "new":
        dense[row, bought.indices] = -np.inf
        return
    own = np.zeros(dense.shape, dtype=bool)
    own[row, bought.indices] = True
    dense[~own] = -np.inf
