"""One-hot attributes for models that learn through them."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
from scipy import sparse

from training.models.contract import Features


def one_hot(words: list[list[str]], *, least: int = 5) -> Features | None:
    """A column for each word that at least `least` rows have; None when there is no such word."""
    counts = Counter(chain.from_iterable(words))
    names = tuple(sorted(name for name, count in counts.items() if count >= least))
    if not names:
        return None
    column = {name: at for at, name in enumerate(names)}
    pairs = [(row, column[word]) for row, mine in enumerate(words) for word in set(mine) if word in column]
    rows, columns = np.array(pairs, np.int64).T
    ones = np.ones(len(pairs), np.float32)
    return Features(sparse.csr_matrix((ones, (rows, columns)), shape=(len(words), len(names))), names)
