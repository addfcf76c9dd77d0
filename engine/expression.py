"""Expression: one tree for conditions on items and users, read from JSON here and from text in expression_text.

A comparison with something that is not there is false, `!=` too; `is null` asks for it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NoReturn

from engine.errors import BadInput

Kind = Literal["text", "texts", "number", "flag", "time", "any"]
#: The fields that a use knows, by name. A name that ends in `.*` stands for all below it.
Fields = Mapping[str, Kind]

DEEPEST, MOST_TERMS, LONGEST_TEXT = 32, 500, 20_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """`value` is a text, number, flag, list of these (`in`) or None (`is null`)."""

    field: str
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class Not:
    part: Expression


@dataclass(frozen=True, slots=True)
class Joined:
    """`how` is all or any."""

    how: Literal["all", "any"]
    parts: tuple[Expression, ...]


Expression = Comparison | Not | Joined

#: What each kind of field can be asked.
OPERATORS: Mapping[Kind, tuple[str, ...]] = {
    "text": ("=", "!=", "in", "contains", "is null"),
    "texts": ("has", "is null"),
    "number": ("=", "!=", "<", "<=", ">", ">=", "in", "is null"),
    "flag": ("=", "!=", "is null"),
    "time": ("=", "!=", "<", "<=", ">", ">=", "is null"),
    "any": ("=", "!=", "<", "<=", ">", ">=", "in", "contains", "has", "is null"),
}
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: bool(one == other),
    "!=": lambda one, other: bool(one != other),
    "<": lambda one, other: bool(one < other),
    "<=": lambda one, other: bool(one <= other),
    ">": lambda one, other: bool(one > other),
    ">=": lambda one, other: bool(one >= other),
}


def parse_json(given: Any, fields: Fields) -> Expression:
    """The tree of `{"all": [...]}`, `{"any": [...]}`, `{"not": ...}` and `{"field", "op", "value"}`."""
    terms = [0]

    def read(part: Any, depth: int) -> Expression:
        terms[0] += 1
        if depth > DEEPEST or terms[0] > MOST_TERMS:
            raise BadInput(f"filter: at most {MOST_TERMS} terms, {DEEPEST} deep", field="filter")
        if type(part) is not dict:
            raise BadInput('filter: must be a text, or an object such as {"field", "op", "value"}', field="filter")
        if set(part) in ({"all"}, {"any"}):
            ((how, inner),) = part.items()
            if type(inner) is not list or not inner:
                raise BadInput(f"filter: {how} must be a list that is not empty", field="filter")
            parts = tuple(read(each, depth + 1) for each in inner)
            return parts[0] if len(parts) == 1 else Joined(how, parts)
        if set(part) == {"not"}:
            return Not(read(part["not"], depth + 1))
        if not {"field", "op"} <= set(part) <= {"field", "op", "value"} or not isinstance(part["field"], str):
            raise BadInput("filter: a term has a field, an op and a value, or is all, any or not", field="filter")
        return checked(Comparison(part["field"], part["op"], part.get("value")), fields, None)

    return read(given, 1)


def to_json(expression: Expression) -> dict[str, Any]:
    """The JSON form, which `parse_json` reads as the same tree."""
    if isinstance(expression, Joined):
        return {expression.how: [to_json(each) for each in expression.parts]}
    if isinstance(expression, Not):
        return {"not": to_json(expression.part)}
    told = {"field": expression.field, "op": expression.op}
    return told if expression.op == "is null" else {**told, "value": expression.value}


def matches(expression: Expression, row: Mapping[str, Any]) -> bool:
    """Whether one document (wire form) fulfils the condition."""
    if isinstance(expression, Joined):
        found = (matches(each, row) for each in expression.parts)
        return all(found) if expression.how == "all" else any(found)
    if isinstance(expression, Not):
        return not matches(expression.part, row)
    value = _value_at(row, expression.field)
    if expression.op == "is null":
        return value is None
    return value is not None and _holds(value, expression.op, expression.value)


def _holds(value: Any, op: str, wanted: Any) -> bool:
    if op == "in":
        return any(_same_kind(value, each) and value == each for each in wanted)
    if op == "has":
        return isinstance(value, list) and wanted in value
    if op == "contains":
        return isinstance(value, str) and wanted.lower() in value.lower()
    if not _same_kind(value, wanted):
        return False
    if isinstance(value, str) and op not in ("=", "!="):
        moments = _moment(value), _moment(wanted)
        return None not in moments and _COMPARE[op](*moments)
    return _COMPARE[op](value, wanted)


def _same_kind(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool)
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return numbers or (isinstance(one, str) and isinstance(other, str))


def _value_at(row: Mapping[str, Any], path: str) -> Any:
    if path in row or "." not in path:
        return row.get(path)
    head, _, rest = path.partition(".")
    inner = row.get(head)
    return _value_at(inner, rest) if isinstance(inner, Mapping) else None


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def checked(term: Comparison, fields: Fields, position: int | None) -> Comparison:
    """The term, when its field is known, can be asked so, and the value is of its kind."""

    def refuse(told: str) -> NoReturn:
        raise BadInput(f"filter: {told}", field="filter", position=position)

    if not _is_whole(term.field):
        refuse("the name of a field holds NUL or half of a surrogate pair, which no text can carry")
    kind = fields.get(term.field) or next(
        (found for name, found in fields.items() if name.endswith(".*") and term.field.startswith(name[:-1])), None
    )
    if kind is None:
        nearest = difflib.get_close_matches(term.field, [name for name in fields if "*" not in name], n=1, cutoff=0.0)
        refuse(f"there is no field {term.field!a}; did you mean {nearest[0] if nearest else ''}?")
    if term.op not in OPERATORS[kind]:
        refuse(f"{term.field} can be asked {', '.join(OPERATORS[kind])}, not {term.op!a}")
    if term.op == "is null":
        if term.value is not None:
            refuse(f"{term.field} is null takes no value")
        return term
    values = term.value if term.op == "in" else [term.value]
    if type(values) is not list or not values or len(values) > MOST_TERMS:
        refuse(f"{term.field} in needs a list of 1 to {MOST_TERMS} values")
    for value in values:
        if isinstance(value, str) and not _is_whole(value):
            refuse(f"{term.field} {term.op}: a text holds NUL or half of a surrogate pair, which no text can carry")
        if not _FITS[kind if term.op not in ("has", "contains") else "text"](value):
            refuse(f"{term.field} {term.op} needs {_NEEDS[kind if term.op not in ('has', 'contains') else 'text']}")
    return term


def _is_whole(text: str) -> bool:
    """Whether stores can keep the text: conditions become rows of jobs, segments and offers."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e308


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "number": _is_number,
    "flag": lambda value: isinstance(value, bool),
    "time": lambda value: _moment(value) is not None,
    "any": lambda value: isinstance(value, str | bool) or _is_number(value),
}
_NEEDS: Mapping[str, str] = {
    "text": "a text in quotes",
    "number": "a number",
    "flag": "true or false",
    "time": 'a time with its zone, such as "2026-01-31T12:00:00Z"',
    "any": "a text, a number, true or false",
}
