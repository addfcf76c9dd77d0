"""How the customers' files follow the lake: made from all of it once, and then from what each new version added.

A person is a user, or a session of somebody who has not signed in; the latter get a number too, so that a session that
turns out to be a user's hands its happenings over without a look at the lake. Happenings are only ever added, in the
order in which they arrive. What cannot be followed (a user merged into another, a log that was cleaned away) is made
anew from the lake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from engine.storage.customer_files import EMPTY, HAPPENINGS, CustomerFiles, State
from engine.storage.home import Home
from engine.storage.lake_delta import NO_VERSION, DeltaStore
from engine.storage.lake_merges import resolve_merges
from engine.storage.lake_sql import one_row, open_sql, parquet
from engine.storage.lake_tables import EVENTS, ITEMS, LAKE_TABLES, MERGES, USERS
from engine.storage.lake_views import lay_out

_READ = (EVENTS, ITEMS, USERS, MERGES)
#: Tails of new happenings are joined when there are so many.
_MOST_TAILS = 30

_DECLARED = """
SELECT names.person, region, zone, gender, age_band, birthday,
  coalesce(attributes ->> '$.household', attributes ->> '$.household_size') AS household,
  attributes ->> '$.personalization' AS personalization,
  TRY_CAST(json_extract(attributes, '$.tags') AS VARCHAR[]) AS tags
FROM users JOIN names ON names.name = 'u' || user_id WHERE NOT deleted"""


@dataclass(frozen=True, slots=True)
class Followed:
    """`whole`: everything was made anew; otherwise the table `touched` names the persons with something new."""

    state: State
    whole: bool


@contextmanager
def following(home: Home, *, threads: int | None, memory: str) -> Iterator[Any]:
    """DuckDB for `follow` and what is computed from it."""
    with open_sql(CustomerFiles(home).folder / "spill", threads=threads, memory=memory) as sql:
        # Where the order of rows counts it is asked for; keeping it everywhere holds more in memory.
        sql.execute("SET preserve_insertion_order = false")
        yield sql


def follow(sql: Any, home: Home, files: CustomerFiles, state: State | None, zone: str) -> Followed:
    """Bring the files up to the lake's newest versions; nothing is published yet."""
    store = DeltaStore(home.lake)
    versions = {table.name: store.version(table) for table in _READ}
    added = None if state is None else store.added(EVENTS, state.versions[EVENTS.name], versions[EVENTS.name])
    _lay_out_lake(sql, store, versions)
    if state is None or added is None or state.zone != zone or _must_begin_anew(sql, store, state, versions):
        return Followed(_all(sql, files, versions, zone), whole=True)
    if versions == dict(state.versions):
        sql.execute("CREATE OR REPLACE TEMP TABLE touched (person UINTEGER)")
        return Followed(state, whole=False)
    return Followed(_more(sql, files, store, state, versions, added), whole=False)


def _lay_out_lake(sql: Any, store: DeltaStore, versions: Mapping[str, int]) -> None:
    for table in _READ:
        lay_out(sql, table, store.files(LAKE_TABLES[table.name], versions[table.name]))
    resolve_merges(sql)


def _must_begin_anew(sql: Any, store: DeltaStore, state: State, versions: Mapping[str, int]) -> bool:
    """Whether a merge since tells that happenings which are somebody's already are somebody else's."""
    before = state.versions[MERGES.name]
    if versions[MERGES.name] == before:
        return False
    older = _merges_at(store, before)
    changed = f"FROM merges LEFT JOIN {older} old USING (kind, id) WHERE old.user_id IS DISTINCT FROM merges.user_id"
    return bool(one_row(sql, f"SELECT count(*) {changed} AND (kind = 'user' OR old.id IS NOT NULL)")[0])


def _merges_at(store: DeltaStore, version: int) -> str:
    if version == NO_VERSION:
        return "(SELECT '' AS kind, '' AS id, '' AS user_id WHERE false)"
    return parquet(store.files(MERGES, version))


_OWNER = "CASE WHEN user_id IS NOT NULL THEN 'u' || user_id WHEN session_id IS NOT NULL THEN 's' || session_id END"


