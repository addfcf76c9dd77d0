"""Kept leaves: which parts of the rules hold of whom, renewed only where they can have changed since.

What a rule asks of somebody's events changes by a new event, by one that the end of a window passes, or by another
item behind one. So the answers are kept as bit words among the customers' files, and a refresh reads the events of
those few people only. Traits, predictions and other segments are asked anew each time: they move for everybody, and
are columns of a million rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.expression import Joined, Not, Terms
from engine.storage import bit_words
from engine.storage.customer_files import CustomerFiles, State
from engine.storage.customer_passed import passed_sql
from engine.storage.lake_sql import one_row, quoted
from engine.storage.segment_sql import answers_sql, begin_of, leaf_key
from engine.storage.segment_where import time_literal
from engine.targeting.segments import (
    ITEM_FIELDS,
    Measured,
    Rule,
    RuleLeaf,
    Share,
    events_of,
    leaves_of,
    windows_of,
)

#: Where more than this share of the people is affected, everybody is asked: it is cheaper than picking their events.
_MOST_AFFECTED = 0.3
#: Leaves that are asked of everybody in one pass; each holds some numbers a person in memory.
_AT_ONCE = 32

_COLUMNS = {"order_id": ("order_id", "order_number"), "session_id": ("session_id", "session_number")}
Leaves = Mapping[str, RuleLeaf]


def kept_leaves(rules: Iterable[Rule]) -> dict[str, RuleLeaf]:
    """The leaves of the rules that are kept, by their keys, each once."""
    leaves = (leaf for rule in rules for leaf in leaves_of(rule))
    return {leaf_key(leaf): leaf for leaf in leaves if events_of(leaf) or isinstance(leaf, Share)}


def renew_leaves(
    sql: Any, files: CustomerFiles, state: State, before: State | None, leaves: Leaves, now: float
) -> State:
    """The state with the answers to `leaves` of everybody as of `now` (epoch seconds).

    `before` is the state that `state` follows, and the table `touched` holds those with something new since; None asks
    everybody. `sql` has the views of `files.lay_out`.
    """
    known = {key: place for place, key in enumerate(before.leaves)} if before else {}
    places = {key: place for place, key in enumerate(leaves)}
    renewed = {places[key]: leaf for key, leaf in leaves.items() if key in known}
    if before is None or not _affected(sql, files, state, before, renewed.values(), now):
        known, renewed = {}, {}
    fresh = {places[key]: leaf for key, leaf in leaves.items() if key not in known}
    moment, number = datetime.fromtimestamp(now, UTC), len(leaves)
    columns = "".join(f", {name} UBIGINT" for name in bit_words.names(number))
    sql.execute(f"CREATE OR REPLACE TEMP TABLE answered (person UINTEGER{columns})")
    if renewed:
        sql.execute(
            f"INSERT INTO answered SELECT person, {bit_words.moved([known.get(key) for key in leaves], of='old')}"
            f" FROM {files.source(state, 'leaves')} old"
            " SEMI JOIN people USING (person) ANTI JOIN affected USING (person)"
        )
        _ask_affected(sql, renewed, number, moment)
    _ask_all(sql, fresh, number, moment)
    # Who was asked twice has two rows.
    answers = bit_words.joined("answered", number) if fresh else "SELECT * FROM answered"
    written = (files.write(sql, "leaves", answers),) if leaves else ()
    return replace(state, leaves=tuple(leaves)).with_files(leaves=written)


def _ask_all(sql: Any, leaves: Mapping[int, RuleLeaf], number: int, moment: datetime) -> None:
    waiting = list(leaves.items())
    for start in range(0, len(waiting), _AT_ONCE):
        asked = answers_sql(dict(waiting[start : start + _AT_ONCE]), number, moment)
        sql.execute(f"INSERT INTO answered {asked}")


def _ask_affected(sql: Any, leaves: Mapping[int, RuleLeaf], number: int, moment: datetime) -> None:
    """As of everybody, with the views `people` and `happenings` hidden behind the little that is of use."""
    columns = ", ".join(["person", "type", "time", *sorted(_columns(leaves.values()))])
    types = ", ".join(sorted({quoted(each.type) for leaf in leaves.values() for each in events_of(leaf)}))
    begins = [begin_of(leaf, moment) for leaf in leaves.values() if events_of(leaf)]
    earliest = [each for each in begins if each is not None]
    since = f" AND time >= {time_literal(min(earliest))}" if earliest and len(earliest) == len(begins) else ""
    sql.execute("CREATE TEMP TABLE people AS SELECT * FROM memory.main.people SEMI JOIN affected USING (person)")
    sql.execute(
        f"CREATE TEMP TABLE happenings AS SELECT {columns} FROM memory.main.happenings"
        f" WHERE person IN (SELECT person FROM affected) AND type IN ({types or 'NULL'}){since}"
    )
    sql.execute(f"INSERT INTO answered {answers_sql(leaves, number, moment)}")
    sql.execute("DROP TABLE temp.people; DROP TABLE temp.happenings")


def _affected(
    sql: Any, files: CustomerFiles, state: State, before: State, leaves: Iterable[RuleLeaf], now: float
) -> bool:
    """The table `affected`: those of whom a leaf may hold that did not, or the other way; False: too many to tell."""
    windows: dict[timedelta, set[str]] = {}
    for leaf in leaves:
        for window in (timedelta(), *windows_of(leaf)) if events_of(leaf) else ():
            windows.setdefault(window, set()).update(each.type for each in events_of(leaf))
    passed = passed_sql(sql, files, state, before.as_of, now, windows)
    changed = []
    if before.files.get("things") != state.files.get("things") and "item" in _columns(leaves):
        told = "SELECT item, item_id, categories, brand, tags, price FROM"
        changed.append(
            f"SELECT person FROM happenings WHERE item IN (SELECT item FROM ({told} things"
            f" EXCEPT {told} {files.source(before, 'things')}))"
        )
    found = " UNION ALL ".join(["SELECT person FROM touched", passed, *changed])
    sql.execute(f"CREATE OR REPLACE TEMP TABLE affected AS SELECT DISTINCT person FROM ({found})")
    return bool(one_row(sql, "SELECT count(*) FROM affected")[0] <= _MOST_AFFECTED * max(state.people, 1))


def _columns(leaves: Iterable[RuleLeaf]) -> set[str]:
    """The columns of the happenings that the leaves read beside who, what and when."""
    named = {str(leaf.of) for leaf in leaves if isinstance(leaf, Measured) and leaf.of}
    for leaf in leaves:
        for each in events_of(leaf):
            named |= _fields(each.where)
    found: set[str] = set()
    for name in named:
        if name.startswith("properties."):
            found.add("properties")
        elif name in ITEM_FIELDS:
            found.add("item")
        else:
            found.update(_COLUMNS.get(name, (name,)))
    return found


def _fields(where: Terms | None) -> set[str]:
    if where is None:
        return set()
    if isinstance(where, Joined):
        return set().union(*map(_fields, where.parts))
    return _fields(where.part) if isinstance(where, Not) else {where.field}
