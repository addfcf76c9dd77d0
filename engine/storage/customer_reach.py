"""What the ledger says of whom campaigns may reach, among the customers' files: consents, contacts, the shop's holdout.

Previews count a million customers in a second and cannot ask the ledger for each. So these files are brought up to it
at each refresh; what is sent is decided by the ledger itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from engine.storage.customer_files import CustomerFiles, State
from engine.storage.ledger import LedgerPool, connection_of, rows_of
from engine.storage.merged_consents import follow_merges, merges_mark
from engine.trials.draws import fractions

_SAID = pa.schema([("user_id", pa.string()), ("channel", pa.string()), ("granted", pa.bool_()), ("place", pa.int64())])
_MET = pa.schema([("user_id", pa.string()), ("channel", pa.string()), ("day", pa.date32()), ("messages", pa.int64())])


@dataclass(frozen=True, slots=True)
class Reach:
    """Where consents and contacts are kept, and who is in the shop's own holdout."""

    ledger: LedgerPool
    salt: str
    share: float


def with_reach(sql: Any, files: CustomerFiles, state: State, reach: Reach, now: float) -> State:
    """The files `agreed`, `contacted` and `held` as of now; each is written only when something changed.

    First consents follow the merges that the files know of: nobody is shown as one person with half of their words.
    """
    number, last = merges_mark(sql)
    if number and (number, last) != (state.reach.get("merges"), state.reach.get("merged_at")):
        follow_merges(sql, reach.ledger, now=now)
        state = replace(state, reach={**state.reach, "merges": number, "merged_at": last})
    people = int(sql.execute(f"SELECT count(*) FROM {files.source(state, 'names')}").fetchone()[0])
    renamed = people != state.reach.get("names")
    state = _held(sql, files, state, reach)
    state = _agreed(sql, files, state, reach.ledger, renamed=renamed)
    state = _contacted(sql, files, state, reach.ledger, now, renamed=renamed)
    return replace(state, reach={**state.reach, "names": people})


def _held(sql: Any, files: CustomerFiles, state: State, reach: Reach) -> State:
    """Who is drawn stays drawn: only those who came since are drawn now."""
    mark = int.from_bytes(hashlib.blake2b(f"{reach.salt} {reach.share}".encode(), digest_size=6).digest())
    same = state.reach.get("holdout") == mark and bool(state.files.get("held"))
    upto = state.reach.get("drawn", 0) if same else 0
    fresh = sql.execute(
        f"SELECT person, substr(name, 2) FROM {files.source(state, 'names')} WHERE starts_with(name, 'u')"
        f" AND person > {int(upto)}"
    ).fetchall()
    if same and not fresh:
        return state
    drawn = fractions(reach.salt, [name for _, name in fresh]) < reach.share if fresh else ()
    table = pa.table({"person": pa.array([row[0] for row, hit in zip(fresh, drawn, strict=True) if hit], pa.uint32())})
    sql.register("drawn_now", table)
    before = f"SELECT * FROM {files.source(state, 'held')} UNION ALL " if same else ""
    file = files.write(sql, "held", f"{before}SELECT person FROM drawn_now")
    last = max((row[0] for row in fresh), default=upto)
    return replace(state, reach={**state.reach, "holdout": mark, "drawn": last}).with_files(held=(file,))


def _agreed(sql: Any, files: CustomerFiles, state: State, ledger: LedgerPool, *, renamed: bool) -> State:
    """What was said last of marketing, by user in the file `said`, by person in `agreed`."""
    since = state.reach.get("consents", 0) if state.files.get("said") else 0
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "SELECT DISTINCT ON (user_id, channel) user_id, channel, granted, place FROM consents"
            " WHERE purpose = 'marketing' AND place > :since ORDER BY user_id, channel, place DESC",
            since=since,
        )
    if rows:
        sql.register("said_now", _table(rows, _SAID))
        both = f"SELECT * FROM {files.source(state, 'said')} UNION ALL SELECT * FROM said_now"
        last = "arg_max(granted, place) AS granted, max(place) AS place"
        said = files.write(sql, "said", f"SELECT user_id, channel, {last} FROM ({both}) GROUP BY ALL")
        most = max(row[3] for row in rows)
        state = replace(state, reach={**state.reach, "consents": most}).with_files(said=(said,))
    if not state.files.get("said") or not (rows or renamed):
        return state
    named = f"{files.source(state, 'said')} said JOIN {files.source(state, 'names')} names"
    select = f"SELECT person, channel, granted, place FROM {named} ON names.name = 'u' || said.user_id"
    return state.with_files(agreed=(files.write(sql, "agreed", select),))


def _contacted(sql: Any, files: CustomerFiles, state: State, ledger: LedgerPool, now: float, *, renamed: bool) -> State:
    """Messages of yesterday's day and later: somewhere it is still yesterday."""
    day = datetime.fromtimestamp(now, UTC).date() - timedelta(days=1)
    with connection_of(ledger) as connection:
        ((number, total),) = rows_of(
            connection, "SELECT count(*), coalesce(sum(messages), 0)::bigint FROM contacts WHERE day >= :day", day=day
        )
        mark = day.toordinal() * 10**10 + int(number) * 31 + int(total)
        if mark == state.reach.get("contacts") and not (renamed and number):
            return state
        rows = rows_of(connection, "SELECT user_id, channel, day, messages FROM contacts WHERE day >= :day", day=day)
    sql.register("met_now", _table(rows, _MET))
    select = (
        f"SELECT person, channel, day, messages FROM met_now JOIN {files.source(state, 'names')} names"
        " ON names.name = 'u' || met_now.user_id"
    )
    state = replace(state, reach={**state.reach, "contacts": mark})
    return state.with_files(contacted=(files.write(sql, "contacted", select),))


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    return pa.table([pa.array(column, each.type) for column, each in zip(columns, schema, strict=True)], schema=schema)
