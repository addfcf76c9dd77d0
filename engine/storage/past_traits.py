"""Traits as they were: what was known of customers when a campaign began, from what had happened until then alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from engine.storage.customer_files import CustomerFiles, State
from engine.storage.customer_traits import AT_ONCE, traits_then
from engine.storage.home import Home
from engine.storage.trait_sql import Moment
from engine.storage.trait_view import traits_sql


def past_traits(
    home: Home, user_ids: pa.ChunkedArray, names: Sequence[str], *, then: datetime, now: float, zone: str
) -> pa.Table:
    """The traits `names` of these users at the moment `then`, in their order; null of whoever was not known.

    `now` is the clock that the customers' files are read at. NotEnoughData before the customers were computed.
    """
    files, moment = CustomerFiles(home), Moment(then, zone)
    with files.reading(now, memory="2GB") as sql:
        state = files.state()
        assert state is not None
        sql.register("asked", pa.table({"place": np.arange(len(user_ids)), "user_id": user_ids}))
        parts = max(1, -(-state.rows // AT_ONCE))
        found = pa.concat_tables([_part(sql, files, state, moment, names, part, parts) for part in range(parts)])
        sql.register("found", found)
        return sql.sql(
            f"SELECT {', '.join(names)} FROM asked LEFT JOIN found USING (place) ORDER BY asked.place"
        ).to_arrow_table()


def _part(
    sql: Any, files: CustomerFiles, state: State, moment: Moment, names: Sequence[str], part: int, parts: int
) -> pa.Table:
    """Of one part of the persons, so that their happenings fit into memory."""
    wanted = f"SELECT DISTINCT person FROM asked JOIN everybody USING (user_id) WHERE person % {parts} = {part}"
    stored = f"({traits_then(sql, files, state, moment, wanted)})"
    view = traits_sql({"traits": stored, "changed": None, "ranks": None}, moment.now, moment.zone)
    return sql.sql(
        f"SELECT place, {', '.join(names)} FROM asked JOIN everybody USING (user_id) JOIN ({view}) USING (person)"
    ).to_arrow_table()
