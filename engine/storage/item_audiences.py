"""The audience of an item: who of the shop would want it, by its published bundle and the predictions of today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.errors import NotEnoughData, UnknownThing
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake_sql import quoted
from engine.targeting.item_audience import item_audience

MOST_WANTED = 100_000


@dataclass(frozen=True, slots=True)
class WhoWants:
    """`users` has the columns rank, user_id, score and `SOURCE_rank` of each source, null where it says nothing of the
    user; `prediction` is the one that had a say, None where there is none for the item's categories.
    """

    item_id: str
    sources: tuple[str, ...]
    prediction: str | None
    users: pa.Table


def who_wants(home: Home, bundle: Bundle, item_id: str, *, limit: int, now: float, new_only: bool = False) -> WhoWants:
    """The `limit` users of the bundle who would want an item, the likeliest first, as of `now` (epoch seconds).

    `new_only` leaves out who bought it already. Users who were deleted since the bundle was made are left out.
    UnknownThing for an item that is not in the bundle.
    """
    item = bundle.items.row(item_id)
    if item < 0:
        raise UnknownThing(
            f"the published bundle has no item {item_id!a}; what came later is in the next one", field="item_id"
        )
    prediction, propensity, gone = _told_today(home, bundle, item, now)
    found = item_audience(bundle, item, now=now, propensity=propensity, most=limit + len(gone), new_only=new_only)
    kept = np.flatnonzero(~np.isin(found.rows, gone))[:limit]
    columns: dict[str, Any] = {
        "rank": pa.array(np.arange(1, len(kept) + 1)),
        "user_id": pa.array([bundle.users.ids[int(row)] for row in found.rows[kept]], pa.string()),
        "score": pa.array(found.scores[kept]),
    }
    for place, name in enumerate(found.sources):
        ranks = found.ranks[kept, place]
        columns[f"{name}_rank"] = pa.array(ranks, mask=ranks == 0)
    return WhoWants(item_id, found.sources, prediction, pa.table(columns))


def _told_today(
    home: Home, bundle: Bundle, item: int, now: float
) -> tuple[str | None, NDArray[np.float64] | None, NDArray[np.int32]]:
    """The prediction for the item's category, its score of each user of the bundle, and the rows of deleted users."""
    levels = [bundle.catalog.category_names[int(code)] for code in bundle.catalog.levels[item] if code >= 0]
    names = [f"category:{each}" for each in dict.fromkeys(levels)]
    files = CustomerFiles(home)
    try:
        with files.reading(now) as sql:
            state = files.state()
            assert state is not None
            gone = sql.sql(
                f"SELECT substr(name, 2) AS user_id FROM {files.source(state, 'names')} WHERE starts_with(name, 'u')"
                f" AND person IN (SELECT person FROM {files.source(state, 'gone')})"
            ).to_arrow_table()
            rows = bundle.users.rows(gone["user_id"].to_pylist())
            listed = ", ".join(map(quoted, names)) or "NULL"
            there = {name for (name,) in sql.execute(
                f"SELECT DISTINCT name FROM predictions WHERE name IN ({listed})"
            ).fetchall()}  # fmt: skip
            name = next((each for each in names if each in there), None)
            if name is None:
                return None, None, rows[rows >= 0]
            scored = sql.sql(
                f"SELECT user_id, score FROM predictions JOIN people USING (person) WHERE name = {quoted(name)}"
            ).to_arrow_table()
    except NotEnoughData:
        return None, None, np.zeros(0, np.int32)  # no customers were computed yet: the bundle alone tells
    propensity = np.full(len(bundle.users), np.nan)
    users = bundle.users.rows(scored["user_id"].to_pylist())
    propensity[users[users >= 0]] = scored["score"].to_numpy()[users >= 0]
    return name, propensity, rows[rows >= 0]
