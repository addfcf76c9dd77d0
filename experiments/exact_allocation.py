"""The exact optimum of a small allocation by integer programming, as a yardstick."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

from engine.targeting.allocation import Limits, read_options


def exact_value(value: Any, cost: Any, limits: Limits) -> float:
    """The most that can be earned within the limits; nan where there is no way."""
    options = read_options(value, cost, limits)
    customers, offers = options.worth.shape
    allowed = (options.worth > 0).ravel()
    cells = customers * offers
    # Beside each cell a variable a customer: 1 only if anything is given.
    owner = np.arange(cells) // offers
    rows: list[tuple[Any, Any, float, float]] = []
    rows += [(options.cost.ravel(), None, -np.inf, options.budget)]
    for offer in np.flatnonzero(np.isfinite(options.stock)):
        rows.append(((np.arange(cells) % offers == offer).astype(float), None, -np.inf, options.stock[offer]))
    for customer in range(customers):
        mine = (owner == customer).astype(float)
        treated = (np.arange(customers) == customer).astype(float)
        rows += [(mine, None, -np.inf, options.most), (mine, -treated, 0.0, np.inf)]
    for number in np.flatnonzero(options.least):
        rows.append((None, (options.segment == number).astype(float), options.least[number], np.inf))
    matrix = csr_matrix(
        np.stack([
            np.concatenate([np.zeros(cells) if cell is None else cell, np.zeros(customers) if one is None else one])
            for cell, one, _, _ in rows
        ])
    )  # fmt: skip
    gains = np.concatenate([np.where(allowed, options.worth.ravel(), 0.0), np.zeros(customers)])
    found = milp(
        -gains,
        constraints=LinearConstraint(matrix, [each[2] for each in rows], [each[3] for each in rows]),
        bounds=Bounds(0, np.concatenate([allowed.astype(float), np.ones(customers)])),
        integrality=np.ones(cells + customers),
        options={"mip_rel_gap": 1e-9, "time_limit": 60},
    )
    return -float(found.fun) if found.status == 0 else float("nan")
