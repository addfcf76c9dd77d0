"""Formula: what a list is filtered and boosted by: conditions of `expression`, with arithmetic, and more to speak of.

A name stands for the item that is judged, `context.` for the item in view, `user.` for who asks, `now()` for the clock.
What is not there makes a comparison false and arithmetic not there either; division by an item's 0 is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypeAlias

from engine.expression import Joined, Not, is_whole, moment_of

#: `span` is a length of time in seconds, `any` an attribute of which only the value says what it is.
Kind = Literal["text", "texts", "number", "flag", "time", "span", "any"]
Whose = Literal["item", "context", "user"]
Refuse = Callable[[str], NoReturn]

#: What may be asked of an item, be it the one that is judged or the one in view.
ITEM_FIELDS: Mapping[str, Kind] = {
    **dict.fromkeys(("item_id", "name", "brand", "category"), "text"),
    **dict.fromkeys(("categories", "tags"), "texts"),
    **dict.fromkeys(("price", "list_price", "cost", "margin", "stock"), "number"),
    **dict.fromkeys(("available_from", "available_until", "first_sold_at"), "time"),
    "available": "flag",
    "attributes.*": "any",
}
USER_FIELDS: Mapping[str, Kind] = {
    **dict.fromkeys(("user_id", "region", "zone", "gender", "age_band", "birthday"), "text"),
    **dict.fromkeys(("orders", "days_since_order"), "number"),
    "attributes.*": "any",
}
#: What a shop does not show to everybody: a filter on it would tell.
SECRET = frozenset({"cost", "margin"})


@dataclass(frozen=True, slots=True)
class Constant:
    """`value` is of its kind: times are epoch seconds, the list of `in` a tuple."""

    kind: Kind
    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    kind: Kind
    whose: Whose
    field: str


@dataclass(frozen=True, slots=True)
class Now:
    kind: Kind = "time"


@dataclass(frozen=True, slots=True)
class Computed:
    """`op` is one of + - * /."""

    op: str
    left: Node
    right: Node
    kind: Kind


@dataclass(frozen=True, slots=True)
class Compared:
    """`left` speaks of the item, if one of both does."""

    op: str
    left: Node
    right: Node
    kind: Kind = "flag"


@dataclass(frozen=True, slots=True)
class IsNull:
    part: Node
    kind: Kind = "flag"


@dataclass(frozen=True, slots=True)
class Choice:
    """`if condition then one else other`."""

    condition: Node
    then: Node
    otherwise: Node
    kind: Kind


Leaf: TypeAlias = "Constant | Name | Now | Computed | Compared | IsNull | Choice"
Node: TypeAlias = "Leaf | Not[Leaf] | Joined[Leaf]"

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ORDERED = frozenset({"number", "time", "span", "any"})


def kind_of(node: Node) -> Kind:
    return "flag" if isinstance(node, Not | Joined) else node.kind


def parts_of(node: Node) -> tuple[Node, ...]:
    """What a node is made of."""
    if isinstance(node, Joined):
        return node.parts
    if isinstance(node, Not | IsNull):
        return (node.part,)
    if isinstance(node, Computed | Compared):
        return node.left, node.right
    return (node.condition, node.then, node.otherwise) if isinstance(node, Choice) else ()


def names_in(node: Node) -> set[tuple[Whose, str]]:
    """Whose fields a formula speaks of."""
    own = {(node.whose, node.field)} if isinstance(node, Name) else set()
    return own.union(*(names_in(each) for each in parts_of(node)))


def speaks_of_items(node: Node) -> bool:
    return any(whose == "item" for whose, _ in names_in(node))


def is_fixed(node: Node) -> bool:
    """Whether the formula says the same of an item whoever asks, and whenever."""
    if isinstance(node, Now) or (isinstance(node, Name) and node.whose != "item"):
        return False
    return all(is_fixed(each) for each in parts_of(node))


def computed(op: str, left: Node, right: Node, refuse: Refuse) -> Node:
    """Arithmetic of two nodes, when their kinds go together and nothing is divided by a 0 that stands there."""
    one, other = _as_number(kind_of(left)), _as_number(kind_of(right))
    kinds: Mapping[tuple[Kind, str, Kind], Kind] = {
        **{("number", each, "number"): "number" for each in "+-*/"},
        **{("time", each, "span"): "time" for each in "+-"},
        **{("span", each, "span"): "span" for each in "+-"},
        **{("span", each, "number"): "span" for each in "*/"},
        ("span", "+", "time"): "time",
        ("time", "-", "time"): "span",
        ("number", "*", "span"): "span",
        ("span", "/", "span"): "number",
    }
    kind = kinds.get((one, op, other))
    if kind is None:
        refuse(f"{one} {op} {other} means nothing; numbers, times and days() can be computed with")
    if op == "/" and isinstance(right, Constant) and right.value == 0:
        refuse("divides by zero")
    return Computed(op, left, right, kind)


def compared(op: str, left: Node, right: Node, refuse: Refuse) -> Node:
    """A comparison of two nodes, when their kinds can be held against each other."""
    if speaks_of_items(right) and not speaks_of_items(left) and op in ("=", "!=", *_FLIPPED):
        left, right, op = right, left, _FLIPPED.get(op, op)
    one = kind_of(left)
    if op == "in":
        return Compared(op, left, _set_for(left, right, refuse))
    if op in ("has", "contains"):
        wanted = ("texts", "any") if op == "has" else ("text", "any")
        if one not in wanted or kind_of(right) != "text":
            refuse(f"{op} asks a field of {' or '.join(wanted)} for a text in quotes")
        return Compared(op, left, right)
    right = _as_time(right, refuse) if one == "time" else right
    left = _as_time(left, refuse) if kind_of(right) == "time" else left
    one, other = kind_of(left), kind_of(right)
    if one != other and "any" not in (one, other):
        refuse(f"compares {one} with {other}")
    if "texts" in (one, other):
        refuse("a list of texts can be asked: has, in, is null")
    if op in _FLIPPED and not {one, other} <= _ORDERED:
        refuse(f"{op} compares numbers, times and days(), not {other if one in _ORDERED else one}")
    if one == "text" and speaks_of_items(right):
        refuse("two texts of the same item cannot be compared; compare with a text, context. or user.")
    return Compared(op, left, right)


def chosen(condition: Node, then: Node, otherwise: Node, refuse: Refuse) -> Node:
    if kind_of(condition) != "flag":
        refuse("if needs a condition")
    kinds = _as_number(kind_of(then)), _as_number(kind_of(otherwise))
    if kinds[0] != kinds[1] or kinds[0] not in ("number", "time", "span"):
        refuse("then and else must both be numbers")
    return Choice(condition, then, otherwise, kinds[0])


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


def _set_for(left: Node, right: Node, refuse: Refuse) -> Node:
    one = kind_of(left)
    if isinstance(right, Name):
        if right.whose == "item" or right.kind != "texts" or one not in ("text", "texts"):
            refuse("in needs a list in brackets, or the texts of context. or user.")
        return right
    assert isinstance(right, Constant)
    wanted = {"text": str, "texts": str, "number": int | float, "any": object}.get(one)
    if wanted is None:
        refuse(f"in asks for texts and numbers, not for {one}")
    for value in right.value:
        if not isinstance(value, wanted) or (one == "number" and isinstance(value, bool)):
            refuse(f"in needs a list of {'numbers' if one == 'number' else 'texts'} here")
    return right


def _as_time(node: Node, refuse: Refuse) -> Node:
    """A text that stands where a time is needed, as one."""
    if isinstance(node, Constant) and node.kind == "text":
        moment = moment_of(node.value)
        if moment is None:
            refuse('needs a time with its zone, such as "2026-01-31T12:00:00Z"')
        return Constant("time", moment.timestamp())
    return node


def _as_number(kind: Kind) -> Kind:
    return "number" if kind == "any" else kind
