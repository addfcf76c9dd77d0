"""Lookalikes of a segment: the customers outside of it who resemble its members most by their traits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.errors import BadInput, UnknownThing
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake_sql import one_row, quoted
from engine.storage.ledger import Ledger, connection_of
from engine.storage.segment_edits import create_segment
from engine.storage.segment_members import change_members
from engine.storage.segments import Segment
from engine.targeting.clusters import FEATURES
from engine.targeting.lookalike import learn_likeness

MOST_ALIKE = 100_000
#: What members have in common is learned from so many of them, and as many others.
_SAMPLE = 20_000
_CHUNK = 100_000  # customers that are looked at together
_TRAITS = ", ".join(f"{each.trait}::DOUBLE AS {each.trait}" for each in FEATURES)
_FOUND = pa.schema([("user_id", pa.string()), ("likeness", pa.float64())])


@dataclass(frozen=True, slots=True)
class Lookalikes:
    """`found` has the columns user_id and likeness (0 to 1), the likest first; `members` are the segment's."""

    segment: str
    as_of: str
    members: int
    found: pa.Table


def find_lookalikes(home: Home, segment: str, *, size: int, now: float) -> Lookalikes:
    """The `size` customers who resemble the members of a segment, group or class most and are none of them.

    Memory is bounded by a sample and by `size`, whatever the shop's. UnknownThing for a segment that was not evaluated,
    NotEnoughData for one of too few members, BadInput for a size that cannot be.
    """
    if not 1 <= size <= MOST_ALIKE:
        raise BadInput(f"size: from 1 to {MOST_ALIKE:,}, not {size}", field="size")
    files = CustomerFiles(home)
    with files.reading(now) as sql:
        state = files.state()
        sql.execute(f"CREATE TEMP TABLE inside AS SELECT person FROM memberships WHERE segment = {quoted(segment)}")
        (members,) = one_row(sql, "SELECT count(*) FROM inside")
        if not members and (state is None or segment not in state.segments):
            raise UnknownThing(f"the segment {segment!a} was not evaluated yet, or does not exist", field="segment_id")
        seeds, others = (_matrix(sql.sql(_sampled(join)).to_arrow_table()) for join in ("SEMI", "ANTI"))
        marks = np.arange(len(seeds) + len(others)) < len(seeds)
        likeness = learn_likeness(np.concatenate([seeds, others]), marks)
        best = _FOUND.empty_table()
        outside = f"SELECT user_id, {_TRAITS} FROM people JOIN traits USING (person) ANTI JOIN inside USING (person)"
        for batch in sql.sql(outside).to_arrow_reader(_CHUNK):
            scores = pa.array(likeness.of(_matrix(pa.Table.from_batches([batch]))))
            best = pa.concat_tables([best, pa.table([batch["user_id"], scores], schema=_FOUND)])
            order = pc.sort_indices(best, [("likeness", "descending"), ("user_id", "ascending")])
            best = best.take(order[:size])
    return Lookalikes(segment, datetime.fromtimestamp(state.as_of if state else 0.0, UTC).isoformat(), members, best)


def keep_lookalikes(
    ledger: Ledger, found: Lookalikes, names: Any, *, segment_id: Any = None, actor: str | None, now: float
) -> Segment:
    """A new static segment of them, as a whole or not at all. Raises BadInput, NotAllowed for an id that is taken."""
    with connection_of(ledger) as connection:
        made = create_segment(connection, names, definition=None, segment_id=segment_id, actor=actor, now=now)
        users = found.found["user_id"].to_pylist()
        return change_members(connection, made.id, users, mode="replace", actor=actor, now=now)


def _sampled(join: str) -> str:
    return (
        f"SELECT {_TRAITS} FROM traits {join} JOIN inside USING (person) SEMI JOIN people USING (person)"
        f" ORDER BY hash(person), person LIMIT {_SAMPLE}"
    )


def _matrix(table: pa.Table) -> NDArray[np.float64]:
    """Trait values [n, f], NaN where one is not known."""
    columns = [table[each.trait].to_numpy() for each in FEATURES]
    return np.column_stack(columns) if table.num_rows else np.zeros((0, len(FEATURES)))
