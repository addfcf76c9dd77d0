"""Bench `browse`: does browsing help to find what a user will buy for the first time?

A generated shop is learned twice, once from purchases alone, once from views, searches' clicks, carts
and purchases; the served `discover` lists are compared user by user on the test period.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from engine.events import TYPE_CODES
from engine.storage.home import Home
from engine.storage.lake import Lake
from experiments.findings import Asked, Conditions, Findings
from experiments.shop import ShopSize, generate
from training.evaluate import paired_difference
from training.outcome import K, Outcome, Score
from training.recipe import Recipe
from training.run import train
from training.shop_data import ShopData, read_shop

RECALL = f"recall@{K}"
_SIZE, _QUICK_SIZE = ShopSize(users=4_000, items=2_000, days=180), ShopSize(users=600, items=400, days=120)


def measure_browse(conditions: Conditions) -> Findings:
    """The paired difference of recall@20 on never-bought items, with its 95 % bootstrap interval."""
    made = generate(_QUICK_SIZE if conditions.quick else _SIZE, seed=conditions.seed)
    lake = Lake(Home(conditions.scratch))
    lake.put_items(made.items)
    lake.put_users(made.users)
    lake.append_events(made.events)
    shop = read_shop(lake)
    recipe = Recipe(compare=("popularity",))
    with_browsing, alone = train(shop, recipe), train(purchases_only(shop), recipe)
    ours, theirs = _discover(with_browsing), _discover(alone)
    gain = paired_difference(*_paired(ours, theirs), conditions.seed)
    figures = {
        "users": len(ours.users),
        "events": len(shop.log),
        "with browsing": ours.row(conditions.seed)[RECALL],
        "purchases alone": theirs.row(conditions.seed)[RECALL],
        "difference": dataclasses.asdict(gain),
        "chosen": {"weights": with_browsing.chosen["weights"], "half_lives": with_browsing.chosen["half_lives"]},
    }
    asked = Asked("discover recall@20: browsing less purchases alone, lower bound above 0", gain.low, at_least=1e-9)
    # A quick shop is too small for the interval to settle.
    return Findings(figures, () if conditions.quick else (asked,))


def purchases_only(shop: ShopData) -> ShopData:
    """The same shop as if nobody's browsing had been recorded."""
    bought = shop.log.type == TYPE_CODES["purchase"]
    return dataclasses.replace(shop, log=shop.log.where(bought), list_amounts=shop.list_amounts[bought])


def _discover(outcome: Outcome) -> Score:
    return outcome.find("discover", "test", "new")


def _paired(ours: Score, theirs: Score) -> tuple[np.ndarray, np.ndarray]:
    """Only users whom both shops know: one who only browsed is nobody to the shop without browsing."""
    common = np.intersect1d(ours.users, theirs.users)
    return tuple(score.per_user[RECALL][np.searchsorted(score.users, common)] for score in (ours, theirs))  # type: ignore[return-value]
