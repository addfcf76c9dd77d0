"""Expression forms: a condition or formula as text or as JSON, read for one use and written again.

    {"all": [{"field": "price", "op": "<", "value": 500}, {"not": {"field": "brand", "op": "in", "value": ["A", "B"]}}]}

A value may be `{"formula": "list_price * 0.8"}`, and what has no other form in JSON is `{"formula": TEXT}`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from engine.errors import BadInput
from engine.expression import (
    DEEPEST,
    MOST_TERMS,
    Asked,
    Choice,
    Comparison,
    Computed,
    Constant,
    Expression,
    Fields,
    Joined,
    Kind,
    Name,
    Not,
    Terms,
    kind_of,
)
from engine.expression_kinds import OPERATORS, checked, compared, named, refuser
from engine.expression_text import MINUS, SPANS, TOO_LARGE, WORDS, Reader


def parse(given: Any, fields: Fields, *, word: str = "filter", kind: Kind = "flag") -> Expression:
    """The tree of a text, or of the JSON form of a condition; `kind` is what must come out, a flag or a number.

    Raises BadInput whose `field` is `word` and whose `position` is the character of a text.
    """
    if not isinstance(given, str):
        found: Expression = parse_json(given, word, lambda part, depth: _leaf(part, fields, word, depth))
        return found
    return _of_kind(kind, Reader(given, fields, word).expression(), word)


def parse_json(given: Any, word: str, leaf: Callable[[dict[str, Any], int], Any]) -> Any:
    """The tree of `{"all": [...]}`, `{"any": [...]}` and `{"not": ...}`; `leaf` reads the rest, told how deep it is."""
    terms = [0]

    def read(part: Any, depth: int) -> Any:
        terms[0] += 1
        if depth > DEEPEST or terms[0] > MOST_TERMS:
            raise BadInput(f"{word}: {TOO_LARGE}", field=word)
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
        return leaf(part, depth)

    return read(given, 1)


def term_of(part: dict[str, Any], word: str) -> Asked:
    """The plain term of `{"field", "op", "value"}`, not yet checked."""
    if not {"field", "op"} <= set(part) <= {"field", "op", "value"} or not isinstance(part["field"], str):
        raise BadInput(f"{word}: a term has a field, an op and a value, or is all, any or not", field=word)
    return Asked(part["field"], part["op"], part.get("value"))


def to_json(expression: Expression | Terms) -> dict[str, Any]:
    """The JSON form, which is read as the same tree."""
    if isinstance(expression, Joined):
        return {expression.how: [to_json(each) for each in expression.parts]}
    if isinstance(expression, Not):
        return {"not": to_json(expression.part)}
    if not isinstance(expression, Comparison) or not isinstance(expression.left, Name):
        return {"formula": to_text(expression)}
    told, right = {"field": expression.left.written, "op": expression.op}, expression.right
    if expression.op == "is null":
        return told
    if not isinstance(right, Constant) or right.kind == "span":
        return {**told, "value": {"formula": to_text(right)}}
    return {**told, "value": list(right.value) if expression.op == "in" else right.value}


def to_text(expression: Any, leaf: Callable[[Any], str] | None = None) -> str:
    """The one canonical text, which is read as the same tree; `leaf` writes leaves that are not of this language."""
    if isinstance(expression, Joined):
        word = " and " if expression.how == "all" else " or "
        return word.join(
            f"({to_text(each, leaf)})" if isinstance(each, Joined) else to_text(each, leaf) for each in expression.parts
        )
    if isinstance(expression, Not):
        # No brackets around what needs none: reading counts them as one more level.
        inner = to_text(expression.part, leaf)
        return f"not ({inner})" if isinstance(expression.part, Joined) else f"not {inner}"
    return (leaf or _part_text)(expression)


def name_in_text(name: str) -> str:
    plain = re.fullmatch(r"[^\W\d][\w.]*", name) and name.lower() not in WORDS
    return name if plain else f"`{name}`"


def asked_in_text(op: str, value: Any) -> str:
    """What is asked of a field: the operator and the value."""
    if op == "is null":
        return op
    return f"in ({', '.join(map(json.dumps, value))})" if op == "in" else f"{op} {json.dumps(value)}"


def _leaf(part: dict[str, Any], fields: Fields, word: str, depth: int) -> Expression:
    if set(part) == {"formula"} and isinstance(part["formula"], str):
        return _of_kind("flag", _formula(part, fields, word, depth), word)
    term = term_of(part, word)
    refuse = refuser(f"{word}: {term.field!a}", field=word)
    if type(term.value) is dict and set(term.value) == {"formula"} and isinstance(term.value["formula"], str):
        if term.op not in OPERATORS[:-1]:
            refuse(f"can be asked {', '.join(OPERATORS)}, not {term.op!a}")
        right = _formula(term.value, fields, word, depth)
        return compared(term.op, named(term.field, fields, refuse), right, refuse)
    return checked(term, fields, refuse)


def _formula(part: dict[str, Any], fields: Fields, word: str, depth: int) -> Expression:
    return Reader(part["formula"], fields, word, depth=depth - 1).expression()


def _of_kind(kind: Kind, found: Expression, word: str) -> Expression:
    said = kind_of(found)
    if said != kind and not (kind == "number" and said == "any"):
        wanted = "a condition" if kind == "flag" else "a number"
        raise BadInput(f"{word}: must be {wanted}, and is {said}", field=word, position=0)
    return found


def _part_text(node: Expression) -> str:
    if isinstance(node, Constant):
        return _span_text(node.value) if node.kind == "span" else json.dumps(node.value)
    if isinstance(node, Name):
        return node.written if node.whose == "clock" else name_in_text(node.written)
    if isinstance(node, Comparison):
        if isinstance(node.right, Constant) and node.right.kind != "span":
            return f"{_side(node.left)} {asked_in_text(node.op, node.right.value)}"
        return f"{_side(node.left)} {node.op} {_side(node.right)}"
    if isinstance(node, Choice):
        return f"if {to_text(node.condition)} then {to_text(node.then)} else {to_text(node.otherwise)}"
    assert isinstance(node, Computed)
    if _is_negative(node):
        return f"-{_side(node.right, bare=False)}"
    is_product = _is_product(node)
    steps = _steps(node.left, is_product)
    is_longest = steps > 0 and steps % (DEEPEST - 1) == 0  # then reading asks for brackets
    left = _side(node.left, bare=not is_longest and (not is_product or _is_product(node.left)))
    right = _side(node.right, bare=_is_negative(node.right) or (not is_product and _is_product(node.right)))
    return f"{left} {node.op} {right}"


def _side(node: Expression, *, bare: bool = True) -> str:
    """A side of something; arithmetic in it has no brackets where it is `bare`."""
    plain = isinstance(node, Constant | Name) or (bare and isinstance(node, Computed))
    return to_text(node) if plain else f"({to_text(node)})"


def _is_product(node: Expression) -> bool:
    return isinstance(node, Computed) and node.op in "*/"


def _is_negative(node: Expression) -> bool:
    """Whether it is written with a minus before it."""
    return isinstance(node, Computed) and (node.op, node.left) == ("*", MINUS) and not _is_number(node.right)


def _is_number(node: Expression) -> bool:
    return isinstance(node, Constant) and node.kind == "number"


def _steps(node: Expression, of_product: bool) -> int:
    """How long the chain is that begins with the node."""
    steps = 0
    while isinstance(node, Computed) and _is_product(node) == of_product and not _is_negative(node):
        node, steps = node.left, steps + 1
    return steps


def _span_text(seconds: float) -> str:
    """In the largest unit in which it can be read as the same number."""
    for unit, length in SPANS.items():
        near = seconds / length
        for count in (near, math.nextafter(near, math.inf), math.nextafter(near, -math.inf)):
            if count * length == seconds:
                return f"{unit}({int(count) if count.is_integer() else repr(count)})"
    raise AssertionError(seconds)
