"""Users for an item: do the fused ranks find next month's buyers of an item better than who bought it last?

On the last 30 days: for items that sold at least 20 times in the month before, all users known before the cut are
ordered; the truth are those who buy the item in the 30 days after.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.events import TYPE_CODES
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.targeting.item_audience import item_audience
from training.evaluate import bootstrap_interval, paired_difference
from training.predictions.accuracy import LEAST_OF_EACH, auc
from training.predictions.outcome import Trained, interval_json
from training.predictions.recipe import parse_prediction
from training.predictions.run import train_prediction
from training.recipe import read_document, read_recipe
from training.shop_data import ShopData, read_shop
from training.snapshot import snapshot

_DAYS, _ITEMS, _LEAST_SALES, _BEST = 30, 300, 20, 100


def judge_item_audiences(home: Home, *, seed: int) -> dict[str, Any]:
    """AUC and the hits among the best 100 users, averaged over items, with intervals over items."""
    shop = read_shop(Lake(home))
    end = datetime.fromtimestamp(shop.until, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    cut = end - timedelta(days=_DAYS)
    now = int(cut.timestamp())
    bundle = snapshot(shop, read_recipe("default"), now)
    propensity = _propensities(
        train_prediction(Lake(home), parse_prediction(read_document("category")), until=cut), bundle
    )
    bought = shop.log.of_type("purchase")
    before, after = bought.before(now), bought.where((bought.time >= now) & (bought.time < now + _DAYS * 86_400))
    known = np.bincount(before.user, minlength=shop.log.n_users) > 0
    values: dict[str, list[tuple[float, float]]] = {}
    for item in _items(shop, now, seed):
        truth = np.bincount(after.user[after.item == item], minlength=len(known))[known] > 0
        if truth.sum() < LEAST_OF_EACH:
            continue
        for name, scores in _orders(bundle, int(item), before, now, propensity).items():
            values.setdefault(name, []).append(_judged(scores[known], truth))
    table = {name: np.array(rows) for name, rows in values.items()}
    ours, theirs = table["fused ranks"][:, 0], table["last purchase of the item, then of anything"][:, 0]
    return {
        "items": len(ours),
        "AUC over the baseline": interval_json(paired_difference(ours, theirs, seed)),
        **{name: _means(rows, seed) for name, rows in table.items()},
    }


def _means(rows: np.ndarray, seed: int) -> dict[str, Any]:
    return {"AUC": interval_json(bootstrap_interval(rows[:, 0], seed)), f"recall@{_BEST}": float(rows[:, 1].mean())}


def _orders(
    bundle: Bundle, item: int, before: Any, now: int, propensity: dict[int, np.ndarray]
) -> dict[str, np.ndarray]:
    """Each way to order all users."""
    users = len(bundle.users)
    last, last_of_item = np.full(users, -1.0), np.full(users, -1.0)
    np.maximum.at(last, before.user, before.time)
    of_item = before.item == item
    np.maximum.at(last_of_item, before.user[of_item], before.time[of_item])
    mine = next((propensity[code] for code in bundle.catalog.levels[item] if code in propensity), None)
    found = {
        "last purchase of the item, then of anything": np.where(last_of_item > 0, last_of_item + now, last),
        "last purchase of the item": last_of_item,
        "last purchase of anything": last,
    }
    for name, given in (("fused ranks", mine), ("fused ranks without the category", None)):
        audience = item_audience(bundle, item, now=float(now), propensity=given, most=users)
        found[name] = np.zeros(users)
        found[name][audience.rows] = audience.scores
    return found


def _propensities(category: Trained, bundle: Bundle) -> dict[int, np.ndarray]:
    """Category code -> what is said of each user of the bundle, NaN of those of whom nothing is."""
    subjects = np.array(category.rows["subject"].to_pylist())
    users = bundle.users.rows(category.rows["user_id"].to_pylist())
    scores = category.rows["score"].to_numpy()
    codes = {name: code for code, name in enumerate(bundle.catalog.category_names)}
    found = {}
    for name in np.unique(subjects):
        found[codes[name]] = np.full(len(bundle.users), np.nan)
        found[codes[name]][users[subjects == name]] = scores[subjects == name]
    return found


def _items(shop: ShopData, now: int, seed: int) -> np.ndarray:
    log = shop.log
    lately = (log.type == TYPE_CODES["purchase"]) & (log.time < now) & (log.time >= now - _DAYS * 86_400)
    sold = np.flatnonzero(np.bincount(log.item[lately], minlength=log.n_items) >= _LEAST_SALES)
    return np.random.default_rng(seed).permutation(sold)[:_ITEMS]


def _judged(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    best = np.argsort(-scores, kind="stable")[:_BEST]
    return auc(scores, truth), float(truth[best].sum() / min(_BEST, truth.sum()))
