"""Expression: the one language of conditions and formulas. Its tree stands here.

Filters and boosts of lists, scopes of offers and filters of jobs are such trees; segment rules join leaves of their own
with the same `Not` and `Joined`. A use says in its table of fields what may be named: lists have the item in view
(`context.`), who asks (`user.`) and the clock (`now()`) in it, scopes and jobs only the fields of a document. Trees are
read from text and JSON (expression_forms), and asked of one document (expression_row) or of columns (recommend/rules),
with the same answers:

- What is not there makes a comparison false, `!=` too, and arithmetic not there; `is null` asks for it. What is
  divided by a 0 of the item is not there. An empty text or list is there in a document, columns know none.
- Values of different kinds are never equal, nor in order; true is not 1. Money is a number of minor units.
- Letters count as they are written, but for `contains`. Times are moments, however they are written; of two texts in an
  attribute `=` asks for the same letters, an order for moments.
- `has` asks a list for one text, `in` a list for any of several; of a list in an attribute only `has` can be asked. In
  a document a category is an entry of `categories`, in lists also a path, "Dairy / Milk".
- Two texts of one item cannot be compared; two of its attributes are compared as numbers.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar

#: `levels` is a path of names and equals each of them, `span` a length of time in seconds, `any` an attribute of which
#: only the value says what it is.
Kind = Literal["text", "texts", "levels", "number", "flag", "time", "span", "any"]
#: The fields that a use knows, by name. A name that ends in `.*` stands for all below it.
Fields = Mapping[str, Kind]
Whose = Literal["item", "context", "user", "clock"]

#: Of brackets and conditions in each other, and of values in one sum; of terms; of characters.
DEEPEST, MOST_TERMS, LONGEST_TEXT = 32, 500, 20_000
NOW = "now()"

Leaf = TypeVar("Leaf")


@dataclass(frozen=True, slots=True)
class Constant:
    """`value` is of its kind, a tuple behind `in`, None where nothing is. Times are ISO-8601 texts or epoch seconds."""

    kind: Kind
    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """A field of the item or user that is judged (`item`), or of whom a request brings; the clock's is `now()`."""

    kind: Kind
    whose: Whose
    field: str

    @property
    def written(self) -> str:
        return f"{self.whose}.{self.field}" if self.whose in ("context", "user") else self.field


@dataclass(frozen=True, slots=True)
class Computed:
    """`op` is one of + - * /."""

    op: str
    left: Expression
    right: Expression
    kind: Kind


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left` speaks of the item, if one of both does. `right` of `is null` is `NOTHING`."""

    left: Expression
    op: str
    right: Expression

    @property
    def is_plain(self) -> bool:
        """Whether a field is held against what stands there; segment rules have no others."""
        return isinstance(self.left, Name) and isinstance(self.right, Constant)

    @property
    def field(self) -> str:
        """The name of a plain one."""
        assert isinstance(self.left, Name)
        return self.left.field

    @property
    def value(self) -> Any:
        """What a plain one asks for."""
        assert isinstance(self.right, Constant)
        return self.right.value


@dataclass(frozen=True, slots=True)
class Choice:
    """`if condition then one else other`."""

    condition: Expression
    then: Expression
    otherwise: Expression
    kind: Kind


@dataclass(frozen=True, slots=True)
class Not(Generic[Leaf]):
    part: Leaf | Not[Leaf] | Joined[Leaf]


@dataclass(frozen=True, slots=True)
class Joined(Generic[Leaf]):
    """`how` is all or any."""

    how: Literal["all", "any"]
    parts: tuple[Leaf | Not[Leaf] | Joined[Leaf], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A plain term as it was given, before `checked`."""

    field: str
    op: Any
    value: Any


#: Segment rules are the same tree with leaves of their own, and conditions on their events have plain terms only.
Tree: TypeAlias = Leaf | Not[Leaf] | Joined[Leaf]
Terms: TypeAlias = Tree[Comparison]
Part: TypeAlias = Constant | Name | Computed | Comparison | Choice
Expression: TypeAlias = "Part | Not[Part] | Joined[Part]"

NODES = (Constant, Name, Computed, Comparison, Choice, Not, Joined)
NOTHING = Constant("any", None)


def kind_of(node: Any) -> Kind:
    kind: Kind = getattr(node, "kind", "flag")  # conditions have none, and those of segments neither
    return kind


def walked(node: Expression) -> Iterator[tuple[Expression, int]]:
    """Every node with how deep it stands; the whole one at 1."""
    waiting: list[tuple[Expression, int]] = [(node, 1)]
    while waiting:
        part, depth = waiting.pop()
        yield part, depth
        inner: tuple[Expression, ...] = ()
        if isinstance(part, Joined):
            inner = part.parts
        elif isinstance(part, Not):
            inner = (part.part,)
        elif isinstance(part, Computed | Comparison):
            inner = part.left, part.right
        elif isinstance(part, Choice):
            inner = part.condition, part.then, part.otherwise
        waiting += [(each, depth + 1) for each in inner]


def names_in(node: Expression) -> set[tuple[Whose, str]]:
    """Whose fields are spoken of."""
    return {(each.whose, each.field) for each, _ in walked(node) if isinstance(each, Name)}


def is_fixed(node: Expression) -> bool:
    """Whether it says the same of an item whoever asks, and whenever."""
    return all(whose == "item" for whose, _ in names_in(node))


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that nobody knows; empty when there is none to offer."""
    found = difflib.get_close_matches(name, [each for each in known if "*" not in each], n=1, cutoff=0.0)
    return f"; did you mean {found[0]}?" if found else ""


def is_whole(text: str) -> bool:
    """Whether stores can keep the text: conditions become rows of jobs, segments and offers."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text))


def lowered(text: str) -> str:
    """Small letters, letter by letter as SQL does it: without the Greek rule for the end of a word."""
    return text.lower() if text.isascii() else "".join(each.lower()[0] for each in text)


def moment_of(text: Any) -> datetime | None:
    """The time of an ISO-8601 text with its zone; None of everything else."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None
