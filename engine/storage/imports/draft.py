"""The shape that every source is brought into before it is checked: events, and what they say of items and users."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.storage.lake_sql import quoted
from engine.storage.past_campaigns import PastCampaigns

#: The columns of an event and their SQL types. Money is still a DOUBLE, in minor units: it may be NaN.
EVENT_COLUMNS: Mapping[str, str] = {
    "event_id": "VARCHAR",
    "type": "VARCHAR",
    "time": "TIMESTAMPTZ",
    "user_id": "VARCHAR",
    "session_id": "VARCHAR",
    "item_id": "VARCHAR",
    "quantity": "DOUBLE",
    "amount": "DOUBLE",
    "list_amount": "DOUBLE",
    "currency": "VARCHAR",
    "order_id": "VARCHAR",
    "recommendation_id": "VARCHAR",
    "coupon_code": "VARCHAR",
    "source": "VARCHAR",
    "properties": "VARCHAR",
}

ITEM_COLUMNS: Mapping[str, str] = {
    "name": "VARCHAR",
    "brand": "VARCHAR",
    "categories": "VARCHAR[]",
    "tags": "VARCHAR[]",
    "price": "DOUBLE",
    "list_price": "DOUBLE",
    "cost": "DOUBLE",
    "currency": "VARCHAR",
    "stock": "BIGINT",
    "available": "BOOLEAN",
    "attributes": "VARCHAR",
}

USER_COLUMNS: Mapping[str, str] = {
    "region": "VARCHAR",
    "zone": "VARCHAR",
    "gender": "VARCHAR",
    "age_band": "VARCHAR",
    "birthday": "VARCHAR",
    "attributes": "VARCHAR",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """How a source becomes events: an SQL expression a column, over the rows of `rows`.

    `rows` is a view or a bracketed SELECT; each of its rows is one event to be checked, numbered by the
    column sources.ROW. `refused` names the source's own reason against a row, or null; `profile` is
    true for a row that is no event and only tells of its user. `raw` lists the
    columns that the quarantine shows of a row. `items` and `users` say what an event
    tells of its item and its user. `more_items` and `more_users` are SELECTs over other tables
    (with an id and any of the columns above), `past_campaigns` collects what the ledger gets.
    """

    rows: str
    events: Mapping[str, str]
    raw: Sequence[str]
    refused: str = "NULL"
    profile: str = "false"
    items: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    more_items: str | None = None
    more_users: str | None = None
    past_campaigns: Callable[[Any], PastCampaigns] | None = None
    #: Names the columns in messages where the source calls them otherwise: {"user_id": "CustomerID"}.
    called: Mapping[str, str] = field(default_factory=dict)


def json_object(fields: Iterable[tuple[str, str]]) -> str:
    """The SQL of a JSON text with these (name, expression) fields, nulls left out; null when all are null."""
    # Text put together: the JSON functions of the database cost an import a quarter of its time.
    pairs = [f"{quoted(json.dumps(name) + ':')} || CAST(to_json({told}) AS VARCHAR)" for name, told in fields]
    return f"nullif('{{' || concat_ws(',', {', '.join(pairs)}) || '}}', '{{}}')" if pairs else "NULL"
