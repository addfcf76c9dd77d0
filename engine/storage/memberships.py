"""Memberships: who is in which segment and since when, and a record of who entered and left.

The current ones lie among the customers' files, where rules look them up: `memberships` as of some refresh, `moved`
what changed since, and `standing`, the same once more as a bit a segment, by which a refresh finds out who moved
without reading the others. Each change becomes a row of the lake's table `memberships`, in one commit a refresh, before
the files show it. The files say how much of the record is in them, so that whoever was stopped in between, or lost the
files, takes the rest from the record and nobody enters twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from engine.storage import bit_words
from engine.storage.customer_files import CustomerFiles, State, moment_sql
from engine.storage.home import Home
from engine.storage.lake_delta import DeltaStore
from engine.storage.lake_sql import one_row, parquet, quoted
from engine.storage.lake_tables import MEMBERSHIPS
from engine.storage.segment_sql import answers_sql, members_sql
from engine.targeting import segments
from engine.targeting.segments import needs

#: Changes are joined with the others once they are more than this share of them.
_MOST_MOVED = 0.05


@dataclass(frozen=True, slots=True)
class Rule:
    """Who belongs to a segment: by a rule of segments, or by the SQL of their numbers. `version` is the definition's.

    With `user_ids`, a list that somebody made, `select` is over the view `listed` of their numbers. `stands` is one of
    `as_it_stood`.
    """

    segment: str
    version: int
    select: segments.Rule | str
    user_ids: Sequence[str] | None = None
    stands: bool = False

    def sql(self, now: datetime) -> str:
        """The SELECT of the numbers of those who belong, all by itself."""
        return self.select if isinstance(self.select, str) else members_sql(self.select, now)


def as_it_stood(segment: str, version: int, *, but_for: Sequence[str] = ()) -> Rule:
    """A segment that cannot be evaluated now keeps those who were in it, but for who is in one of `but_for` by now.

    Would they leave, everybody fitted who is `not` in it, and all of them entered anew once it can be evaluated again.
    """
    elsewhere = f"SELECT person FROM memberships WHERE segment IN ({', '.join(map(quoted, but_for)) or 'NULL'})"
    select = (
        f"SELECT person FROM stood SEMI JOIN people USING (person) WHERE segment = {quoted(segment)}"
        f" AND person NOT IN ({elsewhere})"
    )
    return Rule(segment, version, select, stands=True)


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

    Several rules may fill one segment. `sql` has the views of `files.lay_out` as of `now` (epoch seconds). The state
    that is returned is not published. Of a segment that stands as it stood nothing is told that was never evaluated.
    """
    state = _as_recorded(sql, home, files, state)
    rules = [each for each in rules if not each.stands or each.segment in state.segments]
    named = {name: place for place, name in enumerate(dict.fromkeys(rule.segment for rule in rules))}
    _evaluate(sql, files, state, rules, named, now)
    _compare(sql, files, state, named)
    changes = _counted(sql, state, named)
    standing = files.write(sql, "standing", "SELECT * FROM standing_now") if named else None
    sizes = tuple(each.size for each in changes)
    state = replace(state, segments=tuple(named), sizes=sizes, evaluated=now, stood=_since(state, rules, now))
    state = state.with_files(standing=(standing,) if standing else ())
    if one_row(sql, "SELECT count(*) FROM membership_changes")[0]:
        recorded = _record(sql, home, {rule.segment: rule.version for rule in rules}, now)
        since = f"CASE change WHEN 'entered' THEN {moment_sql(now)} END AS since"
        moved = f"SELECT segment, person, {since} FROM membership_changes"
        state = _with_moved(sql, files, replace(state, recorded=recorded), moved)
    return state, changes


def _since(state: State, rules: Sequence[Rule], now: float) -> dict[str, float]:
    """When those that stand as they stood were evaluated last; never later than their last move where it was lost."""
    last = state.evaluated or min(state.recorded / 1e6, now)
    return {each.segment: state.stood.get(each.segment, last) for each in rules if each.stands}


