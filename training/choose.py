"""Choose what each kind of event weighs and how fast it fades: on the validation period, with one quick model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from engine.events import EVENT_TYPES, TYPE_CODES
from training.evaluate import Periods, evaluate_kinds
from training.models import MODELS
from training.outcome import K
from training.recipe import Recipe
from training.shop_data import ShopData
from training.snapshot import interactions_at

_QUICK = {"factors": 32, "iterations": 6}
_MOST_USERS = 1000
_BROWSING = ("view", "search", "click", "cart_add", "wishlist_add", "share")
_PURCHASE_HALF_LIVES: tuple[float, ...] = (30.0, 60.0, 120.0, 365.0)
_BROWSING_STRENGTHS = (0.0, 0.5, 1.0, 2.0, 4.0)
_BROWSING_HALF_LIVES = (0.5, 2.0)  # times the default of each type


def choose(shop: ShopData, recipe: Recipe, cuts: Periods) -> tuple[Recipe, dict[str, list[float]]]:
    """The recipe with all weights and half-lives filled in, and the NDCG of every candidate tried.

    One knob at a time: the half-life of purchases, then the strength of browsing beside them, then
    how fast browsing fades. What the recipe fixes stays fixed; what the shop never recorded is not tried.
    Judged on never-bought items, where interactions matter: repeats follow a user's own history.
    """
    present = {name for name, code in TYPE_CODES.items() if np.any(shop.log.type == code)}
    tried: dict[str, list[float]] = {}
    weights = {name: each.weight for name, each in EVENT_TYPES.items()} | dict(recipe.weights)
    half_lives: dict[str, float | None] = {name: each.half_life_days for name, each in EVENT_TYPES.items()}
    half_lives |= recipe.half_lives
    best = dataclasses.replace(recipe, weights=weights, half_lives=half_lives)

    def settle(knob: str, candidates: list[Recipe]) -> Recipe:
        tried[knob] = [_ndcg(shop, candidate, cuts) for candidate in candidates]
        return candidates[int(np.argmax(tried[knob]))]

    if "purchase" not in recipe.half_lives:
        tries = [_with(best, half_lives={"purchase": days}) for days in _PURCHASE_HALF_LIVES]
        best = settle("purchase half-life", tries)
    free = [name for name in _BROWSING if name in present and name not in recipe.weights]
    if free:
        tries = [_with(best, weights={name: weights[name] * by for name in free}) for by in _BROWSING_STRENGTHS]
        best = settle("browsing strength", tries)
    fading = [name for name in free if name not in recipe.half_lives and best.weights[name] > 0]
    if fading:
        usual = {name: EVENT_TYPES[name].half_life_days for name in fading}
        tries = [_with(best, half_lives={name: usual[name] * by for name in fading}) for by in _BROWSING_HALF_LIVES]
        best = settle("browsing half-life", [best, *tries])
    return best, tried


def _with(
    recipe: Recipe, *, weights: Mapping[str, float] | None = None, half_lives: Mapping[str, float] | None = None
) -> Recipe:
    return dataclasses.replace(
        recipe,
        weights={**recipe.weights, **(weights or {})},
        half_lives={**recipe.half_lives, **(half_lives or {})},
    )


def _ndcg(shop: ShopData, recipe: Recipe, cuts: Periods) -> float:
    seen = interactions_at(shop, recipe, cuts.validation)
    result = MODELS["als"].fit(seen, _QUICK, seed=recipe.seed, threads=recipe.threads)
    after = shop.log.where((shop.log.time >= cuts.validation) & (shop.log.time < cuts.test))
    users = np.random.default_rng(recipe.seed).permutation(shop.log.n_users)[:_MOST_USERS]
    found = evaluate_kinds(result, seen, after, k=K, users=users)
    judged = found.get("new") or found.get("whole")
    return float(judged.per_user[f"ndcg@{K}"].mean()) if judged else 0.0
