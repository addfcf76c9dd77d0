"""Memberships: who is in which segment and since when, and a record of who entered and left.

The current ones lie among the customers' files, where rules look them up; each change becomes a row of the lake's table
`memberships`, in one commit a refresh, before the files show it. The files say how much of the record is in them, so
that whoever was stopped in between, or lost the files, takes the rest from the record and nobody enters twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from engine.storage.customer_files import CustomerFiles, State, moment_sql
from engine.storage.home import Home
from engine.storage.lake_delta import DeltaStore
from engine.storage.lake_sql import one_row, parquet, quoted
from engine.storage.lake_tables import MEMBERSHIPS, UTC_MICROSECONDS


@dataclass(frozen=True, slots=True)
class Rule:
    """`select` is the SQL of the numbers of those who belong; `version` is the definition's.

    With `user_ids`, a list that somebody made, `select` is over the view `listed` of their numbers.
    """

    segment: str
    version: int
    select: str
    user_ids: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    segment: str
    size: int
    entered: int
    left: int


def refresh_memberships(
    sql: Any, home: Home, files: CustomerFiles, state: State, rules: list[Rule], now: float
) -> tuple[State, list[Change]]:
    """Evaluate `rules` in their order, so that one may look up those before it; those not named end.

    Several rules may fill one segment, as long as none finds whom one before it found.

    `sql` has the views of `files.lay_out` as of `now` (epoch seconds). The state that is returned is not published.
    """
    state = _as_recorded(sql, home, files, state)
    sql.execute("CREATE OR REPLACE TEMP TABLE membership_now AS SELECT * FROM was WHERE false")
    sql.execute("CREATE OR REPLACE TEMP VIEW memberships AS SELECT * FROM membership_now")
    for rule in rules:
        if rule.user_ids is not None:
            sql.register("listed_ids", pa.table({"user_id": pa.array(rule.user_ids, pa.string())}))
            sql.execute(
                "CREATE OR REPLACE TEMP VIEW listed AS SELECT person FROM people SEMI JOIN listed_ids USING (user_id)"
            )
        sql.execute(
            f"INSERT INTO membership_now SELECT {quoted(rule.segment)}, found.person,"
            f" coalesce(was.since, {moment_sql(now)})"
            f" FROM (SELECT DISTINCT person FROM ({rule.select})) found"
            f" LEFT JOIN was ON was.person = found.person AND was.segment = {quoted(rule.segment)}"
        )
    sql.execute(
        "CREATE OR REPLACE TEMP TABLE membership_changes AS"
        " SELECT segment, person, 'entered' AS change FROM membership_now ANTI JOIN was USING (segment, person)"
        " UNION ALL SELECT was.segment, was.person, 'left' FROM was ANTI JOIN membership_now USING (segment, person)"
    )
    changes = _counted(sql, rules)
    state = replace(state, segments=tuple(each.segment for each in changes))
    if any(each.entered or each.left for each in changes) or one_row(sql, "SELECT count(*) FROM membership_changes")[0]:
        recorded = _record(sql, home, {rule.segment: rule.version for rule in rules}, now)
        state = replace(state, recorded=recorded).with_files(
            memberships=(files.write(sql, "memberships", "SELECT * FROM membership_now ORDER BY segment, person"),)
        )
    return state, changes


def changed_users(sql: Any, segment: str, change: str) -> list[str]:
    """The user_ids that the last `refresh_memberships` of this connection saw enter or leave a segment."""
    rows = sql.execute(
        "SELECT user_id FROM membership_changes JOIN people USING (person)"
        f" WHERE segment = {quoted(segment)} AND change = {quoted(change)} ORDER BY user_id"
    ).fetchall()
    return [user for (user,) in rows]


def _counted(sql: Any, rules: list[Rule]) -> list[Change]:
    sizes = dict(sql.execute("SELECT segment, count(*) FROM membership_now GROUP BY segment").fetchall())
    moved: Mapping[tuple[str, str], int] = {
        (segment, change): number
        for segment, change, number in sql.execute(
            "SELECT segment, change, count(*) FROM membership_changes GROUP BY ALL"
        ).fetchall()
    }
    return [
        Change(
            segment,
            sizes.get(segment, 0),
            moved.get((segment, "entered"), 0),
            moved.get((segment, "left"), 0),
        )
        for segment in dict.fromkeys(rule.segment for rule in rules)
    ]


def _as_recorded(sql: Any, home: Home, files: CustomerFiles, state: State) -> State:
    """The table `was`: the memberships in the files, and those changes of the record that are not in them."""
    sql.execute(f"CREATE OR REPLACE TEMP TABLE was AS SELECT * FROM {files.source(state, 'memberships')}")
    store = DeltaStore(home.lake)
    position = store.position(MEMBERSHIPS)
    if position <= state.recorded:
        return state
    written = parquet(store.files(MEMBERSHIPS, store.version(MEMBERSHIPS)))
    sql.execute(
        "CREATE OR REPLACE TEMP TABLE missed AS"
        " SELECT segment, person, max(time) AS since, arg_max(change, time) AS last"
        f" FROM {written} JOIN people USING (user_id) WHERE epoch_us(time) > {state.recorded} GROUP BY segment, person"
    )
    sql.execute("DELETE FROM was USING missed WHERE was.segment = missed.segment AND was.person = missed.person")
    sql.execute("INSERT INTO was SELECT segment, person, since FROM missed WHERE last = 'entered'")
    # Written now, even if nobody moves any more: the next refresh begins from the files.
    file = files.write(sql, "memberships", "SELECT * FROM was ORDER BY segment, person")
    return replace(state, recorded=position).with_files(memberships=(file,))


def _record(sql: Any, home: Home, versions: Mapping[str, int], now: float) -> int:
    """One commit with a row a change; the record's new position, which is its last moment in microseconds."""
    store = DeltaStore(home.lake)
    with store.writing(MEMBERSHIPS):
        base = store.version(MEMBERSHIPS)
        # The clock may have been set back; the record goes on behind what it holds.
        position = max(round(now * 1e6), store.position(MEMBERSHIPS) + 1)
        rows = sql.sql(
            "SELECT segment, user_id, change FROM membership_changes JOIN people USING (person)"
        ).to_arrow_table()
        number = rows.num_rows
        table = pa.table(
            {
                "segment": rows["segment"],
                "user_id": rows["user_id"],
                "change": rows["change"],
                "version": pa.array([versions.get(each) for each in rows["segment"].to_pylist()], pa.int64()),
                "time": pa.array([position] * number, pa.int64()).cast(UTC_MICROSECONDS),
            },
        ).cast(MEMBERSHIPS.schema)
        store.commit(MEMBERSHIPS, table.to_reader(), base=base, position=position)
    return position
