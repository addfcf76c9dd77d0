"""Clusters of customers, learned from traits: k-means on standardised traits, k by the mean silhouette.

k-means with k-means++ seeding (Arthur and Vassilvitskii, SODA 2007); silhouette (Rousseeuw, J. Comput. Appl. Math.
1987) over a sample. A cluster is described in words by the traits whose mean lies furthest from everybody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import NotEnoughData

_Matrix = NDArray[np.float64]
_Numbers = NDArray[np.intp]

MOST_CLUSTERS = 8
#: Fewer customers have no clusters worth a name.
LEAST_CUSTOMERS = 100
_SAMPLE = 2_000  # customers whose silhouettes choose k
_RESTARTS, _ROUNDS = 4, 50
#: Standard deviations from the mean of all from which on a trait is worth a word, and is much.
_TELLING, _MUCH = 0.4, 1.0


@dataclass(frozen=True, slots=True)
class Feature:
    """A trait that clusters are learned from. `log`: sizes count by their order of magnitude."""

    trait: str
    log: bool
    more: Mapping[str, str]
    less: Mapping[str, str]


FEATURES = (
    Feature("spend_365d", True, {"en": "spends more", "zh": "消费更高"}, {"en": "spends less", "zh": "消费更低"}),
    Feature("orders_365d", True, {"en": "orders more often", "zh": "下单更多"},
            {"en": "orders more rarely", "zh": "下单更少"}),
    Feature("basket_value", True, {"en": "larger baskets", "zh": "客单价更高"},
            {"en": "smaller baskets", "zh": "客单价更低"}),
    Feature("days_since_seen", True, {"en": "away for longer", "zh": "离开更久"},
            {"en": "was there more recently", "zh": "最近来过"}),
    Feature("views_90d", True, {"en": "looks at more", "zh": "浏览更多"}, {"en": "looks at less", "zh": "浏览更少"}),
    Feature("conversion_90d", False, {"en": "buys at more visits", "zh": "转化更高"},
            {"en": "buys at fewer visits", "zh": "转化更低"}),
    Feature("discount_share_365d", False, {"en": "buys at larger discounts", "zh": "更爱折扣"},
            {"en": "pays list prices", "zh": "多付原价"}),
    Feature("price_level", False, {"en": "chooses dearer things", "zh": "偏好高价"},
            {"en": "chooses cheaper things", "zh": "偏好低价"}),
    Feature("return_rate_365d", False, {"en": "sends more back", "zh": "退货更多"},
            {"en": "sends less back", "zh": "退货更少"}),
    Feature("items_bought", True, {"en": "buys more different things", "zh": "品类更广"},
            {"en": "buys fewer different things", "zh": "品类更窄"}),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clusters:
    """`centres` [k, f] in standard deviations from `means` [f]; `scales` [f] are those deviations, of `names` [f].

    `shares` [k] are parts of all customers, largest first; `silhouettes` maps each k that was tried to its criterion.
    """

    names: tuple[str, ...]
    means: _Matrix
    scales: _Matrix
    centres: _Matrix
    shares: _Matrix
    silhouettes: Mapping[int, float]

    def of(self, values: _Matrix) -> _Numbers:
        """The cluster [n] of customers by their trait values [n, f], NaN where a trait is not known."""
        return np.asarray(_nearest(_standard(_sizes(values, self.names), self.means, self.scales), self.centres))

    def words(self, number: int, language: str = "en") -> str:
        """What sets a cluster apart, the most telling first."""
        centre = self.centres[number]
        told: list[str] = []
        for at in np.argsort(-np.abs(centre)):
            if abs(centre[at]) < _TELLING or len(told) == 3:
                break
            feature = _FEATURE[self.names[at]]
            much = ("much " if language == "en" else "明显") if abs(centre[at]) >= _MUCH else ""
            told.append(much + (feature.more if centre[at] > 0 else feature.less)[language])
        if not told:
            return "like most customers" if language == "en" else "与多数顾客相近"
        return ", ".join(told) if language == "en" else "、".join(told)

    def as_json(self) -> dict[str, Any]:
        return {
            "names": list(self.names),
            **{name: getattr(self, name).tolist() for name in ("means", "scales", "centres", "shares")},
            "silhouettes": {str(k): value for k, value in self.silhouettes.items()},
        }

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Clusters:
        arrays = {name: np.asarray(told[name], np.float64) for name in ("means", "scales", "centres", "shares")}
        silhouettes = {int(k): float(value) for k, value in told["silhouettes"].items()}
        return Clusters(names=tuple(told["names"]), silhouettes=silhouettes, **arrays)


_FEATURE: Mapping[str, Feature] = {each.trait: each for each in FEATURES}


def learn_clusters(values: _Matrix, names: Sequence[str], *, seed: int) -> Clusters:
    """Clusters of customers by their trait values [n, f], NaN where a trait is not known: it counts as the mean.

    Traits that are the same for everybody are left out. NotEnoughData for fewer than LEAST_CUSTOMERS customers, or when
    no trait tells them apart.
    """
    if len(values) < LEAST_CUSTOMERS:
        raise NotEnoughData(f"clusters need at least {LEAST_CUSTOMERS} customers; there are {len(values)}")
    sizes = _sizes(values, names)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(sizes).sum(axis=0)
        means = np.where(known > 0, np.nansum(sizes, axis=0) / np.maximum(known, 1), 0.0)
        scales = np.sqrt(np.nansum((sizes - means) ** 2, axis=0) / np.maximum(known, 1))
    telling = scales > 1e-9
    if not telling.any():
        raise NotEnoughData("no trait tells the customers apart; wait for more events")
    kept = tuple(name for name, tells in zip(names, telling, strict=True) if tells)
    means, scales = means[telling], scales[telling]
    points = _standard(sizes[:, telling], means, scales)
    draw = np.random.default_rng(seed)
    sample = points[draw.permutation(len(points))[:_SAMPLE]]
    found = {k: _means(sample, k, draw) for k in range(2, MOST_CLUSTERS + 1)}
    silhouettes = {k: silhouette(sample, _nearest(sample, centres)) for k, centres in found.items()}
    best = max(silhouettes, key=lambda k: (silhouettes[k], -k))
    centres = _settled(points, found[best])
    shares = np.bincount(_nearest(points, centres), minlength=best) / len(points)
    order = np.argsort(-shares, kind="stable")
    return Clusters(kept, means, scales, centres[order], shares[order], silhouettes)


def silhouette(points: _Matrix, clusters: _Numbers) -> float:
    """Mean over the points [n, f] of (b - a) / max(a, b): a is the mean distance to one's own cluster, b to the next.

    -1 for fewer than two clusters; a point alone in its cluster counts 0.
    """
    numbers = np.unique(clusters)
    if len(numbers) < 2:
        return -1.0
    squares = (points**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * points @ points.T, 0.0))
    sums = np.stack([distances[:, clusters == number].sum(axis=1) for number in numbers], axis=1)
    counts = np.array([(clusters == number).sum() for number in numbers])
    own = np.searchsorted(numbers, clusters)
    rows = np.arange(len(points))
    within = sums[rows, own] / np.maximum(counts[own] - 1, 1)
    others = sums / counts
    others[rows, own] = np.inf
    nearest = others.min(axis=1)
    value = (nearest - within) / np.maximum(np.maximum(nearest, within), 1e-12)
    return float(np.where(counts[own] > 1, value, 0.0).mean())


def _sizes(values: _Matrix, names: Sequence[str]) -> _Matrix:
    logs = np.array([_FEATURE[name].log for name in names], bool)
    return np.where(logs, np.log1p(np.maximum(values, 0.0)), values)


def _standard(sizes: _Matrix, means: _Matrix, scales: _Matrix) -> _Matrix:
    # What is not known is like everybody's. Outliers are held back, so that a few do not make a cluster.
    return np.clip(np.nan_to_num((sizes - means) / scales, nan=0.0, posinf=4.0, neginf=-4.0), -4.0, 4.0)


def _nearest(points: _Matrix, centres: _Matrix) -> _Numbers:
    return np.asarray(((centres**2).sum(axis=1) - 2 * points @ centres.T).argmin(axis=1))


def _means(points: _Matrix, k: int, draw: np.random.Generator) -> _Matrix:
    """The best of a few starts, by the sum of squared distances."""
    best, least = points[:k], np.inf
    for _ in range(_RESTARTS):
        centres = _settled(points, _seeds(points, k, draw))
        cost = float(((points - centres[_nearest(points, centres)]) ** 2).sum())
        if cost < least:
            best, least = centres, cost
    return best


def _seeds(points: _Matrix, k: int, draw: np.random.Generator) -> _Matrix:
    centres = [points[draw.integers(len(points))]]
    for _ in range(k - 1):
        far = np.min([((points - each) ** 2).sum(axis=1) for each in centres], axis=0)
        total = far.sum()
        centres.append(points[draw.choice(len(points), p=far / total) if total > 0 else draw.integers(len(points))])
    return np.array(centres)


def _settled(points: _Matrix, centres: _Matrix) -> _Matrix:
    for _ in range(_ROUNDS):
        mine = _nearest(points, centres)
        moved = np.array(
            [points[mine == k].mean(axis=0) if (mine == k).any() else centres[k] for k in range(len(centres))]
        )
        if np.allclose(moved, centres, atol=1e-6):
            return moved
        centres = moved
    return centres
