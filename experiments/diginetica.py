"""Diginetica: what visitors of a shop looked at one after the other, in SR-GNN's split of the CIKM Cup 2016.

The train part is in the order of its dates, which are not told; every test row is a visit of the week after, cut at one
of its steps, with the item that came next.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.errors import BadInput
from experiments.next_item import Sequences, Steps
from experiments.public_tables import read_columns

_TRAIN, _TEST = "diginetica_train.parquet", "diginetica_test.parquet"


def read_diginetica(folder: Path) -> tuple[Sequences, Steps]:
    """The train part, oldest visit first, and the steps of the test part; BadInput when a file is not as described."""
    train = read_columns(folder, _TRAIN, ("items",))
    test = read_columns(folder, _TEST, ("items", "label"))
    indptr, items = _lists(train["items"], _TRAIN)
    seen_indptr, seen = _lists(test["items"], _TEST)
    wanted = test["label"].to_numpy().astype(np.int32) - 1
    n_items = int(items.max()) + 1
    if min(int(wanted.min()), int(seen.min(initial=0))) < 0 or max(int(wanted.max()), int(seen.max())) >= n_items:
        raise BadInput(f"{_TEST} names items that {_TRAIN} does not", field="data")
    return Sequences(n_items, indptr, items), Steps(Sequences(n_items, seen_indptr, seen), wanted)


def _lists(column: pa.ChunkedArray, file: str) -> tuple[np.ndarray, np.ndarray]:
    """The lists of a column laid end to end, items from 0."""
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        raise BadInput(f"column items of {file} must hold lists of numbers", field="data")
    lists = column.combine_chunks()
    items = np.asarray(lists.flatten()).astype(np.int32) - 1
    if not len(items) or int(items.min()) < 0 or lists.null_count:
        raise BadInput(f"column items of {file} must hold lists of numbers from 1 on", field="data")
    sizes = np.asarray(lists.value_lengths())
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), items