def _all(sql: Any, files: CustomerFiles, versions: Mapping[str, int], zone: str) -> State:
    sql.execute("""
CREATE TEMP TABLE names AS SELECT (row_number() OVER ())::UINTEGER AS person, name FROM (
  SELECT 'u' || user_id AS name FROM (SELECT user_id FROM events WHERE user_id IS NOT NULL
    UNION SELECT user_id FROM users)
  UNION ALL
  SELECT 's' || session_id FROM (SELECT DISTINCT session_id FROM events WHERE user_id IS NULL
    AND session_id IS NOT NULL))""")
    _number_things(sql, f"(SELECT * FROM ({EMPTY['things']}) WHERE false)")
    months = [each for (each,) in sql.execute("SELECT DISTINCT month FROM events_by_month ORDER BY month").fetchall()]
    happenings = tuple(
        # A month at a time: the order of time at the memory of a month.
        files.write(sql, "happenings", _happenings("events_by_month", f"month = '{month}'"))
        for month in months
    )
    rows = one_row(sql, "SELECT count(*) FROM events")[0]
    state = State(versions=dict(versions), zone=zone, rows=rows, people=_people(sql))
    return state.with_files(
        happenings=happenings,
        names=(files.write(sql, "names", "SELECT * FROM names"),),
        things=(files.write(sql, "things", "SELECT * FROM things_now"),),
        declared=(files.write(sql, "declared", _DECLARED),),
        gone=(files.write(sql, "gone", _gone(sql)),),
    )


def _more(
    sql: Any, files: CustomerFiles, store: DeltaStore, state: State, versions: Mapping[str, int], added: list[Any]
) -> State:
    """What the lake's versions since `state` added. Tables that did not change are left as they are."""
    for view in ("events", "events_by_month", "events_as_sent", "merged_sessions", "merged_users", "merge_steps"):
        sql.execute(f"DROP VIEW IF EXISTS {view}")
    lay_out(sql, EVENTS, added)
    resolve_merges(sql)
    changed = {name for name, version in versions.items() if version != state.versions[name]}
    files_now = {"names": (*state.files["names"], _name_the_new(sql, files, state, changed))}
    if ITEMS.name in changed or _unknown_items(sql, files.source(state, "things")):
        _number_things(sql, files.source(state, "things"))
        files_now["things"] = (files.write(sql, "things", "SELECT * FROM things_now"),)
    else:
        sql.execute(f"CREATE OR REPLACE TEMP VIEW things_now AS SELECT * FROM {files.source(state, 'things')}")
    tail = [files.write(sql, "happenings", _happenings("events", "true"))]
    if MERGES.name in changed:
        tail.append(files.write(sql, "happenings", _handed_over(files, store, state)))
    new = parquet([files.folder / name for name in tail])
    rows = one_row(sql, f"SELECT count(*) FROM {new}")[0]
    sql.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT person FROM {new} UNION SELECT person FROM new_names"
    )
    if changed & {USERS.name, MERGES.name}:
        files_now["gone"] = (files.write(sql, "gone", _gone(sql)),)
        files_now["declared"] = (_declared_anew(sql, files, state),)
    people = state.people + one_row(sql, "SELECT count(*) FROM new_names")[0]
    files_now["happenings"] = (*state.files["happenings"], *tail)
    state = replace(state, versions=dict(versions), rows=state.rows + rows, people=people).with_files(**files_now)
    return _tails_joined(sql, files, state)


def _name_the_new(sql: Any, files: CustomerFiles, state: State, changed: set[str]) -> str:
    """The table `names` of those who are spoken of now, and `new_names` of those who never were, as a file."""
    spoken = f"SELECT {_OWNER} AS name FROM events"
    if USERS.name in changed:
        spoken += " UNION ALL SELECT 'u' || user_id FROM users"
    if MERGES.name in changed:
        spoken += " UNION ALL SELECT 'u' || user_id FROM merges UNION ALL SELECT 's' || id FROM merges"
        spoken += " UNION ALL SELECT 'u' || id FROM merges UNION ALL SELECT 'u' || user_id FROM users"
    sql.execute(f"""
CREATE OR REPLACE TEMP TABLE spoken AS SELECT DISTINCT name FROM ({spoken}) WHERE name IS NOT NULL;
CREATE OR REPLACE TEMP TABLE names AS
SELECT known.person, known.name FROM {files.source(state, "names")} known SEMI JOIN spoken USING (name);
CREATE OR REPLACE TEMP TABLE new_names AS
SELECT ({state.people} + row_number() OVER ())::UINTEGER AS person, name FROM spoken ANTI JOIN names USING (name);
INSERT INTO names SELECT * FROM new_names""")
    return files.write(sql, "names", "SELECT * FROM new_names")


