"""Which items go together: in the histories of the same users, and in the same orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy import sparse

from engine.learned import Neighbours
from training.interactions import Log
from training.models.contract import Interactions, ModelFamily

#: Items whose co-occurrence rows are made at a time; 63,000 items then need some tens of MiB a thread.
_ITEMS_AT_ONCE = 1024

#: (co-occurrences with a block's items, the block's rows, the columns) -> weights of these pairs
Weigh = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _same_users(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Neighbours:
    """Co-occurrence over users: sum of products / (row size ** row_power x column size ** column_power + shrinkage).

    Powers of one half are the cosine; a column power below it favours popular neighbours. A user with
    n items counts n ** -user_power, and only by the `most_per_user` strongest: pairs grow with the square
    of a history, and the weakest say least. Deshpande, Karypis: Item-based top-N recommendation (2004).
    """
    matrix = strongest_of_rows(interactions.fading(params["half_life_days"]), params["most_per_user"])
    matrix.data = np.log1p(matrix.data)
    lengths = np.maximum(np.diff(matrix.indptr), 1).astype(np.float32)
    matrix.data *= np.repeat(lengths ** -(0.5 * params["user_power"]), np.diff(matrix.indptr))
    size = np.asarray(matrix.multiply(matrix).sum(axis=0)).ravel()
    floor = np.maximum(size, 1e-12)
    row_scale, column_scale = floor ** params["row_power"], floor ** params["column_power"]

    def weigh(together: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        scale = row_scale[rows] * column_scale[columns] + params["shrinkage"]
        return np.asarray(together / scale)

    return strongest(matrix, weigh, params["neighbours"], threads)


def strongest_of_rows(matrix: sparse.csr_matrix, most: int) -> sparse.csr_matrix:
    """A copy with the `most` heaviest entries of each row; of equal ones the first columns."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, row))
    rank = np.arange(matrix.nnz) - matrix.indptr[row]
    kept = np.sort(order[rank < most])
    return sparse.csr_matrix((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape)


def _same_orders(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Neighbours:
    """Log of the lift over orders, held down where it rests on few: x n / (n + shrinkage), n orders with both.

    Lift is how many times oftener two items share an order than chance would have it; pairs below
    `least_together` orders, or with a lift of 1 or less, are no pairs.
    """
    orders = order_contents(interactions.log)
    count = np.maximum(np.bincount(orders.indices, minlength=orders.shape[1]), 1).astype(np.float64)
    n_orders = orders.shape[0]

    def weigh(together: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        lift = together * n_orders / (count[rows] * count[columns] ** params["column_power"])
        weight: np.ndarray = np.log(np.maximum(lift, 1.0)) * together / (together + params["shrinkage"])
        weight[together < params["least_together"]] = 0.0
        return weight

    return strongest(orders, weigh, params["neighbours"], threads)


def order_contents(log: Log) -> sparse.csr_matrix:
    """Which items each order holds: float32 CSR of ones [orders, items]; lines outside any order are left out."""
    lines = log.of_type("purchase")
    lines = lines.where((lines.order >= 0) & (lines.quantity > 0))
    names, order = np.unique(lines.order, return_inverse=True)
    ones = np.ones(len(lines), dtype=np.float32)
    matrix = sparse.csr_matrix((ones, (order, lines.item)), shape=(len(names), log.n_items))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def strongest(matrix: sparse.csr_matrix, weigh: Weigh, k: int, threads: int) -> Neighbours:
    """The `k` heaviest neighbours of each column of `matrix`, itself never among them; only weights above 0 count.

    Repeatable on any number of threads: blocks of items are independent, equal weights come in item order.
    """
    n_items = matrix.shape[1]
    by_item = matrix.T.tocsr()
    starts = range(0, n_items, _ITEMS_AT_ONCE)

    def block(start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        together = (by_item[start : start + _ITEMS_AT_ONCE] @ matrix).tocsr()
        rows = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr)) + start
        weights = weigh(together.data, rows, together.indices).astype(np.float32)
        weights[together.indices == rows] = 0.0
        return heaviest(together.indptr, together.indices, weights, k)

    # scipy's sparse product runs outside the interpreter lock: threads help.
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        blocks = list(pool.map(block, starts))
    counts = np.concatenate([np.zeros(1, np.int64), *(each[0] for each in blocks)])
    return Neighbours(
        indptr=np.cumsum(counts).astype(np.int32),
        items=np.concatenate([np.zeros(0, np.int32), *(each[1] for each in blocks)]),
        weights=np.concatenate([np.zeros(0, np.float32), *(each[2] for each in blocks)]),
    )


def heaviest(
    indptr: np.ndarray, columns: np.ndarray, weights: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The `k` heaviest of each CSR row, best first, ties by column: (counts by row, columns, weights)."""
    counts, items, kept = [], [], []
    for row in range(len(indptr) - 1):
        mine = slice(indptr[row], indptr[row + 1])
        column, weight = columns[mine], weights[mine]
        if len(weight) > k:
            least = np.partition(weight, len(weight) - k)[len(weight) - k]
            near = weight >= least
            column, weight = column[near], weight[near]
        order = np.lexsort((column, -weight))[:k]
        order = order[weight[order] > 0]
        counts.append(len(order))
        items.append(column[order].astype(np.int32))
        kept.append(weight[order])
    return np.array(counts, dtype=np.int64), np.concatenate(items), np.concatenate(kept)


ITEM_NEIGHBOURS = ModelFamily(
    name="item_neighbours",
    meaning="Items that the same users buy: similar items, and by the user's history what fits it.",
    learn=_same_users,
    defaults={
        "neighbours": 100,
        "half_life_days": None,
        "row_power": 0.7,
        "column_power": 0.5,
        "user_power": 0.5,
        "most_per_user": 250,
        "shrinkage": 1.0,
    },
)
BASKET = ModelFamily(
    name="basket",
    meaning="Items that share an order oftener than chance would have it.",
    learn=_same_orders,
    defaults={"neighbours": 50, "shrinkage": 100.0, "column_power": 1.0, "least_together": 3},
    needs_orders=True,
)
