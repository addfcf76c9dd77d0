"""Which rows an import refuses, and the reason in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from engine.events import EVENT_TYPES, LARGEST_AMOUNT, LONGEST_ID_BYTES, WITHOUT_ITEM
from engine.storage.lake_sql import quoted

#: More than a day ahead of the clock is a wrong clock or a wrong format, not another zone.
_CLOCK_TOLERANCE = timedelta(days=1)


def reason(now: datetime, called: Mapping[str, str]) -> str:
    """The SQL of the first reason against a drafted row, null for a good one; `called` renames columns in it."""
    name = {column: called.get(column, column) for column in ("user_id", "session_id", "item_id", "time", "type")}
    needs_item = ", ".join(quoted(each) for each in sorted(set(EVENT_TYPES) - WITHOUT_ITEM))
    known_types = ", ".join(map(quoted, EVENT_TYPES))
    latest = quoted((now + _CLOCK_TOLERANCE).isoformat())
    cases = [
        ("refused IS NOT NULL", "refused"),
        ("profile AND coalesce(user_id, '') = ''", quoted(f"{name['user_id']}: no user")),
        *_ids(called),
        # A row that only tells of its user is no event, so nothing else can be wrong with it.
        ("profile", "NULL"),
        ("type IS NULL", quoted(f"{name['type']}: no event type")),
        (f"type NOT IN ({known_types})", f"{quoted(name['type'] + ': unknown event type ')} || type"),
        ("coalesce(user_id, session_id, '') = ''", quoted(f"{name['user_id']}: no user")),
        (f"type IN ({needs_item}) AND coalesce(item_id, '') = ''", quoted(f"{name['item_id']}: no item")),
        ("time IS NULL", quoted(f"{name['time']}: the time is missing or cannot be read")),
        ("time < TIMESTAMPTZ '1970-01-01 00:00:00+00'", quoted(f"{name['time']}: the time is before 1970")),
        (f"time > TIMESTAMPTZ {latest}", quoted(f"{name['time']}: the time is in the future")),
        *_number("quantity", called),
        ("quantity <= 0", quoted(f"{called.get('quantity', 'quantity')}: not more than 0")),
        *_money("amount", called),
        *_money("list_amount", called),
        (
            "NOT regexp_full_match(currency, '[A-Z]{3}')",
            quoted(f"{called.get('currency', 'currency')}: no ISO 4217 code"),
        ),
    ]
    return "CASE " + " ".join(f"WHEN {condition} THEN {text}" for condition, text in cases) + " END"


def _ids(called: Mapping[str, str]) -> list[tuple[str, str]]:
    cases = []
    for column in ("user_id", "session_id", "item_id", "event_id", "order_id"):
        shown = called.get(column, column)
        cases.append((f"strlen({column}) > {LONGEST_ID_BYTES}", quoted(f"{shown}: more than {LONGEST_ID_BYTES} bytes")))
        cases.append((f"contains({column}, chr(0))", quoted(f"{shown}: a NUL character")))
    return cases


def _number(column: str, called: Mapping[str, str]) -> list[tuple[str, str]]:
    shown = called.get(column, column)
    return [
        (f"isnan({column})", quoted(f"{shown}: not a number")),
        (f"isinf({column})", quoted(f"{shown}: infinite")),
    ]


def _money(column: str, called: Mapping[str, str]) -> list[tuple[str, str]]:
    shown = called.get(column, column)
    return [
        *_number(column, called),
        (f"{column} < 0", quoted(f"{shown}: negative")),
        (f"{column} > {LARGEST_AMOUNT}", quoted(f"{shown}: too large")),
    ]
