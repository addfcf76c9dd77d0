"""A toy shop with an obvious right answer: even users buy even items, odd users odd ones.

Each user lacks exactly one item of the own colour, the withheld one: it has to come first.
"""

from __future__ import annotations

import numpy as np

from training.interactions import DAY, Log, interactions, purchase_counts
from training.models.contract import Interactions

NOW = 1_700_000_000
USERS, ITEMS = 40, 20


def withheld(user: int) -> int:
    return 2 * (user // 2 % (ITEMS // 2)) + user % 2


def log_of(pairs: list[tuple[int, int]], n_users: int, n_items: int, *, days_ago: list[float] | None = None) -> Log:
    """One purchase of one piece for each (user, item); everything a user buys is one order."""
    user = np.array([pair[0] for pair in pairs], dtype=np.int32)
    item = np.array([pair[1] for pair in pairs], dtype=np.int32)
    age = np.array(days_ago if days_ago is not None else [1.0 + each % 5 for each in range(len(pairs))])
    return Log(
        n_users=n_users,
        n_items=n_items,
        user=user,
        item=item,
        type=np.zeros(len(pairs), dtype=np.uint8),
        time=(NOW - age * DAY).astype(np.int64),
        quantity=np.ones(len(pairs), dtype=np.float32),
        order=user.astype(np.int64),
    )


def shop(log: Log, **more: object) -> Interactions:
    return Interactions(matrix=interactions(log, now=NOW), bought=purchase_counts(log), log=log, now=NOW, **more)


def checkerboard() -> Interactions:
    pairs = [
        (user, item)
        for user in range(USERS)
        for item in range(ITEMS)
        if item % 2 == user % 2 and item != withheld(user)
    ]
    return shop(log_of(pairs, USERS, ITEMS))
