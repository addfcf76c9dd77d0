"""Segment where: conditions on events and items as SQL over a row `e` of the happenings."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from engine.expression import Comparison, Constant, Joined, Not, Terms, lowered
from engine.storage.lake_sql import quoted
from engine.targeting.segments import ITEM_FIELDS

_COLUMNS = {"category": "categories"}


def literal(value: Any) -> str:
    """The SQL of a text, number or flag, of the type in which comparisons are exact."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int) and abs(value) < 2**63:
        return str(value)
    return f"CAST('{float(value)!r}' AS DOUBLE)"


def time_literal(time: datetime) -> str:
    return f"TIMESTAMPTZ '{time.isoformat(sep=' ')}'"


def comparison_sql(column: str, op: str, value: Any) -> str:
    """A column compared; null where the column is. Texts that are in order are times."""
    if op == "is null":
        return f"{column} IS NULL"
    if op == "in":
        return f"{column} IN ({', '.join(map(literal, value))})"
    if op == "has":
        return f"list_contains({column}, {literal(value)})"
    if op == "contains":
        return f"contains(lower({column}), {quoted(lowered(value))})"
    if isinstance(value, str) and op not in ("=", "!="):
        return f"{column} {op} TIMESTAMPTZ {quoted(value)}"
    return f"{column} {op} {literal(value)}"


class Scope:
    """What conditions ask of items: flags and values by item number, computed once an item."""

    def __init__(self) -> None:
        self._flags: dict[str, str] = {}
        self._values: set[str] = set()
        self._only_hits = True

    def steps(self) -> list[str]:
        """The steps of the WITH that `join` joins."""
        if not self._flags and not self._values:
            return []
        columns = [f"{sql} AS {name}" for sql, name in self._flags.items()] + sorted(self._values)
        # Items that raise no flag answer as unknown ones do, so that they need not be looked up.
        few = f" WHERE {' OR '.join(self._flags.values())}" if self._only_hits and not self._values else ""
        return [f"scoped AS (SELECT i.item, {', '.join(columns)} FROM things i{few})"]

    def join(self) -> str:
        return "LEFT JOIN scoped s ON s.item = e.item " if self._flags or self._values else ""

    def value(self, name: str) -> str:
        """The SQL of a field of the event or its item that is measured."""
        if name not in ITEM_FIELDS:
            return f"e.{name}"
        self._values.add(f"i.{name}")
        return f"s.{name}"

    def where(self, expression: Terms, *, bare: bool) -> str:
        """The condition; never null unless `bare`, where null stands for false."""
        if _about_items(expression):
            return self._flag(expression)
        if isinstance(expression, Joined):
            word = " AND " if expression.how == "all" else " OR "
            return word.join(f"({self.where(each, bare=bare)})" for each in expression.parts)
        if isinstance(expression, Not):
            return f"NOT ({self.where(expression.part, bare=False)})"
        found = _event_sql(expression)
        return found if bare else f"coalesce({found}, false)"

    def _flag(self, expression: Terms) -> str:
        name = self._flags.setdefault(_item_sql(expression), f"f{len(self._flags)}")
        unknown = _of_unknown(expression)
        self._only_hits = self._only_hits and not unknown
        return f"coalesce(s.{name}, {literal(unknown)})"


def _about_items(expression: Terms) -> bool:
    if isinstance(expression, Joined):
        return all(map(_about_items, expression.parts))
    if isinstance(expression, Not):
        return _about_items(expression.part)
    return expression.field in ITEM_FIELDS


def _of_unknown(expression: Terms) -> bool:
    """The answer where there is no item."""
    if isinstance(expression, Joined):
        answers = map(_of_unknown, expression.parts)
        return all(answers) if expression.how == "all" else any(answers)
    if isinstance(expression, Not):
        return not _of_unknown(expression.part)
    return expression.op == "is null"


def _item_sql(expression: Terms) -> str:
    if isinstance(expression, Joined):
        word = " AND " if expression.how == "all" else " OR "
        return f"({word.join(map(_item_sql, expression.parts))})"
    if isinstance(expression, Not):
        return f"(NOT {_item_sql(expression.part)})"
    column = f"i.{_COLUMNS.get(expression.field, expression.field)}"
    if expression.field == "category" and expression.op != "is null":
        names = expression.value if expression.op == "in" else [expression.value]
        found = f"list_has_any({column}, [{', '.join(map(literal, names))}])"
        found = f"NOT {found}" if expression.op == "!=" else found
    else:
        found = comparison_sql(column, expression.op, expression.value)
    return f"coalesce({found}, false)"


def _event_sql(term: Comparison) -> str:
    if not term.field.startswith("properties."):
        return comparison_sql(f"e.{term.field}", term.op, term.value)
    found = property_sql(term.field)
    if term.op == "is null":
        return f"coalesce(json_type({found}), 'NULL') = 'NULL'"
    if term.op == "in":
        return " OR ".join(f"({_event_sql(Comparison(term.left, '=', Constant('any', each)))})" for each in term.value)
    if term.op == "has":
        same = f"json_type(v) = 'VARCHAR' AND json_extract_string(v, '$') = {literal(term.value)}"
        return (
            f"CASE WHEN json_type({found}) = 'ARRAY'"
            f" THEN len(list_filter(CAST({found} AS JSON[]), lambda v: {same})) > 0 END"
        )
    return comparison_sql(property_scalar(found, term.value), term.op, term.value)


def property_sql(name: str) -> str:
    """The JSON under `properties.a.b`: under the key "a.b", or else under b within a."""

    def ways(parts: list[str]) -> list[list[str]]:
        nested = [[parts[0], *way] for way in ways(parts[1:])] if len(parts) > 1 else []
        return [[".".join(parts)], *nested]

    paths = ("$" + "".join(f'."{key}"' for key in way) for way in ways(re.split(r"\.", name)[1:]))
    found = [f"json_extract(e.properties, {quoted(path)})" for path in paths]
    return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"


def property_scalar(found: str, like: Any) -> str:
    """The property as SQL, null unless it is of the kind of `like`."""
    if isinstance(like, bool):
        return f"CASE WHEN json_type({found}) = 'BOOLEAN' THEN CAST({found} AS BOOLEAN) END"
    if isinstance(like, str):
        return f"CASE WHEN json_type({found}) = 'VARCHAR' THEN json_extract_string({found}, '$') END"
    numbers = "('BIGINT', 'UBIGINT', 'DOUBLE')"
    return f"CASE WHEN json_type({found}) IN {numbers} THEN TRY_CAST({found} AS DOUBLE) + 0.0 END"
