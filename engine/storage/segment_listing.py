"""Who is in a segment, page by page, and why one user is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from engine.errors import UnknownThing
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake_sql import quoted
from engine.targeting.segment_one import Happening, Person, Thing, explain
from engine.targeting.segments import Rule, needs
from engine.targeting.traits import TRAIT_FIELDS

_BATCH = 10_000


def list_members(home: Home, segment: str, *, now: float, after: str, limit: int) -> dict[str, Any]:
    """A page of a segment's members by their ids, as it was last evaluated. UnknownThing where it never was."""
    files = CustomerFiles(home)
    with files.reading(now) as sql:
        state = files.state()
        mine = f"FROM memberships JOIN people USING (person) WHERE segment = {quoted(segment)}"
        (found,) = _rows(sql, f"SELECT count(*) AS size {mine}")
        page = _rows(
            sql,
            f"SELECT user_id, since {mine} AND user_id > {quoted(after)} ORDER BY user_id LIMIT {int(limit) + 1}",
        )
    if not found["size"] and state is not None and segment not in state.segments:
        raise UnknownThing(f"the segment {segment!a} was not evaluated yet, or does not exist", field="segment_id")
    told = [{"user_id": each["user_id"], "since": each["since"].isoformat()} for each in page[:limit]]
    return {
        "segment_id": segment,
        "as_of": datetime.fromtimestamp(state.stood.get(segment, state.as_of) if state else 0.0, UTC).isoformat(),
        "size": found["size"],
        "members": told,
        "next": told[-1]["user_id"] if len(page) > limit else None,
    }


def each_member(home: Home, segment: str, *, now: float) -> Iterator[Sequence[str]]:
    """The user_ids of a segment's members as it was last evaluated, in batches and in no order."""
    with CustomerFiles(home).reading(now) as sql:
        mine = f"FROM memberships JOIN people USING (person) WHERE segment = {quoted(segment)}"
        found = sql.execute(f"SELECT user_id {mine}")
        while rows := found.fetchmany(_BATCH):
            yield [user for (user,) in rows]


def explain_member(home: Home, rule: Rule, user_id: str, *, now: float) -> dict[str, Any]:
    """Whether a rule fits one user as of `now`, and which leaf decided. UnknownThing for nobody."""
    moment = datetime.fromtimestamp(now, UTC)
    found = explain(rule, read_person(home, rule, user_id, now=now), moment)
    leaves = [
        {"path": each.path, "text": each.text, "held": each.held, "decided": each.decided, "seen": _told(each.seen)}
        for each in found.leaves
    ]
    return {"user_id": user_id, "fits": found.held, "leaves": leaves}


def read_person(home: Home, rule: Rule, user_id: str, *, now: float) -> Person:
    """What a rule asks of one user: traits as of the last refresh, events up to it. UnknownThing for nobody."""
    asked = needs(rule)
    with CustomerFiles(home).reading(now) as sql:
        found = _rows(sql, f"SELECT person FROM people WHERE user_id = {quoted(user_id)}")
        if not found:
            raise UnknownThing(f"there is no user {user_id!a} with events or a document", field="user_id")
        mine = f"WHERE person = {int(found[0]['person'])}"
        (traits,) = _rows(sql, f"SELECT * FROM traits {mine}") or [{}]
        scores = _rows(sql, f"SELECT name, score FROM predictions {mine}")
        segments = _rows(sql, f"SELECT segment FROM memberships {mine}")
        types = ", ".join(map(quoted, sorted(asked.event_types)))
        events = _rows(sql, f"{_EVENTS} {mine} AND type IN ({types})") if types else []
    return Person(
        user_id,
        {name: value for name, value in traits.items() if name in TRAIT_FIELDS},
        {each["name"]: each["score"] for each in scores},
        frozenset(each["segment"] for each in segments),
        [_happening(each) for each in events],
    )


_EVENTS = """
SELECT type, time, quantity, amount, list_amount, order_id, session_id, source, coupon_code, properties, item_id,
  categories, brand, tags, price FROM happenings LEFT JOIN things USING (item)"""


def _happening(row: Mapping[str, Any]) -> Happening:
    thing = None
    if row["item_id"] is not None:
        thing = Thing(row["item_id"], row["categories"], row["brand"], row["tags"], row["price"])
    plain = ("quantity", "amount", "list_amount", "order_id", "session_id", "source", "coupon_code")
    told = {name: row[name] for name in plain}
    return Happening(row["type"], row["time"], thing, properties=json.loads(row["properties"] or "{}"), **told)


def _rows(sql: Any, statement: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sql.sql(statement).to_arrow_table().to_pylist()
    return found


def _told(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
