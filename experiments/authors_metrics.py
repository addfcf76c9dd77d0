"""Metrics as the authors of published tables define them, so that our figures may stand beside theirs.

Both divide recall by the whole truth, however long; our own (`training/evaluate.py`) by what k places can hold.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from training.evaluate import Truth, hits

#: How long the list is that NDCG takes for perfect: the whole truth, or as much of it as k places hold.
Ideal = Literal["whole truth", "k places"]


def authors_metrics(
    lists: np.ndarray, truth: Truth, users: np.ndarray, *, k: int, n_items: int, ideal: Ideal
) -> dict[str, np.ndarray]:
    """Recall, NDCG and hit rate at `k` of each user: lists int [len(users), >= k], best first, padded with -1.

    Users without a truth are left out, as the authors leave them out.
    """
    sizes = truth.sizes[users]
    told = np.flatnonzero(sizes > 0)
    hit = hits(np.asarray(lists, np.int64)[told, :k], truth, users[told], n_items)
    sizes = sizes[told]
    gains = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, max(int(sizes.max(initial=0)), k) + 2)))])
    perfect = gains[sizes if ideal == "whole truth" else np.minimum(sizes, k)]
    return {
        f"recall@{k}": hit.sum(axis=1) / sizes,
        f"ndcg@{k}": (hit / np.log2(np.arange(2, hit.shape[1] + 2))).sum(axis=1) / perfect,
        f"hit_rate@{k}": hit.any(axis=1).astype(np.float64),
    }
