"""Factors learned through attributes: items never sold have a place too (the only file that imports lightfm)."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from scipy import sparse

from engine.errors import NotAllowed
from engine.learned import Factors
from training.interactions import DAY
from training.models.contract import Features, Interactions, ModelFamily

_COMPILED = ("lightfm._lightfm_fast_openmp", "lightfm._lightfm_fast_no_openmp")


def _warp(interactions: Interactions, params: Mapping[str, Any], seed: int, threads: int) -> Factors:
    """WARP: draw items until one scores above the bought one, then push them apart; vectors are sums of attributes'.

    Kula: Metadata embeddings for user and item cold-start recommendations (2015). Items never sold get
    the mean of their attributes' vectors; a user or item without attributes stands for itself alone.
    Without `item_identity` so do only those: a vector of its own would take from the attributes what
    they could have learned for items never sold. With `young_days` it learns only from items first met
    within so many days: what sets apart a launch that sells from the many items that never do.
    Repeatable with one thread; several write over each other without locks.
    """
    lightfm = usable_lightfm()
    matrix = interactions.fading(params["half_life_days"]).tocoo()
    if params["young_days"]:
        kept = _is_young(interactions, params["young_days"])[matrix.col]
        matrix = sparse.coo_matrix((matrix.data[kept], (matrix.row[kept], matrix.col[kept])), shape=matrix.shape)
    weight = np.log1p(matrix.data).astype(np.float32)
    weight /= weight.mean()
    pairs = sparse.coo_matrix((np.ones_like(weight), (matrix.row, matrix.col)), shape=matrix.shape)
    sample = sparse.coo_matrix((weight, (matrix.row, matrix.col)), shape=matrix.shape) if params["weighted"] else None
    users = _rows(interactions.user_features, interactions.n_users, np.unique(matrix.row))
    met = np.unique(matrix.col)
    alone = met if params["item_identity"] else met[_bare(interactions.item_features, met)]
    items = _rows(interactions.item_features, interactions.n_items, alone)
    model = lightfm.LightFM(
        no_components=params["factors"],
        loss="warp",
        learning_rate=params["learning_rate"],
        item_alpha=params["regularization"],
        user_alpha=params["regularization"],
        max_sampled=params["most_draws"],
        random_state=np.random.RandomState(seed),
    )
    model.fit(
        pairs,
        user_features=users,
        item_features=items,
        sample_weight=sample,
        epochs=params["epochs"],
        num_threads=max(1, threads),
    )
    user_bias, user_vectors = model.get_user_representations(users)
    item_bias, item_vectors = model.get_item_representations(items)
    return _with_biases(user_vectors, user_bias, item_vectors, item_bias)


def usable_lightfm() -> ModuleType:
    """The library, after a self test: some of its releases install without the compiled part.

    Raises NotAllowed, which says what to install.
    """
    cure = "install lightfm-next==1.19.0 (Python 3.11 needs a C compiler for it)"
    try:
        version = importlib.metadata.version("lightfm-next")
    except importlib.metadata.PackageNotFoundError:
        raise NotAllowed(f"lightfm-next is not installed; {cure}", code="library_unusable") from None
    if version.startswith("1.18."):
        raise NotAllowed(f"lightfm-next {version} has no compiled module; {cure}", code="library_unusable")
    if not any(_importable(name) for name in _COMPILED):
        raise NotAllowed(f"lightfm-next {version} has no compiled module here; {cure}", code="library_unusable")
    return importlib.import_module("lightfm")


def _importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _is_young(interactions: Interactions, days: float) -> np.ndarray:
    first = np.full(interactions.n_items, np.iinfo(np.int64).max)
    np.minimum.at(first, interactions.log.item, interactions.log.time)
    return np.asarray(first >= interactions.now - days * DAY)


def _bare(features: Features | None, rows: np.ndarray) -> np.ndarray:
    """Which of these rows have no attribute that could stand for them."""
    if features is None:
        return np.ones(len(rows), bool)
    return np.asarray(np.diff(features.matrix.indptr)[rows] == 0)


def _rows(features: Features | None, n: int, met: np.ndarray) -> sparse.csr_matrix:
    """Indicator columns for the rows that were `met`, then the attributes; every row adds up to 1.

    A row never met gets no indicator: it would only add its random start value.
    """
    own = np.zeros(n, dtype=np.float32)
    own[met] = 1.0
    indicator = sparse.diags_array(own).tocsr()
    indicator.eliminate_zeros()
    parts = [indicator] if features is None else [indicator, features.matrix]
    rows = sparse.csr_matrix(sparse.hstack(parts, format="csr", dtype=np.float32))
    total = np.maximum(np.asarray(rows.sum(axis=1)).ravel(), 1e-12)
    rows.data = (rows.data / np.repeat(total, np.diff(rows.indptr))).astype(np.float32)
    return rows


def _with_biases(users: np.ndarray, user_bias: np.ndarray, items: np.ndarray, item_bias: np.ndarray) -> Factors:
    """Two more dimensions, so that the dot product is the model's score, both biases included."""
    ones_u, ones_i = np.ones(len(users), np.float32), np.ones(len(items), np.float32)
    return Factors(
        users=np.column_stack([users, user_bias, ones_u]).astype(np.float32),
        items=np.column_stack([items, ones_i, item_bias]).astype(np.float32),
    )


HYBRID = ModelFamily(
    name="hybrid",
    meaning="LightFM: factors of users and items as sums over their attributes; knows items never sold.",
    learn=_warp,
    defaults={
        "factors": 32,
        "learning_rate": 0.05,
        "regularization": 1e-6,
        "epochs": 6,
        "item_identity": True,
        "young_days": 0,
        "most_draws": 20,
        "weighted": False,
        "half_life_days": None,
    },
    uses_features=True,
    slow=True,
)
