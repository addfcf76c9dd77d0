"""Due: how likely what is due again is bought within a week: learned from the past, calibrated, and held against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.learned import Chance, Ranking
from engine.recommend import ranking
from engine.recommend.again import chances
from engine.recommend.due import SOON_DAYS
from engine.recommend.features import FEATURES, columns
from engine.recommend.placements import PLACEMENTS
from engine.recommend.query import LIMIT, Query
from engine.recommend.recommender import candidates, recommend
from training.boosting import boost
from training.evaluate import Truth
from training.interactions import DAY
from training.outcome import K
from training.predictions.accuracy import auc, brier, calibration_error, error_by_chance
from training.predictions.calibration import Calibration, calibrate
from training.ranking import Replay, tables_of

PLACEMENT = PLACEMENTS["buy-again"]
HORIZON = int(SOON_DAYS * DAY)  # seconds
_STUMPS = 300
_TABLES = {"objective": "binary", "learning_rate": 0.1, "num_leaves": 2, "min_data_in_leaf": 200, "max_bin": 127}
_LEAST_OF_EACH = 100  # proposals that were bought, and that were not, below which nothing is learned
_POINTS = 200
_BINS = 10


@dataclass(frozen=True, slots=True)
class DueModel:
    """What is served; which `calibration` was chosen, and what came of it for those users whom it did not see."""

    ranking: Ranking
    chance: Chance
    calibration: str
    held_out: Mapping[str, Any]


def replay_due(bundle: Bundle, truth: Truth, most_users: int, *, seed: int) -> Replay:
    """What would have been called due at the bundle's moment, and whether it was bought within `HORIZON`.

    Of everybody who ever did anything: unlike in the replays of orders nobody is left out who then bought nothing.
    """
    users = np.flatnonzero(np.diff(bundle.history.indptr) > 0)
    if len(users) > most_users:
        users = np.sort(np.random.default_rng(seed).choice(users, most_users, replace=False))
    now = bundle.manifest.as_of
    blocks, labels, sizes = [np.zeros((0, len(FEATURES)), np.float32)], [np.zeros(0, bool)], []
    for user in users:
        query = Query(PLACEMENT, bundle.history.profile(int(user)), now)
        pool = candidates(query, bundle, PLACEMENT.sources)
        if len(pool.rows):
            blocks.append(columns(query.profile, bundle, pool, now).T)
            labels.append(_came(pool.rows, int(user), truth))
            sizes.append(len(pool.rows))
    return Replay(np.concatenate(blocks), np.concatenate(labels), np.array(sizes, np.int64))


def learn_due(replays: Sequence[Replay], *, seed: int, threads: int) -> DueModel | None:
    """Learned from all replays, calibrated on the last one by what was learned from those before it.

    The last one is of the validation period. Whether chances get Platt's line alone or isotonic steps on top is chosen
    there: fitted to one half of its users, compared on the other. None where there is too little to learn from.
    """
    *before, last = replays
    if not before or not _tells(before) or not _tells([last]):
        return None
    scores = ranking.additive(_tables(before, seed=seed, threads=threads), last.columns.T)
    fitted = _half_of_users(last, seed)
    tried = {name: way(scores[fitted], last.bought[fitted])(scores[~fitted]) for name, way in _WAYS.items()}
    losses = {name: _log_loss(found, last.bought[~fitted]) for name, found in tried.items()}
    best = min(losses, key=lambda name: losses[name])
    at = np.unique(np.quantile(scores, np.linspace(0.0, 1.0, _POINTS)))
    return DueModel(
        ranking=_tables(replays, seed=seed, threads=threads),
        chance=Chance(at, _WAYS[best](scores, last.bought)(at)),
        calibration=best,
        held_out={"called due": figures(tried[best], last.bought[~fitted], seed=seed), "log loss": losses},
    )


def judge_due(bundle: Bundle, truth: Truth, *, seed: int) -> dict[str, Any]:
    """Of all that served lists call due, and of their first places, how often it was bought and how often it was said.

    Lists of everybody with a history, as long as a storefront may ask for.
    """
    said, came, place = [np.zeros(0)], [np.zeros(0, bool)], [np.zeros(0, np.int64)]
    for user in np.flatnonzero(np.diff(bundle.history.indptr) > 0):
        query = Query(PLACEMENT, bundle.history.profile(int(user)), bundle.manifest.as_of, limit=LIMIT)
        rows = np.array([each.row for each in recommend(query, bundle)], np.int32)
        found = chances(rows, query, bundle)
        if len(rows) and found is not None:
            said.append(found)
            came.append(_came(rows, int(user), truth))
            place.append(np.arange(len(rows)))
    all_said, all_came, first = np.concatenate(said), np.concatenate(came), np.concatenate(place) < K
    if not len(all_said):
        return {}
    return {
        "lists": len(said) - 1,
        "called due": figures(all_said, all_came, seed=seed),
        f"first {K}": figures(all_said[first], all_came[first], seed=seed),
    }


def figures(said: np.ndarray, came: np.ndarray, *, seed: int) -> dict[str, Any]:
    """Chances [n] beside what came of them, bool [n]."""
    parts = [each for each in np.array_split(np.argsort(said, kind="stable"), _BINS) if len(each)]
    return {
        "items": len(said),
        "said": float(said.mean()),
        "came": float(came.mean()),
        "calibration error": calibration_error(said, came),
        "calibration error by chance": error_by_chance(said, seed=seed),
        "largest error of a tenth": max(abs(float(said[each].mean() - came[each].mean())) for each in parts),
        "tenths": [[float(said[each].mean()), float(came[each].mean())] for each in parts],
        "auc": auc(said, came),
        "brier": brier(said, came),
    }


def _came(rows: np.ndarray, user: int, truth: Truth) -> np.ndarray:
    return np.isin(rows, truth.items[truth.indptr[user] : truth.indptr[user + 1]])


def _tells(replays: Sequence[Replay]) -> bool:
    bought = sum(int(each.bought.sum()) for each in replays)
    return min(bought, sum(len(each.bought) for each in replays) - bought) >= _LEAST_OF_EACH


def _tables(replays: Sequence[Replay], *, seed: int, threads: int) -> Ranking:
    rows = np.concatenate([each.columns for each in replays])
    bought = np.concatenate([each.bought for each in replays])
    params = {**_TABLES, "seed": seed, "num_threads": threads}
    return tables_of(boost(rows, bought, params, _STUMPS, names=FEATURES).structures())


def _half_of_users(replay: Replay, seed: int) -> np.ndarray:
    """[n] whether a row belongs to the half of the users by which a calibration is fitted."""
    first = np.random.default_rng(seed).random(len(replay.sizes)) < 0.5
    return np.repeat(first, replay.sizes)


def _line(scores: np.ndarray, bought: np.ndarray) -> Calibration:
    found = calibrate(scores, bought)
    return Calibration(found.slope, found.intercept, np.zeros(0), np.zeros(0))


_WAYS: Mapping[str, Callable[[np.ndarray, np.ndarray], Calibration]] = {"line": _line, "steps": calibrate}


def _log_loss(said: np.ndarray, came: np.ndarray) -> float:
    inside = np.clip(said, 1e-9, 1 - 1e-9)
    return float(-np.where(came, np.log(inside), np.log(1 - inside)).mean())
