"""The portrait: one customer from all sides, out of the customers' files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engine.errors import UnknownThing
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.targeting.groups import groups
from engine.targeting.traits import TRAITS

#: The newest happenings that a portrait shows.
MOST_EVENTS = 50


def portrait(home: Home, user_id: str, *, now: float, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Traits by their parts, interests with what they rest on, segments with since when, the last events.

    Raises UnknownThing for a user of whom nothing is known, NotEnoughData before the first refresh.
    """
    files = CustomerFiles(home)
    state = files.state()
    with files.reading(now) as sql:
        found = sql.execute("SELECT person FROM people WHERE user_id = ?", [user_id]).fetchall()
        if not found:
            raise UnknownThing(f"there is no user {user_id!a} with events or a document", field="user_id")
        person = int(found[0][0])
        traits = _row(sql, f"SELECT * FROM traits WHERE person = {person}")
        segments = sql.execute(
            f"SELECT segment, since FROM memberships WHERE person = {person} ORDER BY segment"
        ).fetchall()
        predictions = sql.execute(
            f"SELECT name, score FROM predictions WHERE person = {person} ORDER BY name"
        ).fetchall()
        events = _events(sql, person)
    named = {each.id: each for each in groups(thresholds)}
    return {
        "user_id": user_id,
        "as_of": _told(datetime.fromtimestamp(state.as_of).astimezone()) if state else None,
        "traits": _by_group(traits),
        "interests": json.loads(traits.get("interest_evidence") or "[]"),
        "segments": [
            {"segment": segment, "name": named[segment].name if segment in named else None, "since": _told(since)}
            for segment, since in segments
        ],
        "predictions": dict(scores),
        "events": events,
    }


def _by_group(traits: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for each in TRAITS:
        if each.name != "interest_evidence":
            found.setdefault(each.group, {})[each.name] = _told(traits.get(each.name))
    return found


def _events(sql: Any, person: int) -> list[dict[str, Any]]:
    columns = ("time", "type", "item_id", "quantity", "amount", "order_id", "source", "coupon_code")
    rows = sql.execute(
        f"SELECT {', '.join(columns)} FROM happenings LEFT JOIN things USING (item) WHERE person = {person}"
        f" ORDER BY time DESC LIMIT {MOST_EVENTS}"
    ).fetchall()
    told = (dict(zip(columns, row, strict=True)) for row in rows)
    return [{name: _told(value) for name, value in each.items() if value is not None} for each in told]


def _row(sql: Any, statement: str) -> dict[str, Any]:
    answer = sql.execute(statement)
    names = [each[0] for each in answer.description]
    rows = answer.fetchall()
    return dict(zip(names, rows[0], strict=True)) if rows else {}


def _told(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
