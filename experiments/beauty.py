"""Beauty: what people reviewed one after the other at Amazon, and what the items are, as S3-Rec's authors have it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.errors import BadInput
from experiments.next_item import Sequences, joined
from experiments.public_tables import read_object
from training.features import one_hot
from training.models.contract import Features

_HISTORIES, _ATTRIBUTES = "Beauty.txt", "Beauty_item2attributes.json"
#: To learn the order of what comes next, to choose, to test: an item each, after at least one that was seen.
_LEAST = 4


def read_beauty(folder: Path) -> tuple[Sequences, Features | None]:
    """Everybody's items, oldest first, and the attributes of each item; BadInput when a file is not as described."""
    path = folder / _HISTORIES
    if not path.is_file():
        raise BadInput(f"{_HISTORIES} is not in {folder}; the data set is not complete", field="data")
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    try:
        each = [np.array(line[1:], np.int32) - 1 for line in lines]
    except ValueError as problem:
        raise BadInput(f"{_HISTORIES} must hold lines of numbers: user item item ...", field="data") from problem
    if not each or min(len(items) for items in each) < _LEAST or min(int(items.min()) for items in each) < 0:
        raise BadInput(f"each line of {_HISTORIES} must name {_LEAST} items or more, from 1 on", field="data")
    histories = joined(max(int(items.max()) for items in each) + 1, each)
    told = read_object(folder, _ATTRIBUTES)
    words = [[f"attribute={value}" for value in told.get(str(row + 1), ())] for row in range(histories.n_items)]
    return histories, one_hot(words)