def _unknown_items(sql: Any, things: str) -> bool:
    found = one_row(
        sql, f"SELECT count(*) FROM events ANTI JOIN {things} things USING (item_id) WHERE item_id IS NOT NULL"
    )
    return bool(found[0])


def _handed_over(files: CustomerFiles, store: DeltaStore, state: State) -> str:
    """The happenings of sessions that turned out to be somebody since, under that user's number."""
    return f"""
SELECT mine.person, {", ".join(f"old.{name}" for name in HAPPENINGS[1:])}
FROM {files.source(state, "happenings")} old JOIN (
    SELECT theirs.person AS was, owner.person FROM merges
    LEFT JOIN {_merges_at(store, state.versions[MERGES.name])} older USING (kind, id)
    JOIN names theirs ON theirs.name = 's' || merges.id JOIN names owner ON owner.name = 'u' || merges.user_id
    WHERE merges.kind = 'session' AND older.id IS NULL) mine ON mine.was = old.person"""


def _declared_anew(sql: Any, files: CustomerFiles, state: State) -> str:
    """What users declare now, as a file; those who say something else than before are `touched`."""
    declared = files.write(sql, "declared", _DECLARED)
    now, was = parquet([files.folder / declared]), files.source(state, "declared")
    sql.execute(f"""
INSERT INTO touched SELECT person FROM (SELECT * FROM {now} EXCEPT SELECT * FROM {was})
UNION SELECT was.person FROM {was} was ANTI JOIN {now} told USING (person)""")
    return declared


def _tails_joined(sql: Any, files: CustomerFiles, state: State) -> State:
    """The small files of the newest rounds as one once they are many; those before them are left as they are."""
    if len(state.files["names"]) <= _MOST_TAILS:
        return state
    happenings = state.files["happenings"]
    newest = parquet([files.folder / name for name in happenings[-_MOST_TAILS:]])
    joined = files.write(sql, "happenings", f"SELECT * FROM {newest} ORDER BY time")
    names = files.write(sql, "names", f"SELECT * FROM {files.source(state, 'names')}")
    return state.with_files(happenings=(*happenings[:-_MOST_TAILS], joined), names=(names,))


def _happenings(view: str, where: str) -> str:
    columns = ", ".join(HAPPENINGS[4:-2])
    return (
        f"SELECT names.person, type, time, things_now.item, {columns},"
        # DuckDB's hash of nothing is a number like any other.
        " CASE WHEN order_id IS NOT NULL THEN hash(order_id) END AS order_number,"
        " CASE WHEN session_id IS NOT NULL THEN hash(session_id) END AS session_number"
        f" FROM (SELECT *, {_OWNER} AS owner FROM {view} WHERE {where}) told JOIN names ON names.name = told.owner"
        " LEFT JOIN things_now USING (item_id) ORDER BY time"
    )


def _number_things(sql: Any, known: str) -> None:
    """The table `things_now`: all items of the catalogue and of the events, those `known` under their old numbers.

    A price that fell since is kept with what it was before, until it changes again.
    """
    sql.execute(f"""
CREATE OR REPLACE TEMP TABLE things_now AS
WITH ids AS (SELECT item_id FROM items UNION SELECT item_id FROM events WHERE item_id IS NOT NULL
    UNION SELECT item_id FROM {known}),
  numbered AS (SELECT item_id, known.item, known.price AS was, known.dropped_from, known.dropped_at,
      row_number() OVER (PARTITION BY known.item IS NULL) AS place
    FROM ids LEFT JOIN {known} known USING (item_id))
SELECT coalesce(numbered.item, place + (SELECT coalesce(max(item), 0) FROM {known}))::UINTEGER AS item, item_id,
  categories, brand, tags, price, cost,
  CASE WHEN price < was THEN was WHEN price = was THEN dropped_from END AS dropped_from,
  CASE WHEN price < was THEN updated_at WHEN price = was THEN dropped_at END AS dropped_at
FROM numbered LEFT JOIN items USING (item_id)""")


def _gone(sql: Any) -> str:
    """Numbers of the users who are no person any more: deleted, or merged into another."""
    merged = one_row(sql, "SELECT count(*) FROM merges")[0]
    told = " UNION SELECT 'u' || id FROM merged_users WHERE id <> target" if merged else ""
    return (
        f"SELECT person FROM names SEMI JOIN (SELECT 'u' || user_id AS name FROM users WHERE deleted{told})"
        " USING (name)"
    )


def _people(sql: Any) -> int:
    return int(one_row(sql, "SELECT coalesce(max(person), 0) FROM names")[0])
