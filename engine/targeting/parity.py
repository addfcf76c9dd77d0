"""Parity of net prices: whether a planned campaign makes the same basket dearer for some groups of customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import BadInput, NotAllowed
from engine.targeting.fairness import OPEN_TO_ALL

_Z = 1.959964  # of a 95 % interval
LEAST_CUSTOMERS = 20  # fewer tell nothing, and nothing is told of them
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class GroupPrice:
    """What the same basket costs one group; differences are shares of the list price, against everybody else."""

    dimension: str
    group: str
    customers: int
    net_price: float
    more_than_others: float
    low: float
    high: float
    over: bool


@dataclass(frozen=True, slots=True)
class ParityReport:
    """`most` is the threshold: `over` are groups that pay more than the others by more than it, and not by chance."""

    basket: int
    most: float
    groups: tuple[GroupPrice, ...]

    @property
    def over(self) -> tuple[GroupPrice, ...]:
        return tuple(each for each in self.groups if each.over)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "over": [asdict(each) for each in self.over]}


def net_prices(choice: NDArray[np.integer], discounts: ArrayLike, classes: Sequence[str], basket: int) -> NDArray[Any]:
    """(n,) what a basket of the list price `basket` costs each customer with the offers of `choice` (n, k), -1: none.

    `discounts` (m,) are the offers' in minor units, `classes` their reason classes; discounts of published rules and of
    chance do not count.
    """
    counted = np.array([each not in OPEN_TO_ALL for each in classes], np.bool_)
    off = np.append(np.where(counted, np.asarray(discounts, np.float64), 0.0), 0.0)
    return np.asarray(np.maximum(basket - off[choice].sum(axis=1), 0.0))


def parity_report(
    net: NDArray[Any], groups: Mapping[str, Sequence[str] | NDArray[Any]], *, basket: int, most: float
) -> ParityReport:
    """The mean net price of every group of each dimension beside that of all others, with a 95 % interval.

    `net` (n,) as of `net_prices`; `groups` names each customer's group (n,) by dimension: tenure, region, device.
    Groups of fewer than LEAST_CUSTOMERS, and those with as few others, are left out. Source: Welch's interval for a
    difference of two means. BadInput for a basket that is not above 0 or lists of another length.
    """
    if basket <= 0:
        raise BadInput("basket: give the list price of a usual basket, above 0", field="basket")
    found = []
    for dimension, given in groups.items():
        labels = np.asarray(given)
        if labels.shape != net.shape:
            raise BadInput(f"{dimension}: name the group of each of {len(net)} customers", field=dimension)
        for group in np.unique(labels):
            inside = labels == group
            if LEAST_CUSTOMERS <= inside.sum() <= len(net) - LEAST_CUSTOMERS:
                found.append(_group(dimension, str(group), net / basket, inside, most))
    return ParityReport(basket, most, tuple(found))


def tenure_deciles(days: ArrayLike) -> NDArray[np.str_]:
    """(n,) the tenth of all customers that each is in by how long they have been one; NaN days are `unknown`."""
    tenure = np.asarray(days, np.float64)
    known = np.isfinite(tenure)
    if not known.any():
        return np.full(len(tenure), _UNKNOWN)
    edges = np.quantile(tenure[known], np.arange(1, 10) / 10)
    tenths = np.searchsorted(edges, np.where(known, tenure, 0.0), side="left") + 1
    return np.where(known, np.char.add("tenth ", np.char.zfill(tenths.astype(np.str_), 2)), _UNKNOWN)


def check_parity(report: ParityReport, reason: str | None) -> None:
    """NotAllowed when a group pays more than may be, unless somebody wrote down why that is right."""
    if report.over and not (reason or "").strip():
        worst = max(report.over, key=lambda each: each.more_than_others)
        raise NotAllowed(
            f"parity: {worst.dimension} {worst.group!a} would pay {worst.more_than_others:.1%} of the list price more"
            f" than others, {report.most:.1%} may be; change the offers, or write the reason into parity_reason",
            code="parity", field="parity_reason",
        )  # fmt: skip


def _group(dimension: str, group: str, net: NDArray[Any], inside: NDArray[np.bool_], most: float) -> GroupPrice:
    mine, others = net[inside], net[~inside]
    more = float(mine.mean() - others.mean())
    wide = _Z * float(np.sqrt(mine.var(ddof=1) / len(mine) + others.var(ddof=1) / len(others)))
    # Beyond the threshold, and surely above nothing at all.
    over = more > most and more - wide > 0
    return GroupPrice(dimension, group, len(mine), float(mine.mean()), more, more - wide, more + wide, over)
