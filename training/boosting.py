"""Boosted trees: the only file that imports lightgbm. It travels with registered models and imports nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm
import numpy as np

#: The same trees from the same rows on every machine, however many threads; and a column's 0 is a number.
_ALWAYS = {"verbosity": -1, "deterministic": True, "force_row_wise": True, "use_missing": False}


class Trees:
    """Learned trees, which a text says completely."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._booster = lightgbm.Booster(model_str=text)

    def values(self, columns: np.ndarray, *, threads: int = 1) -> np.ndarray:
        """The sums of the leaves, float64 [n], for rows float [n, features]: log odds, where labels were 0 and 1."""
        if not len(columns):
            return np.zeros(0)
        return np.asarray(self._booster.predict(columns, raw_score=True, num_threads=threads), np.float64)

    def structures(self) -> list[dict[str, Any]]:
        """The trees as nested nodes, in lightgbm's words."""
        return [tree["tree_structure"] for tree in self._booster.dump_model()["tree_info"]]


def boost(
    columns: np.ndarray,
    labels: np.ndarray,
    params: Mapping[str, Any],
    rounds: int,
    *,
    names: Sequence[str],
    weights: np.ndarray | None = None,
    sizes: np.ndarray | None = None,
    start: np.ndarray | None = None,
) -> Trees:
    """Trees for `columns` float32 [n, len(names)] and `labels` [n], by lightgbm's `params`; amounts are float labels.

    `weights` [n] count rows more or less, `sizes` are the lengths of lists that lie behind each other, for ranking,
    and `start` [n] what is to be improved on.
    """
    data = lightgbm.Dataset(
        columns,
        label=labels if labels.dtype.kind == "f" else labels.astype(np.int32),
        weight=weights,
        group=sizes,
        init_score=start,
        feature_name=list(names),
        free_raw_data=True,
    )
    return Trees(lightgbm.train({**_ALWAYS, **params}, data, rounds).model_to_string())
