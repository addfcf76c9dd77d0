"""The registered model: what MLflow loads, in a process that knows nothing of Hawker.

It travels with the bundle in the model's code folder and answers through the same pipeline as the
storefront. MLflow calls `_load_pyfunc` by name; no pickle is involved. It must import nothing of
`training`, of which only this file travels along.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.bundle import Bundle
from engine.errors import BadInput
from engine.profile import unknown
from engine.recommend.placements import placement
from engine.recommend.query import LIMIT, Query
from engine.recommend.recommender import recommend

COLUMNS = ("user_id", "rank", "item_id", "score", "source")


class RegisteredModel:
    """Answers for a table of users, as of the bundle's moment."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """One row a recommended item: COLUMNS, ranks from 1. Users that the bundle does not know get what is popular.

        `params`: `placement` (home), `limit` (20) and `item_ids`, the items in view, for placements that
        ask for them.
        """
        wanted = params or {}
        place = placement(str(wanted.get("placement", "home")))
        limit = int(wanted.get("limit", 20))
        if not 1 <= limit <= LIMIT:
            raise BadInput(f"limit must be between 1 and {LIMIT}, not {limit}", field="limit")
        if "user_id" not in model_input:
            raise BadInput("the table needs a column user_id", field="user_id")
        rows = self.bundle.items.rows(map(str, wanted.get("item_ids", ())))
        found: list[tuple[str, int, str, float, str]] = []
        for user_id in map(str, model_input["user_id"]):
            profile = self.bundle.profile(user_id) or unknown()
            query = Query(place, profile, float(self.bundle.manifest.as_of), limit, items=rows[rows >= 0])
            found += [
                (user_id, rank, self.bundle.items.ids[each.row], each.score, each.source)
                for rank, each in enumerate(recommend(query, self.bundle), start=1)
            ]
        table = pd.DataFrame(found, columns=list(COLUMNS))
        return table.astype({"rank": np.int64, "score": np.float64})


def _load_pyfunc(path: str) -> RegisteredModel:
    """MLflow's entry: `path` is the bundle's folder within the model; every file is verified."""
    return RegisteredModel(Bundle.load(Path(path)))
