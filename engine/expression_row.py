"""Expression row: what an expression says of one document, be it in the wire form or a line of a basket."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from engine.expression import (
    Choice,
    Comparison,
    Computed,
    Constant,
    Expression,
    Joined,
    Name,
    Not,
    kind_of,
    lowered,
    moment_of,
)

COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPUTE: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def matches(expression: Expression, row: Mapping[str, Any]) -> bool:
    """Whether one document (wire form) fulfils the condition; what lists ask of a request is bound before."""
    if isinstance(expression, Comparison):
        left, op, right = expression.left, expression.op, expression.right
        value, wanted = _value(left, row), _value(right, row)
        if op == "is null" or value is None or wanted is None:
            return op == "is null" and value is None
        if isinstance(value, list | tuple) and op == "in":
            return (kind_of(left) == "texts" or isinstance(left, Constant)) and any(each in wanted for each in value)
        if isinstance(right, Name) and right.kind == kind_of(left) == "any" and not _is_number(value):
            return False  # two attributes of one item are compared as numbers
        return holds(value, op, wanted)
    if isinstance(expression, Joined):
        wants_all = expression.how == "all"
        for each in expression.parts:
            if matches(each, row) is not wants_all:
                return not wants_all
        return wants_all
    if isinstance(expression, Not):
        return not matches(expression.part, row)
    return _value(expression, row) is True


def _value(node: Expression, row: Mapping[str, Any]) -> Any:
    """What a node is in a document; None where it is not there. Times are epoch seconds."""
    if isinstance(node, Name):
        found = row[node.field] if node.field in row else value_at(row, node.field)
        return _seconds(found) if node.kind == "time" else found
    if isinstance(node, Constant):
        return _seconds(node.value) if node.kind == "time" else node.value
    if isinstance(node, Computed):
        one, other = _number(node.left, row), _number(node.right, row)
        if one is None or other is None or (node.op == "/" and other == 0):
            return None
        found = _COMPUTE[node.op](one, other)
        return found if math.isfinite(found) else None
    if isinstance(node, Choice):
        return _number(node.then if matches(node.condition, row) else node.otherwise, row)
    return matches(node, row)


def _number(node: Expression, row: Mapping[str, Any]) -> float | None:
    found = _value(node, row)
    return float(found) if _is_number(found) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _seconds(value: Any) -> float | None:
    return _moment(value) if isinstance(value, str) else value


@lru_cache(maxsize=4_096)
def _moment(text: str) -> float | None:
    moment = moment_of(text)
    return None if moment is None else moment.timestamp()


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
        return None not in moments and bool(COMPARE[op](*moments))
    return bool(COMPARE[op](value, wanted))


def _same_kind(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool)
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return numbers or (isinstance(one, str) and isinstance(other, str))


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """What stands under a name, or under the names between its dots; None when nothing does."""
    if path in row or "." not in path:
        return row.get(path)
    head, _, rest = path.partition(".")
    inner = row.get(head)
    return value_at(inner, rest) if isinstance(inner, Mapping) else None
