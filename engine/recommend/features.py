"""Features: profile + candidates + what was learned -> columns. Training and serving call this one function.

Nothing is missing (NaN) in a column: what a user never did has the count 0 and happened `NEVER` days
ago, so that thresholds learned offline mean the same online.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.learned import NEVER
from engine.profile import Profile
from engine.recommend.candidate_values import Codes, Floats, Places, columns_of, products_with, scores_of, sums_of_items
from engine.recommend.feature_values import told_of
from engine.recommend.ordering import ordered_of
from engine.recommend.readied import Readied
from engine.recommend.shared import BRAND, CATEGORY, EVERYWHERE, KINDS, LOOKED_AT, MOST_FEATURES, OWN, SECTION, Told
from engine.recommend.sources import RANKED, Pool

ITEM = ("lines", "faded_15", "faded_60", "faded_180", "since_last", "since_first", "quantity")
GROUPS = ("category", "section", "brand")
GROUP = ("lines", "faded_30", "faded_120", "since_last", "distinct")

FEATURES: tuple[str, ...] = (
    *(f"own_{name}" for name in ITEM),
    "own_interval",
    "own_due",
    "own_order_share",
    "own_orders_since",
    "own_typical",
    "own_late",
    "own_pace",
    "own_browsed",
    "own_since_browsed",
    *(f"{group}_{name}" for group in GROUPS for name in GROUP),
    "own_share_of_category",
    "category_due",
    "item_recent",
    "item_lasting",
    "item_trend",
    "item_buyers",
    "item_repeat_share",
    "item_interval",
    "item_age",
    "item_idle",
    "item_winning",
    "item_price",
    "item_price_ratio",
    "item_share_of_category",
    "user_orders",
    "user_orders_28",
    "user_order_size",
    "user_repeat_share",
    "user_since_order",
    "user_order_interval",
    "factors_score",
    *(f"source_{source}" for source in RANKED),
)
#: What a feature is of a candidate that the user had nothing to do with.
_NEVER_WHERE = ("_since_last", "_since_first", "_orders_since", "_since_browsed", "own_interval", "own_typical")
#: The first feature of items, that of factors, and how many there are.
_FIRSTS = np.array([FEATURES.index("item_recent"), FEATURES.index("factors_score"), len(FEATURES)])


def _laid_out() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """[kinds, MOST_FEATURES] the feature of each value in `Told`, and what it is where nothing is known."""
    at = {name: place for place, name in enumerate(FEATURES)}
    starts = {OWN: ("own_lines", 14), LOOKED_AT: ("own_browsed", 2), EVERYWHERE: ("user_orders", 6)}
    starts |= {
        kind: (f"{name}_lines", len(GROUP)) for kind, name in zip((CATEGORY, SECTION, BRAND), GROUPS, strict=True)
    }
    features = np.full((len(KINDS), MOST_FEATURES), -1)
    for kind, (first, n) in starts.items():
        features[kind, :n] = np.arange(at[first], at[first] + n)
    features[OWN, 14], features[CATEGORY, len(GROUP)] = at["own_share_of_category"], at["category_due"]
    missing = np.array([NEVER if name.endswith(_NEVER_WHERE) else 0 for name in FEATURES], np.float32)
    return features, np.where(features < 0, np.float32(0), missing[features])


_FEATURE_OF, _MISSING = _laid_out()
_NO_VECTOR = np.zeros(0, np.float32)
#: What the compiled passes take first, see `engine/recommend/candidate_values.py`.
_Of = tuple[Codes, Codes, Places, Floats, Places, Floats, Codes, Floats, Codes, Floats, float, Places]


@dataclass(frozen=True, slots=True)
class Table:
    """The features of one user's candidates; what many of them share stands there once.

    `sources` float32 [at least len(RANKED), n] is what each candidate has for itself, `vector` the user's, empty for
    none. What is said of items alone is looked up where it is needed; `usual_price` is what this user usually pays
    (minor units).
    """

    bundle: Bundle
    rows: NDArray[np.int32]
    told: Told
    sources: NDArray[np.float32]
    vector: NDArray[np.float32]
    usual_price: float

    def ordered(self, ranking: Readied, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """The first `most`, best first, and their scores, in one pass; None for a ranking with larger trees."""
        if ranking.trees is None:
            return None
        about, of, trees = self._vectors, of_items(ranking, self.bundle), ranking.trees.told
        # mypy takes the second of two tuples to go on where the first one ended.
        return ordered_of(*self._all, *ranking.tables, of, *about, self.vector, *trees, most)  # type: ignore[arg-type]

    def dense(self, at: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """[len(FEATURES), n] of the candidates at these places, or of all."""
        return columns_of(*self._all, self.factors(), np.arange(len(self.rows)) if at is None else at)

    def scores(self, ranking: Readied) -> NDArray[np.float64]:
        """[n] what the tables of a ranking add up to."""
        return scores_of(*self._all, self.factors(), *ranking.tables, of_items(ranking, self.bundle))

    def factors(self) -> NDArray[np.float32]:
        """[n] the products of the user's vector and the candidates', 0 without one."""
        if not len(self.vector):
            return np.zeros(len(self.rows), np.float32)
        return products_with(*self._vectors, self.rows, self.vector)

    @property
    def _vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        known, new = self.bundle.factors.items, self.bundle.newcomers
        return known, known[:0] if new is None else new.vectors

    @property
    def _all(self) -> _Of:
        lines = *self.bundle.item_lines, *self.bundle.newcomer_lines
        return self.rows, *self.told, _FEATURE_OF, *lines, self.sources, self.usual_price, _FIRSTS


def of_items(ranking: Readied, bundle: Bundle) -> NDArray[np.float64]:
    """[n] what the tables say of the items that were learned, whoever asks; summed once for a bundle."""
    key = ("of items", id(ranking))
    of, sums = bundle.kept.get(key) or (None, np.zeros(0))
    if of is not ranking:
        sums = sums_of_items(bundle.item_lines.numbers, *ranking.tables, _FIRSTS)
        bundle.kept.put(key, (ranking, sums), sums.nbytes)
    return sums


def columns(profile: Profile, bundle: Bundle, pool: Pool, now: float) -> NDArray[np.float32]:
    """[len(FEATURES), len(pool.rows)] for one user's candidates at `now` (epoch seconds)."""
    return table(profile, bundle, pool, now).dense()


def table(profile: Profile, bundle: Bundle, pool: Pool, now: float) -> Table:
    """The same, with what candidates share told once."""
    known, new, again = bundle.item_lines, bundle.newcomer_lines, bundle.repurchase
    keys, bounds, values, usual_price = told_of(
        profile.items,
        profile.types,
        profile.times,
        profile.quantities,
        now,
        known.numbers,
        known.codes,
        new.numbers,
        new.codes,
        again.interval,
        again.pace,
        again.strength,
        _MISSING,
    )
    vector = bundle.user_vector(profile, now)
    told = Told(keys, bounds, values)
    return Table(bundle, pool.rows, told, pool.scores, _NO_VECTOR if vector is None else vector, usual_price)
