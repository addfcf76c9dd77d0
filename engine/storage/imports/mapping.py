"""A mapping: the TOML file that says which column of a shop's own file is what.

    [file]                           # only where the file needs it
    delimiter = ";"
    encoding = "latin-1"             # where it is neither UTF-8 nor GB18030
    sheet = "Orders"                 # of a workbook; default the first
    columns = ["user", "item"]       # names for a CSV file without a header
    decimal = ","                    # 1.234,50

    [events]
    user = "customer"                # or session = ...
    item = "sku"
    time = "bought_at"
    time_format = "%d/%m/%Y %H:%M"   # iso (default), epoch, epoch_ms or a strptime pattern
    zone = "Europe/Berlin"           # of times without one; default UTC
    type = "purchase"                # or type_column = "action", with its values in [events.types]
    quantity = "qty"
    price = "unit_price"             # or amount = what was paid for the line; list_amount = before discounts
    amount_unit = "major"            # or minor: the file counts cents
    currency = "EUR"                 # or currency_column = ...
    properties = ["store"]

    [events.types]
    buy = "purchase"

    [items]
    name = "title"
    categories = ["department", "category"]   # general first; or one column and category_separator = ">"

    [users]
    region = "city"
    attributes = ["income"]

In JSON lines a column is a key, or a path like user.id.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.events import EVENT_TYPES
from engine.storage.imports.draft import Draft
from engine.storage.imports.mapped_draft import mapped_draft
from engine.storage.imports.sources import CsvForm, Source, check_readable, form_of, open_source

_COLUMN, _COLUMNS, _TEXT, _TABLE = "the name of a column", "a list of column names", "a text", "a table"


def _keys(*, column: str = "", columns: str = "", text: str = "", table: str = "") -> dict[str, str]:
    return {
        key: kind
        for kind, keys in ((_COLUMN, column), (_COLUMNS, columns), (_TEXT, text), (_TABLE, table))
        for key in keys.split()
    }


_KNOWN: Mapping[str, Mapping[str, str]] = {
    "file": _keys(text="format delimiter encoding decimal sheet", columns="columns"),
    "events": _keys(
        column="event_id user session item time type_column quantity amount list_amount price currency_column order"
        " recommendation coupon",
        text="type time_format zone currency amount_unit source",
        columns="properties",
        table="types",
    ),
    "items": _keys(
        column="name brand price list_price cost stock", text="category_separator", columns="categories attributes"
    ),
    "users": _keys(column="region zone gender age_band birthday", columns="attributes"),
}
_CHOICES = {"format": ("csv", "parquet", "jsonl", "xlsx"), "decimal": (".", ","), "amount_unit": ("major", "minor")}


def read_mapping(sql: Any, path: Path, mapping: Path | None) -> tuple[Source, Draft]:
    """Open the file at `path` and draft it as the TOML file `mapping` says.

    Raises BadInput for an unknown key (naming the nearest one), a column that the file lacks (naming those
    it has), a mapping that names no user, no time or no type.
    """
    if mapping is None:
        source = open_source(path, form_of(path))
        raise BadInput(
            f"{path} needs a mapping that says which column is what (--mapping MAP.toml); "
            f"it has {', '.join(source.columns)}",
            field="mapping",
        )
    told = _parsed(mapping)
    check_mapping(told)
    file = told.get("file", {})
    source = open_source(
        path,
        file.get("format") or form_of(path),
        CsvForm(file.get("delimiter"), file.get("encoding"), file.get("columns"), file.get("sheet")),
    )
    return source, mapped_draft(sql, source, told)


def check_mapping(told: Mapping[str, Any]) -> None:
    """Raise BadInput unless every key is known, holds what it should, and user, time and type are named."""
    for section, content in told.items():
        if section not in _KNOWN:
            raise _unknown(section, _KNOWN, "table")
        if not isinstance(content, dict):
            raise BadInput(f"{section} in the mapping must be a table: [{section}]", field=section)
        for key, value in content.items():
            _check_key(section, key, value)
    _check_named(told.get("events", {}))


def _check_key(section: str, key: str, value: Any) -> None:
    kinds, field = _KNOWN[section], f"{section}.{key}"
    if key not in kinds:
        raise _unknown(key, kinds, f"key in [{section}]", field)
    kind = kinds[key]
    if kind == _TABLE:
        _check_types(value, field)
    elif kind == _COLUMNS:
        if not isinstance(value, list) or not value or not all(isinstance(each, str) and each for each in value):
            raise BadInput(f"{field} must be {kind}", field=field)
    elif not isinstance(value, str) or not value:
        raise BadInput(f"{field} must be {kind}", field=field)
    if key in _CHOICES and value not in _CHOICES[key]:
        raise BadInput(f"{field} must be one of {', '.join(_CHOICES[key])}, not {value!r}", field=field)
    if key == "delimiter" and len(value) != 1:
        raise BadInput(f"{field} must be one character, not {value!r}", field=field)


def _check_types(value: Any, field: str) -> None:
    if not isinstance(value, dict):
        raise BadInput(f"{field} must be a table of their words and ours: [events.types]", field=field)
    for theirs, ours in value.items():
        if ours not in EVENT_TYPES:
            raise _unknown(str(ours), EVENT_TYPES, "event type", f"{field}.{theirs}")


def _check_named(events: Mapping[str, Any]) -> None:
    if "user" not in events and "session" not in events:
        raise BadInput(
            "the mapping names no user column, and without users there is nothing to learn; "
            'say user = "..." (or session = "...") in [events]',
            code="no_user",
            field="events.user",
        )
    if "time" not in events:
        raise BadInput('the mapping names no time; say time = "..." in [events]', field="events.time")
    if ("type" in events) == ("type_column" in events):
        raise BadInput(
            'say in [events] either type = "purchase", the same for all rows, or type_column = "..."',
            field="events.type",
        )
    if "type" in events and events["type"] not in EVENT_TYPES:
        raise _unknown(events["type"], EVENT_TYPES, "event type", "events.type")
    if "price" in events and "amount" in events:
        raise BadInput("say in [events] either price, of one piece, or amount, of the line", field="events.price")


def _parsed(mapping: Path) -> dict[str, Any]:
    check_readable(mapping)
    try:
        return tomllib.loads(mapping.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{mapping} is no TOML file: {error}", field="mapping") from error


def _unknown(word: str, known: Mapping[str, Any], what: str, field: str | None = None) -> BadInput:
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]
    return BadInput(
        f"unknown {what} {word!r} in the mapping; did you mean {nearest!r}?", code="unknown_key", field=field or word
    )
