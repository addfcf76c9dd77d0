"""Scope: which items an offer is about, as a condition on item documents; one that nothing can fulfil is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from engine.expression import Comparison, Expression, Joined, Not, kind_of, moment_of
from engine.expression_forms import parse
from engine.shop_documents import CONDITION_FIELDS
from engine.targeting.terms_reader import refuse

#: Numbers of items that are never below 0.
_NEVER_NEGATIVE = ("price", "list_price", "cost", "stock")
_MOST_CASES = 256
_ORDER = ("<", "<=", ">", ">=")
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
#: A condition that is no other one's `Joined` or `Not`, and whether it must hold or must not.
_Term = tuple[Expression, bool]
_Plain = tuple[Comparison, bool]


def scope(given: Any, path: str) -> Expression:
    """The condition of a text or its JSON form. Raises BadInput, also for one that no item can fulfil."""
    found = parse(given, CONDITION_FIELDS["items"], word=path)
    if is_impossible(found):
        refuse(path, "no item can fulfil this: its parts contradict one another", "impossible_scope")
    return found


def is_impossible(expression: Expression) -> bool:
    """Whether its parts contradict one another. Some contradictions stay unseen, no possible condition is refused."""
    cases = _cases(expression, wanted=True)
    return cases is not None and all(_is_contradiction(each) for each in cases)


def _cases(expression: Expression, *, wanted: bool) -> list[list[_Term]] | None:
    """The ways to fulfil it, each a list of terms that must all be so; None where there are too many to look at."""
    if isinstance(expression, Not):
        return _cases(expression.part, wanted=not wanted)
    if not isinstance(expression, Joined):
        return [[(expression, wanted)]]
    parts = [_cases(each, wanted=wanted) for each in expression.parts]
    found: list[list[_Term]] = [[]] if (expression.how == "all") == wanted else []
    for part in parts:
        if part is None:
            return None
        if (expression.how == "all") == wanted:
            found = [[*one, *other] for one in found for other in part]
        else:
            found = [*found, *part]
        if len(found) > _MOST_CASES:
            return None
    return found


def _is_contradiction(terms: Collection[_Term]) -> bool:
    by_field: dict[str, list[_Plain]] = {}
    for term, wanted in terms:
        if isinstance(term, Comparison) and term.is_plain:
            by_field.setdefault(term.field, []).append((term, wanted))
    return any((term, not wanted) in terms for term, wanted in terms) or any(
        _clash(name, of_field) for name, of_field in by_field.items()
    )


def _clash(name: str, terms: list[_Plain]) -> bool:
    is_there = any((term.op != "is null") == wanted for term, wanted in terms if wanted or term.op == "is null")
    if any(term.op == "is null" and wanted for term, wanted in terms) and is_there:
        return True
    allowed: dict[tuple[type, Any], Any] | None = None
    for term, wanted in terms:
        if wanted and term.op in ("=", "in") and kind_of(term.left) != "texts":
            values = {_key(each): each for each in _values(term)}
            allowed = values if allowed is None else {key: allowed[key] for key in allowed.keys() & values.keys()}
    bounds = [(term.op, each) for term, wanted in terms if wanted and term.op in _ORDER for each in _values(term)]
    if is_there:
        unmet = [term for term, wanted in terms if not wanted and term.op in _ORDER]
        bounds += [(_OPPOSITE[term.op], each) for term in unmet for each in _values(term)]
        bounds += [(">=", 0)] if name in _NEVER_NEGATIVE else []
    times = [each for each in bounds if isinstance(each[1], datetime)]
    numbers = [each for each in bounds if not isinstance(each[1], datetime | str)]
    if allowed is None:
        return _is_empty(numbers) or _is_empty(times)
    unwanted = _unwanted(terms)
    left = [value for key, value in allowed.items() if key not in unwanted]
    return not [each for each in left if not isinstance(each, int | float) or not _is_outside(each, numbers)]


def _unwanted(terms: list[_Plain]) -> set[tuple[type, Any]]:
    found = set()
    for term, wanted in terms:
        if wanted == (term.op == "!=") and term.op in ("=", "in", "!=") and kind_of(term.left) != "texts":
            found |= {_key(each) for each in _values(term)}
    return found


def _values(term: Comparison) -> tuple[Any, ...]:
    """What a term asks for; times, and texts that are in order, as moments."""
    values: tuple[Any, ...] = term.value if term.op == "in" else (term.value,)
    in_time = kind_of(term.right) == "time" or term.op in _ORDER
    return tuple((moment_of(each) or each) if in_time and isinstance(each, str) else each for each in values)


def _key(value: Any) -> tuple[type, Any]:
    kind = bool if isinstance(value, bool) else float if isinstance(value, int | float) else type(value)
    return kind, value


def _is_outside(value: float, bounds: list[tuple[str, Any]]) -> bool:
    return any(_is_empty([(">=", value), ("<=", value), bound]) for bound in bounds)


def _is_empty(bounds: list[tuple[str, Any]]) -> bool:
    """Whether no value lies within all of the bounds."""
    above = [(value, op == ">") for op, value in bounds if op in (">", ">=")]
    below = [(value, op == "<") for op, value in bounds if op in ("<", "<=")]
    return any(low > high or (low == high and (one or other)) for low, one in above for high, other in below)


def fields_of_line(item_id: str, fields: Mapping[str, Any], prices: Mapping[str, int | None]) -> Mapping[str, Any]:
    """What conditions are asked of: the item's document with the prices of the line."""
    return {**fields, "item_id": item_id, **{name: price for name, price in prices.items() if price is not None}}
