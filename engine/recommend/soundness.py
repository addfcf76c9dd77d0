"""Soundness: whether a bundle that was loaded whole can also answer with this version of the engine.

The bundle's own checks cover its files and sizes. These cover what only the pipeline knows: the meaning of its
features, row numbers that point somewhere, and one real answer of every placement.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.errors import BundleUnusable
from engine.learned import Ranking
from engine.profile import unknown
from engine.recommend.answer import answer
from engine.recommend.features import FEATURES
from engine.recommend.onward import ONWARD_FEATURES
from engine.recommend.placements import PLACEMENTS


def check_sound(bundle: Bundle) -> None:
    """Raise BundleUnusable unless every placement answers, for somebody unknown and for the longest history.

    Also warms everything that the bundle computes on first use, so that the first request is not the slow one.
    """
    if bundle.manifest.features != FEATURES:
        odd = sorted(set(bundle.manifest.features) ^ set(FEATURES)) or ["their order"]
        raise BundleUnusable(
            f"the bundle was trained on other features than this version computes ({', '.join(odd[:3])}); train anew",
            field="features",
        )
    for name, ranking in bundle.rankings.items():
        _check_ranking(name, ranking)
    _check_chances(bundle)
    for name, indptr, rows, limit in _row_lists(bundle):
        if len(rows) and (rows.min() < 0 or rows.max() >= limit):
            raise BundleUnusable(f"{name} names rows beyond the {limit} that there are", field=name)
        if indptr is not None and (indptr[0] != 0 or indptr[-1] != len(rows) or np.any(np.diff(indptr) < 0)):
            raise BundleUnusable(f"the lists of {name} do not fit their index", field=name)
    _check_answers(bundle)


def _row_lists(bundle: Bundle) -> Iterator[tuple[str, NDArray[np.integer] | None, NDArray[np.integer], int]]:
    n_items = len(bundle.items)
    for name in ("history", "best_of_category", "neighbours", "baskets", "similar_users"):
        part = getattr(bundle, name)
        yield name, part.indptr, part.items, n_items
    yield "popular", None, bundle.popular.items, n_items
    yield "trending", None, bundle.trending.items, n_items
    followers, visits, n_visits = bundle.onward.followers, bundle.onward.visits, len(bundle.onward.visits.weights)
    yield "onward.followers", followers.indptr, followers.items, n_items
    yield "onward.visits", visits.indptr, visits.items, n_items
    yield "onward.visits.met", visits.met, visits.met_in, n_visits
    yield "history.types", None, bundle.history.types, len(bundle.type_weights)


def _check_ranking(name: str, ranking: Ranking) -> None:
    n_steps, n_features = len(ranking.steps), len(ONWARD_FEATURES if name == "onward" else FEATURES)
    fits = (
        len(ranking.step_starts) == n_features + 1
        and ranking.step_starts[-1] == n_steps
        and len(ranking.values) == n_steps + n_features
        and ranking.split_at.ndim == 2
        and (
            not ranking.split_feature.size
            or 0 <= ranking.split_feature.min() <= ranking.split_feature.max() < n_features
        )
    )
    if not fits:
        raise BundleUnusable(f"the ranking {name!r} does not fit the {n_features} features", field=f"rankings.{name}")


def _check_chances(bundle: Bundle) -> None:
    again = bundle.repurchase
    if len(again.pace) != len(again.interval) or len(again.strength) != 2 or not (again.pace > 0).all():
        raise BundleUnusable("what is known of buying again has the wrong shape", field="repurchase")
    for name, each in bundle.chances.items():
        sizes = len(each.scores) == len(each.chances) > 0
        if not sizes or np.any(np.diff(each.scores) < 0) or each.chances.min() < 0 or each.chances.max() > 1:
            raise BundleUnusable(f"the chances of {name!r} are none", field=f"chances.{name}")


def _check_answers(bundle: Bundle) -> None:
    longest = int(np.argmax(np.diff(bundle.history.indptr))) if len(bundle.users) else -1
    people = [unknown()]
    if longest >= 0:
        known = bundle.history.profile(longest)
        people += [known, replace(known, row=-1, is_stored=False)]  # the last one is folded in, as a changed profile is
    context = [bundle.items.ids[int(bundle.popular.items[0])]] if len(bundle.popular.items) else ["none"]
    for placement in PLACEMENTS.values():
        for profile in people:
            try:
                found = answer(
                    bundle,
                    placement.name,
                    profile,
                    float(bundle.manifest.as_of),
                    item_ids=context if placement.needs_items else (),
                    explain=True,
                )
            except (IndexError, ValueError, ArithmeticError, AssertionError, TypeError) as problem:
                raise BundleUnusable(
                    f"the bundle cannot answer {placement.name!r}: {problem}", field=placement.name
                ) from problem
            if not all(math.isfinite(each.score) for each in found.items):
                raise BundleUnusable(f"the bundle answers {placement.name!r} with scores that are no numbers")
