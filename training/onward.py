"""Learn what comes next in a visit: the two ways to find it, and the order of what they find."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy import sparse

from engine.learned import Ranking
from engine.profile import PURCHASE
from engine.recommend.onward import ONWARD_FEATURES, candidates
from engine.visits import Followers, Onward, Visits
from training import ranking
from training.interactions import DAY, Log
from training.models import MODELS
from training.models.contract import Features, Interactions
from training.models.graph_filter import right_singular_vectors
from training.models.transitions import followed_pairs
from training.ranking import Replay
from training.visits import VisitLog, visits_of

_RECENT_DAYS, _LASTING_DAYS = 7.0, 90.0  # half-lives
_DIRECTIONS = 64
_ENDLESS = 1e9  # minutes: a bundle holds no infinity
Params = Mapping[str, Mapping[str, Any]]


def learn_onward(seen: Interactions, models: Params, *, seed: int, threads: int) -> Onward:
    """All that visits taught until the interactions' moment; `models` are parameters by family."""
    results = {
        name: MODELS[name].fit(seen, models.get(name), seed=seed, threads=threads)
        for name in ("transitions", "visit_neighbours")
    }
    followers, neighbours = results["transitions"], results["visit_neighbours"]
    assert isinstance(followers, Followers) and isinstance(neighbours, Visits)
    params = MODELS["transitions"].complete(models.get("transitions"))
    visits = visits_of(seen.telling, gap_minutes=params["gap_minutes"])
    return Onward(
        followers=followers,
        visits=neighbours,
        taken=_taken(visits, params, seen.now, seed),
        told=_told(seen.item_features, seen.n_items, seed),
        **_statistics(visits, seen.now),
        gap_minutes=np.array([min(params["gap_minutes"], _ENDLESS)], np.float32),
    )


def onward_of(seen: Interactions, models: Params, *, seed: int, threads: int) -> Onward:
    """The same for a shop, which has nothing to learn where nobody recorded what people look at."""
    if not (seen.telling.type != PURCHASE).any():
        return Onward.silent(seen.n_items)
    return learn_onward(seen, models, seed=seed, threads=threads)


def replay_window(learned: Onward, later: Log, *, most: int, seed: int) -> Replay:
    """Visits of a log that is later than what was learned, each cut at a step drawn at random; `most` of them."""
    if not len(learned.visits.weights):
        return replay_onward(learned, ())
    visits = visits_of(later, gap_minutes=float(learned.gap_minutes[0]))
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(visits))[:most])
    starts, sizes = visits.indptr[chosen], visits.sizes[chosen]
    cuts = starts + random.integers(1, sizes)
    return replay_onward(
        learned,
        ((visits.items[start:cut], int(visits.items[cut])) for start, cut in zip(starts, cuts, strict=True)),
    )


def replay_onward(learned: Onward, visits: Iterable[tuple[np.ndarray, int]]) -> Replay:
    """The candidates of each (items so far, next item), and which of them was the next.

    Visits whose next item nobody proposed teach no order and are left out.
    """
    blocks, labels = [], []
    for items, following in visits:
        found = candidates(learned, items)
        came = found.rows == following
        if came.any():
            blocks.append(found.columns.T)
            labels.append(came)
    sizes = np.array([len(each) for each in labels], np.int64)
    if not blocks:
        return Replay(np.zeros((0, len(ONWARD_FEATURES)), np.float32), np.zeros(0, bool), sizes)
    return Replay(np.concatenate(blocks), np.concatenate(labels), sizes)


def learn_order(replays: list[Replay], *, seed: int, threads: int) -> Ranking:
    """The order that would have put what came next on top; NotEnoughData where too few visits say it."""
    return ranking.learn(replays, names=ONWARD_FEATURES, seed=seed, threads=threads)


def _taken(visits: VisitLog, params: Mapping[str, Any], now: int, seed: int) -> np.ndarray:
    """Directions of items that are taken in the same visits: of the symmetric, normalised graph of pairs."""
    pairs = followed_pairs(visits, visits.fading(now, params["half_life_days"]), {**params, "back": 1.0})
    size = np.asarray(pairs.sum(axis=1)).ravel()
    scale = sparse.diags_array(1.0 / np.sqrt(np.maximum(size, 1.0)))
    graph = sparse.csr_matrix(scale @ pairs @ scale).astype(np.float32)
    return _directions(graph, seed)


def _told(features: Features | None, n_items: int, seed: int) -> np.ndarray:
    """Directions of items that are described with the same words, rare ones counting more."""
    if features is None:
        return np.zeros((n_items, 0), np.float32)
    words = features.matrix
    rarity = np.log((n_items + 1) / np.maximum(np.bincount(words.indices, minlength=words.shape[1]), 1))
    told = sparse.csr_matrix(words @ sparse.diags_array(rarity)).astype(np.float32)
    by_word = sparse.csr_matrix(told.T)
    return _unit(told @ right_singular_vectors(told, by_word, min(_DIRECTIONS, *told.shape), seed))


def _directions(graph: sparse.csr_matrix, seed: int) -> np.ndarray:
    """The leading eigenvectors of a symmetric graph, each item's row weighed by their strength and of length 1."""
    vectors = right_singular_vectors(graph, graph, min(_DIRECTIONS, graph.shape[0]), seed)
    strength = np.sqrt(np.linalg.norm(graph @ vectors, axis=0))
    return _unit(vectors * strength)


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.where(length > 1e-9, rows / np.maximum(length, 1e-9), 0.0), np.float32)


def _statistics(visits: VisitLog, now: int) -> dict[str, np.ndarray]:
    ended, n = visits.ended[visits.owner], visits.n_items
    last, first = np.full(n, np.iinfo(np.int64).min), np.full(n, now)
    np.maximum.at(last, visits.items, ended)
    np.minimum.at(first, visits.items, ended)
    counts = {
        name: np.bincount(visits.items, visits.fading(now, days)[visits.owner], minlength=n)
        for name, days in (("recent", _RECENT_DAYS), ("lasting", _LASTING_DAYS))
    }
    days = {"idle": np.minimum((now - last.astype(np.float64)) / DAY, 9999.0), "age": (now - first) / DAY}
    return {name: values.astype(np.float32) for name, values in (counts | days).items()}
