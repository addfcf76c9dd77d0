"""A checked mapping and a file, put together into a draft."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from engine.errors import BadInput
from engine.storage.imports.draft import Draft, json_object
from engine.storage.imports.money import minor_units, number
from engine.storage.imports.sources import LINE, ROW, SOURCE, Source
from engine.storage.imports.table_columns import missing_column
from engine.storage.imports.text import id_text
from engine.storage.imports.times import ISO, check_pattern, check_zone, instant
from engine.storage.lake_sql import name_quoted, quoted

# JSON keys may come late; this many lines are looked at for the keys that there are.
_LINES_LOOKED_AT = 10_000


def mapped_draft(sql: Any, source: Source, told: Mapping[str, Any]) -> Draft:
    """The draft of a file under a mapping that has passed check_mapping.

    Raises BadInput when a column is missing, a zone or a time pattern is unknown, or a time is a bare number.
    """
    columns = _MappedColumns.of(source, told)
    events, items, users = told["events"], told.get("items", {}), told.get("users", {})
    return Draft(
        rows=columns.rows,
        raw=columns.raw,
        events=_events(sql, columns, events),
        items=_items(columns, items, events),
        users=_users(columns, users),
        refused=_refused(columns),
        called=_called(events),
    )


@dataclass(frozen=True, slots=True)
class _MappedColumns:
    """How SQL reaches a column of the file: by its name, or in JSON lines by its path."""

    source: Source
    rows: str
    raw: tuple[str, ...]
    names: tuple[str, ...]
    decimal: str
    read: Callable[[str], str]

    @classmethod
    def of(cls, source: Source, told: Mapping[str, Any]) -> _MappedColumns:
        decimal = told.get("file", {}).get("decimal", ".")
        if source.form != "jsonl":
            return cls(
                source,
                SOURCE,
                tuple(source.columns),
                tuple(source.columns),
                decimal,
                lambda name: id_text(name, source),
            )
        rows = f"(SELECT {ROW}, {LINE}, TRY_CAST({LINE} AS JSON) AS call FROM {SOURCE})"
        return cls(source, rows, (LINE,), _json_paths(source), decimal, _json_text)

    def text(self, name: str) -> str:
        if name not in self.names:
            raise missing_column(name, self.source.path, self.names)
        return self.read(name)

    def number(self, name: str) -> str:
        text = self.text(name)
        kind = self.source.columns.get(name)
        if kind is None or pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return number(text, decimal=self.decimal)
        if pa.types.is_float64(kind) or pa.types.is_integer(kind):
            return f"CAST({name_quoted(name)} AS DOUBLE)"
        # A short float goes through its text: 0.1 is meant as 0.1, not as 0.10000000149.
        return number(text)

    def time(self, sql: Any, name: str, *, written: str, zone: str) -> str:
        text = self.text(name)
        kind = self.source.columns.get(name, pa.string()) if self.source.form != "jsonl" else pa.string()
        if written == ISO and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise BadInput(
                f'the times in {name} are numbers; say what they count: time_format = "epoch" (seconds) or "epoch_ms"',
                field="events.time_format",
            )
        check_pattern(sql, written)
        check_zone(sql, zone)
        if pa.types.is_timestamp(kind):
            return instant(f'"{name}"', "TIMESTAMP WITH TIME ZONE" if kind.tz else "TIMESTAMP", zone=zone)
        return instant(text, "VARCHAR", written=written, zone=zone)

    def json(self, names: Iterable[str]) -> str:
        return json_object((name, self.text(name)) for name in dict.fromkeys(names))


def _events(sql: Any, columns: _MappedColumns, events: Mapping[str, Any]) -> dict[str, str]:
    drafted = {
        ours: columns.text(events[key])
        for ours, key in (
            ("event_id", "event_id"),
            ("user_id", "user"),
            ("session_id", "session"),
            ("item_id", "item"),
            ("order_id", "order"),
            ("recommendation_id", "recommendation"),
            ("coupon_code", "coupon"),
        )
        if key in events
    }
    drafted["type"] = _type(columns, events)
    drafted["time"] = columns.time(
        sql, events["time"], written=events.get("time_format", ISO), zone=events.get("zone", "UTC")
    )
    if "quantity" in events:
        drafted["quantity"] = columns.number(events["quantity"])
    drafted |= _money(columns, events)
    if "source" in events:
        drafted["source"] = quoted(events["source"])
    if "properties" in events:
        drafted["properties"] = f"'{{\"custom\":' || {columns.json(events['properties'])} || '}}'"
    return drafted


def _type(columns: _MappedColumns, events: Mapping[str, Any]) -> str:
    if "type" in events:
        return quoted(events["type"])
    word = columns.text(events["type_column"])
    cases = " ".join(f"WHEN {quoted(theirs)} THEN {quoted(ours)}" for theirs, ours in events.get("types", {}).items())
    return f"CASE {word} {cases} ELSE {word} END" if cases else word


def _money(columns: _MappedColumns, events: Mapping[str, Any]) -> dict[str, str]:
    drafted = {}
    currency = _currency(columns, events)
    quantity = f"coalesce({columns.number(events['quantity'])}, 1)" if "quantity" in events else "1"
    if "amount" in events:
        drafted["amount"] = _minor(columns.number(events["amount"]), currency, events)
    if "price" in events:
        drafted["amount"] = _minor(f"({columns.number(events['price'])}) * {quantity}", currency, events)
    if "list_amount" in events:
        drafted["list_amount"] = _minor(columns.number(events["list_amount"]), currency, events)
    if drafted:
        drafted["currency"] = currency
    return drafted


def _currency(columns: _MappedColumns, events: Mapping[str, Any]) -> str:
    if "currency_column" in events:
        return f"upper({columns.text(events['currency_column'])})"
    return quoted(events["currency"].upper()) if "currency" in events else "CAST(NULL AS VARCHAR)"


def _minor(major: str, currency: str, events: Mapping[str, Any]) -> str:
    return f"round({major})" if events.get("amount_unit") == "minor" else minor_units(major, currency)


def _items(columns: _MappedColumns, items: Mapping[str, Any], events: Mapping[str, Any]) -> dict[str, str]:
    drafted = {name: columns.text(items[name]) for name in ("name", "brand") if name in items}
    currency = _currency(columns, events)
    for name in ("price", "list_price", "cost"):
        if name in items:
            drafted[name] = _minor(columns.number(items[name]), currency, events)
    if "price" in events and "price" not in items:
        drafted["price"] = _minor(columns.number(events["price"]), currency, events)
    if "price" in drafted:
        drafted["currency"] = currency
    if "stock" in items:
        drafted["stock"] = f"TRY_CAST(TRY_CAST({columns.text(items['stock'])} AS DOUBLE) AS BIGINT)"
    if "categories" in items:
        drafted["categories"] = _categories(columns, items)
    if "attributes" in items:
        drafted["attributes"] = columns.json(items["attributes"])
    return drafted


def _categories(columns: _MappedColumns, items: Mapping[str, Any]) -> str:
    levels = f"[{', '.join(columns.text(name) for name in items['categories'])}]"
    if "category_separator" in items:
        separator = quoted(items["category_separator"])
        levels = f"flatten(list_transform({levels}, lambda path: string_split(path, {separator})))"
    kept = f"list_filter(list_transform({levels}, lambda level: trim(level)), lambda level: level <> '')"
    return f"CASE WHEN len({kept}) > 0 THEN {kept} END"


def _users(columns: _MappedColumns, users: Mapping[str, Any]) -> dict[str, str]:
    drafted = {name: columns.text(column) for name, column in users.items() if name != "attributes"}
    if "attributes" in users:
        drafted["attributes"] = columns.json(users["attributes"])
    return drafted


def _refused(columns: _MappedColumns) -> str:
    if columns.source.form != "jsonl":
        return "NULL"
    return "CASE WHEN call IS NULL OR json_type(call) <> 'OBJECT' THEN 'the line is no JSON object' END"


def _called(events: Mapping[str, Any]) -> dict[str, str]:
    ours = {"user": "user_id", "session": "session_id", "item": "item_id", "type_column": "type", "order": "order_id"}
    ours |= {"price": "amount", "currency_column": "currency"}
    same = ("event_id", "time", "quantity", "amount", "list_amount")
    return {ours.get(key, key): column for key, column in events.items() if key in ours or key in same}


def _json_text(path: str) -> str:
    steps = "".join(f'."{step}"' for step in path.split("."))
    return f"nullif(call ->> {quoted('$' + steps)}, '')"


def _json_paths(source: Source) -> tuple[str, ...]:
    """The keys of the first lines, those of nested objects with a dot between."""
    paths: dict[str, None] = {}

    def walk(value: Mapping[str, Any], before: str) -> None:
        for key, inner in value.items():
            paths[before + key] = None
            if isinstance(inner, dict):
                walk(inner, f"{before}{key}.")

    with source.path.open(encoding=source.encoding, errors="replace") as lines:
        for line in islice(lines, _LINES_LOOKED_AT):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                walk(value, "")
    return tuple(paths)