def _evaluate(
    sql: Any, files: CustomerFiles, state: State, rules: Sequence[Rule], named: Mapping[str, int], now: float
) -> None:
    """The table `standing_now`: a row a person, a bit a segment. The view `memberships` shows those that are done."""
    columns = "".join(f", {name} UBIGINT" for name in bit_words.names(len(named)))
    sql.execute(f"CREATE OR REPLACE TEMP TABLE evaluated (person UINTEGER{columns})")
    looked_up = " UNION ALL ".join(
        f"SELECT {quoted(name)} AS segment, person FROM evaluated WHERE {bit_words.bit(place)}"
        for name, place in named.items()
    )
    sql.execute(f"CREATE OR REPLACE TEMP VIEW memberships AS {looked_up or 'SELECT NULL AS segment, NULL AS person'}")
    stood = " UNION ALL ".join(
        f"SELECT {quoted(name)} AS segment, person FROM {files.source(state, 'standing')} WHERE {bit_words.bit(place)}"
        for place, name in enumerate(state.segments)
        if any(rule.stands and rule.segment == name for rule in rules)
    )
    sql.execute(f"CREATE OR REPLACE TEMP VIEW stood AS {stood or 'SELECT NULL AS segment, NULL AS person'}")
    sql.execute(f"CREATE OR REPLACE TEMP VIEW kept AS SELECT * FROM {files.source(state, 'leaves')}")
    kept = {key: place for place, key in enumerate(state.leaves)}
    for batch in _batches(rules):
        if isinstance(batch, Rule):
            _list(sql, batch)
            found = (
                f"SELECT person, {bit_words.words({named[batch.segment]: 'true'}, len(named))} FROM ({batch.select})"
            )
        else:
            asked = {named[name]: rule for name, rule in batch.items()}
            found = answers_sql(asked, len(named), datetime.fromtimestamp(now, UTC), kept=kept)
        sql.execute(f"INSERT INTO evaluated {found}")
    joined = bit_words.joined("evaluated", len(named)) if named else "SELECT person FROM evaluated"
    sql.execute(f"CREATE OR REPLACE TEMP TABLE standing_now AS {joined}")


def _batches(rules: Sequence[Rule]) -> Iterator[Rule | dict[str, segments.Rule]]:
    """Rules that are evaluated in one pass: as many in a row as name none of the others; SQL goes alone."""
    batch: dict[str, segments.Rule] = {}
    for rule in rules:
        tree = None if isinstance(rule.select, str) else rule.select
        if batch and (tree is None or rule.segment in batch or needs(tree).segments & batch.keys()):
            yield batch
            batch = {}
        if tree is None:
            yield rule
        else:
            batch[rule.segment] = tree
    if batch:
        yield batch


def _list(sql: Any, rule: Rule) -> None:
    if rule.user_ids is None:
        return
    sql.register("listed_ids", pa.table({"user_id": pa.array(rule.user_ids, pa.string())}))
    sql.execute("CREATE OR REPLACE TEMP VIEW listed AS SELECT person FROM people SEMI JOIN listed_ids USING (user_id)")


def _compare(sql: Any, files: CustomerFiles, state: State, named: Mapping[str, int]) -> None:
    """The table `membership_changes` (segment, person, change): only of those whose words differ from the last ones."""
    old = {name: place for place, name in enumerate(state.segments)}
    words, was = bit_words.names(len(named)), bit_words.moved([old.get(name) for name in named], of="old")
    both = ", ".join(f"coalesce(now.{each}, 0) AS now_{each}, coalesce(was.{each}, 0) AS was_{each}" for each in words)
    sql.execute(
        f"CREATE OR REPLACE TEMP TABLE differing AS SELECT person{', ' if both else ''}{both} FROM standing_now now"
        f" FULL JOIN (SELECT person{', ' if was else ''}{was} FROM {files.source(state, 'standing')} old) was"
        f" USING (person) WHERE {' OR '.join(f'now_{each} <> was_{each}' for each in words) or 'false'}"
    )
    told = ["SELECT '' AS segment, 0::UINTEGER AS person, '' AS change WHERE false"]
    told += [
        f"SELECT {quoted(name)}, person, CASE WHEN {_bit('now', place)} THEN 'entered' ELSE 'left' END"
        f" FROM differing WHERE {_bit('now', place)} <> {_bit('was', place)}"
        for name, place in named.items()
    ]
    told += [
        f"SELECT {quoted(name)}, person, 'left' FROM {files.source(state, 'standing')} WHERE {bit_words.bit(place)}"
        for name, place in old.items()
        if name not in named
    ]
    sql.execute(f"CREATE OR REPLACE TEMP TABLE membership_changes AS {' UNION ALL '.join(told)}")


def _bit(side: str, place: int) -> str:
    return f"(({bit_words.bit(place).replace('w', f'{side}_w', 1)}))"


def changed_users(sql: Any, segment: str, change: str) -> list[str]:
    """The user_ids that the last `refresh_memberships` of this connection saw enter or leave a segment."""
    rows = sql.execute(
        "SELECT user_id FROM membership_changes JOIN people USING (person)"
        f" WHERE segment = {quoted(segment)} AND change = {quoted(change)} ORDER BY user_id"
    ).fetchall()
    return [user for (user,) in rows]


