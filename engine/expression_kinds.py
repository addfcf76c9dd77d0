"""Expression kinds: which values go together; whatever is read passes here, and what means nothing is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from engine.errors import BadInput
from engine.expression import (
    MOST_TERMS,
    NOTHING,
    NOW,
    Asked,
    Choice,
    Comparison,
    Computed,
    Constant,
    Expression,
    Fields,
    Kind,
    Name,
    is_whole,
    kind_of,
    moment_of,
    names_in,
    nearest,
)

Refuse = Callable[[str], NoReturn]

_FLIPPED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
OPERATORS = (*_FLIPPED, "in", "contains", "has", "is null")
_ORDERED = frozenset({"number", "time", "span"})
_COMPUTED: Mapping[tuple[Kind, str, Kind], Kind] = {
    **{("number", each, "number"): "number" for each in "+-*/"},
    **{("time", each, "span"): "time" for each in "+-"},
    **{("span", each, "span"): "span" for each in "+-"},
    **{("span", each, "number"): "span" for each in "*/"},
    ("span", "+", "time"): "time",
    ("time", "-", "time"): "span",
    ("number", "*", "span"): "span",
    ("span", "/", "span"): "number",
}


def named(name: str, fields: Fields, refuse: Refuse) -> Name:
    """The field of that name; whose it is stands before the first point."""
    if not is_whole(name):
        refuse("the name of a field holds NUL or half of a surrogate pair, which no text can carry")
    kind = kind_of_field(name, fields)
    head, _, rest = name.partition(".")
    if kind is None and (name == NOW or head in ("context", "user")) and NOW not in fields:
        refuse(f"{name!a} can only be asked in wishes of a list; here there are {', '.join(fields)}")
    if kind is None:
        refuse(f"there is no field {name!a}{nearest(name, fields)}")
    if NOW in fields and head in ("context", "user"):
        return Name(kind, "context" if head == "context" else "user", rest)
    return Name(kind, "clock" if name == NOW else "item", name)


def constant(value: Any, refuse: Refuse) -> Constant:
    """A value that stands in a text or in JSON."""
    if isinstance(value, str):
        if not is_whole(value):
            refuse("a text holds NUL or half of a surrogate pair, which no text can carry")
        return Constant("text", value)
    if isinstance(value, bool):
        return Constant("flag", value)
    if type(value) not in (int, float) or not abs(value) < 1e308:
        refuse("needs a text, a number, true or false")
    return Constant("number", value)


def constants(values: Any, refuse: Refuse) -> Constant:
    """What stands behind `in`."""
    if type(values) is not list or not 0 < len(values) <= MOST_TERMS:
        refuse(f"in needs a list of 1 to {MOST_TERMS} values")
    return Constant("any", tuple(constant(each, refuse).value for each in values))


def computed(op: str, left: Expression, right: Expression, refuse: Refuse) -> Computed:
    """Arithmetic of two nodes, when their kinds go together and nothing is divided by a 0 that stands there."""
    one, other = _as_number(kind_of(left)), _as_number(kind_of(right))
    kind = _COMPUTED.get((one, op, other))
    if kind is None:
        refuse(f"{one} {op} {other} means nothing; numbers, times and days() can be computed with")
    if op == "/" and isinstance(right, Constant) and right.value == 0:
        refuse("divides by zero")
    return Computed(op, left, right, kind)


def chosen(condition: Expression, then: Expression, otherwise: Expression, refuse: Refuse) -> Choice:
    if kind_of(condition) != "flag":
        refuse("if needs a condition")
    kinds = _as_number(kind_of(then)), _as_number(kind_of(otherwise))
    if kinds[0] != kinds[1] or kinds[0] not in _ORDERED:
        refuse("then and else must both be numbers")
    return Choice(condition, then, otherwise, kinds[0])


def compared(op: str, left: Expression, right: Expression, refuse: Refuse) -> Comparison:
    """A comparison of two nodes, when their kinds can be held against each other."""
    if op in _FLIPPED and not _speaks_of_items(left) and _speaks_of_items(right):
        left, right, op = right, left, _FLIPPED[op]
    one = kind_of(left)
    if op == "is null":
        return Comparison(left, op, NOTHING)
    if op == "in":
        return Comparison(left, op, _set_for(one, right, refuse))
    if op in ("has", "contains"):
        wanted = ("texts", "any") if op == "has" else ("text", "any")
        if one not in wanted or kind_of(right) != "text":
            refuse(f"{op} asks a field of {' or '.join(wanted)} for a text in quotes")
        return Comparison(left, op, right)
    right = _as_time(right, refuse) if one == "time" else right
    left = _as_time(left, refuse) if kind_of(right) == "time" else left
    one, other = (("text" if kind == "levels" else kind) for kind in (kind_of(left), kind_of(right)))
    if one != other and "any" not in (one, other):
        refuse(f"compares {one} with {other}")
    if "texts" in (one, other):
        refuse("a list of texts can be asked: has, in, is null")
    if op not in ("=", "!="):
        for kind, side in ((one, left), (other, right)):
            # What stands there against an attribute is in order with what is of its kind.
            if kind not in _ORDERED and not ("any" in (one, other) and (kind == "any" or isinstance(side, Constant))):
                refuse(f"{op} compares numbers, times and days(), not {kind}")
    if "text" in (one, other) and _speaks_of_items(right):
        refuse("two texts of the same item cannot be compared; compare with a text, context. or user.")
    return Comparison(left, op, right)


def checked(term: Asked, fields: Fields, refuse: Refuse) -> Comparison:
    """The plain term, when its field is known, can be asked so, and the value is of its kind."""
    left = named(term.field, fields, refuse)
    if not isinstance(term.op, str) or term.op not in OPERATORS:
        refuse(f"can be asked {', '.join(OPERATORS)}, not {term.op!a}")
    if term.op == "is null":
        if term.value is not None:
            refuse("is null takes no value")
        return compared(term.op, left, NOTHING, refuse)
    return compared(term.op, left, (constants if term.op == "in" else constant)(term.value, refuse), refuse)


def _set_for(one: Kind, right: Expression, refuse: Refuse) -> Expression:
    if not isinstance(right, Constant) or not isinstance(right.value, tuple):
        named_list = isinstance(right, Name) and right.whose != "item" and right.kind == "texts"
        if not named_list or one not in ("text", "texts"):
            refuse("in needs a list in brackets, or the texts of context. or user.")
        return right
    wanted: Any = {"text": str, "texts": str, "levels": str, "number": int | float, "any": object}.get(one)
    if wanted is None:
        refuse(f"in asks for texts and numbers, not for {one}")
    for value in right.value:
        if not isinstance(value, wanted) or (one == "number" and isinstance(value, bool)):
            refuse(f"in needs a list of {'numbers' if one == 'number' else 'texts'} here")
    return right


def _speaks_of_items(node: Expression) -> bool:
    if isinstance(node, Constant | Name):
        return isinstance(node, Name) and node.whose == "item"
    return any(whose == "item" for whose, _ in names_in(node))


def _as_time(node: Expression, refuse: Refuse) -> Expression:
    """A text that stands where a time is needed, as one."""
    if not isinstance(node, Constant) or node.kind != "text":
        return node
    if moment_of(node.value) is None:
        refuse('needs a time with its zone, such as "2026-01-31T12:00:00Z"')
    return Constant("time", node.value)


def _as_number(kind: Kind) -> Kind:
    return "number" if kind == "any" else kind


def kind_of_field(name: str, fields: Fields) -> Kind | None:
    """The kind of a field, which may be known by its name or by what it lies below."""
    found = fields.get(name)
    if found is None and not name.endswith("."):
        below = (kind for known, kind in fields.items() if known.endswith(".*") and name.startswith(known[:-1]))
        return next(below, None)
    return found


def refuser(word: str, position: int | None = None, *, field: str | None = None) -> Refuse:
    """Refuses at that place of the input that is called `word`, which is the `field` unless that is told."""

    def refuse(told: str) -> NoReturn:
        raise BadInput(f"{word}: {told}", field=word if field is None else field, position=position)

    return refuse
