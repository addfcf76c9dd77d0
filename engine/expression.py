"""Expression: one tree for conditions on items and users, read from JSON here and from text in expression_text.

A comparison with something that is not there is false, `!=` too; `is null` asks for it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, NoReturn, TypeAlias, TypeVar

from engine.errors import BadInput

#: `levels` is a path of names, such as an item's categories: it equals each of them.
Kind = Literal["text", "texts", "levels", "number", "flag", "time", "any"]
#: The fields that a use knows, by name. A name that ends in `.*` stands for all below it.
Fields = Mapping[str, Kind]

DEEPEST, MOST_TERMS, LONGEST_TEXT = 32, 500, 20_000


Leaf = TypeVar("Leaf")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`value` is a text, number, flag, list of these (`in`) or None (`is null`)."""

    field: str
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class Not(Generic[Leaf]):
    part: Leaf | Not[Leaf] | Joined[Leaf]


@dataclass(frozen=True, slots=True)
class Joined(Generic[Leaf]):
    """`how` is all or any."""

    how: Literal["all", "any"]
    parts: tuple[Leaf | Not[Leaf] | Joined[Leaf], ...]


#: Segment rules are the same tree with leaves of their own.
Tree: TypeAlias = Leaf | Not[Leaf] | Joined[Leaf]
Expression: TypeAlias = Tree[Comparison]

#: What each kind of field can be asked.
OPERATORS: Mapping[Kind, tuple[str, ...]] = {
    "text": ("=", "!=", "in", "contains", "is null"),
    "texts": ("has", "is null"),
    "levels": ("=", "!=", "in", "is null"),
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


Check = Callable[[Comparison, Fields, int | None, str], Comparison]


def parse_json(given: Any, fields: Fields, *, word: str = "filter", check: Check | None = None) -> Expression:
    """The tree of `{"all": [...]}`, `{"any": [...]}`, `{"not": ...}` and `{"field", "op", "value"}`.

    Raises BadInput whose `field` is `word`. `check` passes each term on or refuses it; without one it is `checked`.
    """
    terms = [0]

    def read(part: Any, depth: int) -> Expression:
        terms[0] += 1
        if depth > DEEPEST or terms[0] > MOST_TERMS:
            raise BadInput(f"{word}: at most {MOST_TERMS} terms, {DEEPEST} deep", field=word)
        if type(part) is not dict:
            raise BadInput(f'{word}: must be a text, or an object such as {{"field", "op", "value"}}', field=word)
        if set(part) in ({"all"}, {"any"}):
            ((how, inner),) = part.items()
            if type(inner) is not list or not inner:
                raise BadInput(f"{word}: {how} must be a list that is not empty", field=word)
            parts = tuple(read(each, depth + 1) for each in inner)
            return parts[0] if len(parts) == 1 else Joined(how, parts)
        if set(part) == {"not"}:
            return Not(read(part["not"], depth + 1))
        if not {"field", "op"} <= set(part) <= {"field", "op", "value"} or not isinstance(part["field"], str):
            raise BadInput(f"{word}: a term has a field, an op and a value, or is all, any or not", field=word)
        return (check or checked)(Comparison(part["field"], part["op"], part.get("value")), fields, None, word)

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
    value = value_at(row, expression.field)
    if expression.op == "is null":
        return value is None
    return value is not None and holds(value, expression.op, expression.value)


def holds(value: Any, op: str, wanted: Any) -> bool:
    """Whether a value that is there fulfils `op wanted`; a value of another kind never does."""
    if op == "in":
        return any(_same_kind(value, each) and value == each for each in wanted)
    if op == "has":
        return isinstance(value, list | tuple) and wanted in value
    if op == "contains":
        return isinstance(value, str) and lowered(wanted) in lowered(value)
    if not _same_kind(value, wanted):
        return False
    if isinstance(value, str) and op not in ("=", "!="):
        moments = moment_of(value), moment_of(wanted)
        return None not in moments and _COMPARE[op](*moments)
    return _COMPARE[op](value, wanted)


def _same_kind(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool)
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return numbers or (isinstance(one, str) and isinstance(other, str))


def lowered(text: str) -> str:
    """Small letters, letter by letter as SQL does it: without the Greek rule for the end of a word."""
    return text.lower() if text.isascii() else "".join(each.lower()[0] for each in text)


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """What stands under a name, or under the names between its dots; None when nothing does."""
    if path in row or "." not in path:
        return row.get(path)
    head, _, rest = path.partition(".")
    inner = row.get(head)
    return value_at(inner, rest) if isinstance(inner, Mapping) else None


def moment_of(text: Any) -> datetime | None:
    """The time of an ISO-8601 text with its zone; None of everything else."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def checked(term: Comparison, fields: Fields, position: int | None, word: str = "filter") -> Comparison:
    """The term, when its field is known, can be asked so, and the value is of its kind."""

    def refuse(told: str) -> NoReturn:
        raise BadInput(f"{word}: {told}", field=word, position=position)

    if not is_whole(term.field):
        refuse("the name of a field holds NUL or half of a surrogate pair, which no text can carry")
    kind = kind_of(term.field, fields)
    if kind is None:
        refuse(f"there is no field {term.field!a}{nearest(term.field, fields)}")
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
        if isinstance(value, str) and not is_whole(value):
            refuse(f"{term.field} {term.op}: a text holds NUL or half of a surrogate pair, which no text can carry")
        if not _FITS[kind if term.op not in ("has", "contains") else "text"](value):
            refuse(f"{term.field} {term.op} needs {_NEEDS[kind if term.op not in ('has', 'contains') else 'text']}")
    return term


def kind_of(name: str, fields: Fields) -> Kind | None:
    """The kind of a field, which may be known by its name or by what it lies below."""
    below = (kind for known, kind in fields.items() if known.endswith(".*") and name.startswith(known[:-1]))
    return fields.get(name) or next(below, None)


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that nobody knows; empty when there is none to offer."""
    found = difflib.get_close_matches(name, [each for each in known if "*" not in each], n=1, cutoff=0.0)
    return f"; did you mean {found[0]}?" if found else ""


def is_whole(text: str) -> bool:
    """Whether stores can keep the text: conditions become rows of jobs, segments and offers."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e308


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "number": _is_number,
    "levels": lambda value: isinstance(value, str),
    "flag": lambda value: isinstance(value, bool),
    "time": lambda value: moment_of(value) is not None,
    "any": lambda value: isinstance(value, str | bool) or _is_number(value),
}
_NEEDS: Mapping[str, str] = {
    "text": "a text in quotes",
    "levels": "a text in quotes",
    "number": "a number",
    "flag": "true or false",
    "time": 'a time with its zone, such as "2026-01-31T12:00:00Z"',
    "any": "a text, a number, true or false",
}
