"""Events as arrays, and the fading weight of each (user, item) pair that is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from scipy import sparse

from engine.errors import BadInput
from engine.events import EVENT_TYPES, TYPE_CODES

DAY = 86_400
#: Weights below this are forgotten: they could not move a ranking, and they cost memory.
_FORGOTTEN = 1e-9


@dataclass(frozen=True, slots=True)
class Log:
    """A shop's events as parallel arrays, one row an event, in any order.

    `user` and `item` are int32 row numbers, `type` the uint8 code of TYPE_CODES, `time` int64 epoch
    seconds, `quantity` float32 (negative or 0 counts as nothing), `order` int64, equal for the lines
    of one order and -1 where there is none.
    """

    n_users: int
    n_items: int
    user: np.ndarray
    item: np.ndarray
    type: np.ndarray
    time: np.ndarray
    quantity: np.ndarray
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    def where(self, rows: np.ndarray) -> Log:
        """The same shop with only these events: `rows` is a mask or row numbers."""
        columns = [each.name for each in fields(self) if not each.name.startswith("n_")]
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def before(self, time: int) -> Log:
        """What was known at `time` (epoch seconds): strictly earlier events."""
        return self.where(self.time < time)

    def of_type(self, name: str) -> Log:
        """Only the events of one type, by its name."""
        return self.where(self.type == TYPE_CODES[name])


def both(log: Log, strangers: Log | None) -> Log:
    """The log with the events of strangers behind it, whose user rows are beyond those of the users."""
    if strangers is None:
        return log
    columns = [each.name for each in fields(log) if not each.name.startswith("n_")]
    pairs = {name: (getattr(log, name), getattr(strangers, name)) for name in columns}
    together: dict[str, Any] = {name: np.concatenate(pair) for name, pair in pairs.items()}
    return replace(log, n_users=max(log.n_users, strangers.n_users), **together)


def interactions(
    log: Log,
    weights: Mapping[str, float] | None = None,
    half_lives: Mapping[str, float | None] | None = None,
    now: int = 0,
) -> sparse.csr_matrix:
    """Sum what each event still shows of a user's interest in an item: float32 CSR [users, items].

    One event counts type weight x 0.5 ** (age in days / half-life), however many pieces it was about:
    six cans at once are one wish, and counting them as more predicted the next purchase worse. An event
    of no piece (quantity 0 or less) counts nothing. Types that the mappings leave out keep the defaults
    of the event table; a half-life of None never fades. Events after `now` count as new; a pair whose
    signs sum to nothing or less (all returned) is absent.
    """
    weight, half_life = type_tables(weights, half_lives)
    age_days = np.maximum(now - log.time, 0) / DAY
    value = weight[log.type] * (log.quantity > 0) * 0.5 ** (age_days / half_life[log.type])
    told = value != 0.0
    matrix = sparse.csr_matrix(
        (value[told], (log.user[told], log.item[told])), shape=(log.n_users, log.n_items), dtype=np.float64
    )
    matrix.sum_duplicates()
    matrix.data[matrix.data < _FORGOTTEN] = 0.0
    matrix.eliminate_zeros()
    return matrix.astype(np.float32)


def purchase_counts(log: Log) -> sparse.csr_matrix:
    """How many order lines of an item each user ever bought: float32 CSR [users, items], never faded."""
    bought = log.of_type("purchase")
    bought = bought.where(bought.quantity > 0)
    ones = np.ones(len(bought), dtype=np.float32)
    matrix = sparse.csr_matrix((ones, (bought.user, bought.item)), shape=(log.n_users, log.n_items))
    matrix.sum_duplicates()
    return matrix


def type_tables(
    weights: Mapping[str, float] | None, half_lives: Mapping[str, float | None] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weight and half-life in days by type code (float64; no fading is infinity), defaults filled in."""
    weight = np.array([each.weight for each in EVENT_TYPES.values()])
    half_life = np.array([each.half_life_days for each in EVENT_TYPES.values()])
    for table, asked, field in ((weight, weights, "weights"), (half_life, half_lives, "half_lives")):
        for name, value in (asked or {}).items():
            if name not in TYPE_CODES:
                raise BadInput(f"unknown event type {name!r}; known: {', '.join(TYPE_CODES)}", field=field)
            table[TYPE_CODES[name]] = np.inf if value is None else value
    if not np.isfinite(weight).all():
        raise BadInput("an event type's weight must be a finite number", field="weights")
    if not (half_life > 0).all():
        raise BadInput("a half-life must be above 0 days; inf never fades", field="half_lives")
    return weight, half_life