def _counted(sql: Any, state: State, named: Mapping[str, int]) -> list[Change]:
    """Sizes follow from the last ones: counting a hundred bits of a million people takes longer than all else here."""
    moved: Mapping[tuple[str, str], int] = {
        (segment, change): number
        for segment, change, number in sql.execute(
            "SELECT segment, change, count(*) FROM membership_changes GROUP BY ALL"
        ).fetchall()
    }
    sizes = dict(zip(state.segments, state.sizes, strict=True))
    found = []
    for name in named:
        entered, left = moved.get((name, "entered"), 0), moved.get((name, "left"), 0)
        found.append(Change(name, sizes.get(name, 0) + entered - left, entered, left))
    return found


def _with_moved(sql: Any, files: CustomerFiles, state: State, moved: str) -> State:
    """The newest changes (segment, person, since) before those that were moved earlier; both before all others."""
    newest = parquet([files.folder / files.write(sql, "moved", moved)])
    earlier = f"SELECT * FROM {files.source(state, 'moved')} ANTI JOIN {newest} newest USING (segment, person)"
    both = files.write(sql, "moved", f"SELECT * FROM {newest} UNION ALL {earlier}")
    state = state.with_files(moved=(both,))
    number, of = (
        one_row(sql, f"SELECT count(*) FROM {files.source(state, name)}")[0] for name in ("moved", "memberships")
    )
    if number <= _MOST_MOVED * of:
        return state
    return joined_memberships(sql, files, state)


def joined_memberships(sql: Any, files: CustomerFiles, state: State) -> State:
    whole = files.write(sql, "memberships", f"SELECT * FROM ({files.members(state)}) ORDER BY segment, person")
    return state.with_files(memberships=(whole,), moved=())


def _as_recorded(sql: Any, home: Home, files: CustomerFiles, state: State) -> State:
    """The state with those changes of the record that are not in the files, and with `standing`."""
    store = DeltaStore(home.lake)
    position = store.position(MEMBERSHIPS)
    if position > state.recorded:
        written = parquet(store.files(MEMBERSHIPS, store.version(MEMBERSHIPS)))
        missed = (
            "SELECT segment, person, CASE arg_max(change, time) WHEN 'entered' THEN max(time) END AS since"
            f" FROM {written} JOIN people USING (user_id) WHERE epoch_us(time) > {state.recorded}"
            " GROUP BY segment, person"
        )
        state = _with_moved(sql, files, replace(state, recorded=position), missed)
    elif state.files.get("standing"):
        return state
    return _with_standing(sql, files, state)


def _with_standing(sql: Any, files: CustomerFiles, state: State) -> State:
    """`standing` made anew from the memberships."""
    mine = f"FROM ({files.members(state)}) SEMI JOIN people USING (person)"
    rows = sql.execute(f"SELECT segment, count(*) {mine} GROUP BY segment ORDER BY segment").fetchall()
    named = [segment for segment, _ in rows]
    state = replace(state, segments=tuple(named), sizes=tuple(number for _, number in rows))
    if not named:
        return state.with_files(standing=())
    columns = bit_words.words(
        {place: f"bool_or(segment = {quoted(name)})" for place, name in enumerate(named)}, len(named)
    )
    standing = f"SELECT person, {columns} {mine} GROUP BY person"
    return state.with_files(standing=(files.write(sql, "standing", standing),))


def _record(sql: Any, home: Home, versions: Mapping[str, int], now: float) -> int:
    """One commit with a row a change; the record's new position, which is its last moment in microseconds."""
    store = DeltaStore(home.lake)
    with store.writing(MEMBERSHIPS):
        base = store.version(MEMBERSHIPS)
        # The clock may have been set back; the record goes on behind what it holds.
        position = max(round(now * 1e6), store.position(MEMBERSHIPS) + 1)
        version = " ".join(f"WHEN {quoted(name)} THEN {number}" for name, number in versions.items())
        version = f"CASE segment {version} END" if versions else "NULL"
        # A batch at a time: when everybody enters a hundred segments at once, that is many millions of rows.
        rows = sql.sql(
            f"SELECT segment, user_id, change, CAST({version} AS BIGINT) AS version,"
            f" make_timestamptz({position}) AS time FROM membership_changes JOIN people USING (person)"
        ).to_arrow_reader(100_000)
        store.commit(MEMBERSHIPS, rows.cast(MEMBERSHIPS.schema), base=base, position=position)
    return position
