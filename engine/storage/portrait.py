"""The portrait: one customer from all sides, out of the customers' files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from engine.errors import UnknownThing
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.targeting.groups import groups
from engine.targeting.labels import class_of
from engine.targeting.traits import TRAITS

#: The newest happenings that a portrait shows.
MOST_EVENTS = 50


def portrait(home: Home, user_id: str, *, now: float, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Traits by their parts, interests with what they rest on, segments and classes with since when, the last events.

    Raises UnknownThing for a user of whom nothing is known, NotEnoughData before the first refresh.
    """
    files = CustomerFiles(home)
    state = files.state()
    with files.reading(now) as sql:
        found = _rows(sql, "SELECT person FROM people WHERE user_id = ?", [user_id])
        if not found:
            raise UnknownThing(f"there is no user {user_id!a} with events or a document", field="user_id")
        mine = f"WHERE person = {int(found[0]['person'])}"
        (traits,) = _rows(sql, f"SELECT * FROM traits {mine}") or [{}]
        segments = _rows(sql, f"SELECT segment, since FROM memberships {mine} ORDER BY segment")
        scores = _rows(sql, f"SELECT name, score FROM predictions {mine} ORDER BY name")
        events = _events(sql, mine)
    named = {each.id: each for each in groups(thresholds)}
    return {
        "user_id": user_id,
        "as_of": _told(datetime.fromtimestamp(state.as_of, UTC)) if state else None,
        "traits": _by_group(traits),
        "interests": json.loads(traits.get("interest_evidence") or "[]"),
        "segments": [
            {
                "segment": each["segment"],
                "name": named[each["segment"]].name if each["segment"] in named else None,
                "since": _told(each["since"]),
            }
            for each in segments
        ],
        "classes": [
            {"classification_id": found[0], "class_id": found[1], "since": _told(each["since"])}
            for each in segments
            for found in [class_of(each["segment"])]
            if found is not None
        ],
        "predictions": {each["name"]: each["score"] for each in scores},
        "events": events,
    }


def _by_group(traits: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for each in TRAITS:
        if each.name != "interest_evidence":
            found.setdefault(each.group, {})[each.name] = _told(traits.get(each.name))
    return found


def _events(sql: Any, mine: str) -> list[dict[str, Any]]:
    rows = _rows(
        sql,
        "SELECT time, type, item_id, quantity, amount, order_id, source, coupon_code"
        f" FROM happenings LEFT JOIN things USING (item) {mine} ORDER BY time DESC LIMIT {MOST_EVENTS}",
    )
    return [{name: _told(value) for name, value in each.items() if value is not None} for each in rows]


def _rows(sql: Any, statement: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    # By way of Arrow: DuckDB's own times with a zone want a package that nothing else needs.
    found: list[dict[str, Any]] = sql.sql(statement, params=parameters or []).to_arrow_table().to_pylist()
    return found


def _told(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
