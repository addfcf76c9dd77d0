"""Formula text: filters and boosts as people write them, and conditions as JSON.

    categories has "Milk" and price between 100 and context.price * 1.2 and not brand in ("A", "B")
    if margin / price > 0.3 then 1.5 else 1

`and` binds stronger than `or`, `not` stronger than `and`, comparisons next, then `+ -`, then `* /`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NoReturn

from engine.errors import BadInput
from engine.expression import (
    DEEPEST,
    MOST_TERMS,
    Comparison,
    Fields,
    Joined,
    Not,
    Tree,
    is_whole,
    nearest,
    parse_json,
)
from engine.expression_text import WORDS, Reader
from engine.formula import (
    ITEM_FIELDS,
    USER_FIELDS,
    Constant,
    IsNull,
    Kind,
    Name,
    Node,
    Now,
    Whose,
    chosen,
    compared,
    computed,
    constant,
    kind_of,
)

_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<quoted>`[^`]+`)|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'
    r"|(?P<word>[^\W\d][\w.]*)|(?P<sign>!=|<=|>=|[-+*/=<>(),]))"
)
_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">=", "has", "contains", "in"})
_SPANS = {"days": 86_400.0, "hours": 3_600.0, "minutes": 60.0}
_MORE_WORDS = WORDS | {"between", "if", "then", "else"}
#: What is longer is read at each request: a cache of long texts would be a cache of megabytes.
_LONGEST_KEPT = 2_000


def parse_condition(given: Any, word: str = "filter") -> Node:
    """The condition of a text, or of the JSON form. BadInput names `word`, and in texts the character."""
    if not isinstance(given, str):
        return _of_json(given, word)
    return _parsed(given, word, "flag")


def parse_number(given: str, word: str = "boost") -> Node:
    """The formula of a number; of a condition becomes one with `if ... then ... else ...`."""
    return _parsed(given, word, "number")


def _parsed(text: str, word: str, kind: Kind) -> Node:
    return (_kept if len(text) <= _LONGEST_KEPT else _read)(text, word, kind)


def _read(text: str, word: str, kind: Kind) -> Node:
    found = _FormulaReader(text, word).formula()
    said = kind_of(found)
    if said != kind and not (kind == "number" and said == "any"):
        wanted = "a condition" if kind == "flag" else "a number"
        raise BadInput(f"{word}: must be {wanted}, and is {said}", field=word, position=0)
    return found


_kept = lru_cache(maxsize=512)(_read)


def _of_json(given: Any, word: str) -> Node:
    def term(asked: Comparison, fields: Fields, position: int | None, word: str) -> Any:
        def refuse(told: str) -> NoReturn:
            raise BadInput(f"{word}: {asked.field!a}: {told}", field=word)

        left = named(asked.field, refuse)
        if asked.op == "is null":
            return IsNull(left)
        if not isinstance(asked.op, str) or asked.op not in _OPERATORS:
            refuse(f"can be asked {', '.join(sorted(_OPERATORS))}, is null, not {asked.op!a}")
        if asked.op == "in":
            if type(asked.value) is not list or not 0 < len(asked.value) <= MOST_TERMS:
                refuse(f"in needs a list of 1 to {MOST_TERMS} values")
            return compared("in", left, Constant("any", tuple(constant(v, refuse).value for v in asked.value)), refuse)
        if type(asked.value) is dict and set(asked.value) == {"formula"} and isinstance(asked.value["formula"], str):
            return compared(asked.op, left, _FormulaReader(asked.value["formula"], word).formula(), refuse)
        return compared(asked.op, left, constant(asked.value, refuse), refuse)

    found: Any = parse_json(given, {}, word=word, check=term)
    return found  # type: ignore[no-any-return]


def named(name: str, refuse: Callable[[str], NoReturn]) -> Name:
    """The field of that name; whose it is stands before the first point."""
    if not is_whole(name):
        refuse("the name of a field holds NUL or half of a surrogate pair, which no text can carry")
    head, _, rest = name.partition(".")
    whose: Whose = "context" if head == "context" and rest else "user" if head == "user" and rest else "item"
    fields = USER_FIELDS if whose == "user" else ITEM_FIELDS
    field = name if whose == "item" else rest
    kind = "any" if field.startswith("attributes.") and len(field) > 11 else fields.get(field)
    if kind is None or field == "attributes.*":
        offered = nearest(field, fields)
        refuse(f"there is no field {name!a}{offered.replace('mean ', f'mean {head}.') if whose != 'item' else offered}")
    return Name(kind, whose, field)


class _FormulaReader(Reader):
    """The reader of conditions, in which each side of a comparison may be computed."""

    token = _TOKEN

    def __init__(self, text: str, word: str) -> None:
        self.word = word
        super().__init__(text, {})
        if len(self._tokens) > self.most_tokens:
            raise BadInput(f"{word}: at most {MOST_TERMS} terms, {DEEPEST} deep", field=word)

    def formula(self) -> Node:
        found: Any = self.whole()
        return found  # type: ignore[no-any-return]

    def _joined(self, how: Literal["all", "any"], word: str, read: Callable[[], Tree[Any]]) -> Tree[Any]:
        at = self._place()
        parts = [read()]
        while self._take(word):
            self._need_flag(parts[-1], at)
            at = self._place()
            parts.append(read())
        if len(parts) == 1:
            return parts[0]
        self._need_flag(parts[-1], at)
        return Joined(how, tuple(parts))

    def _one(self) -> Tree[Any]:
        self._depth += 1
        if self._depth > DEEPEST:
            self._refuse(f"at most {MOST_TERMS} terms, {DEEPEST} deep")
        at = self._place()
        found: Any
        if self._take("not"):
            inner = self._one()
            self._need_flag(inner, at)
            found = Not(inner)
        else:
            found = self._comparison(at)
        self._depth -= 1
        return found

    def _comparison(self, at: int) -> Node:
        left = self._sum()
        if self._take("is"):
            negated = self._take("not")
            self._need("null")
            return Not(IsNull(left)) if negated else IsNull(left)
        negated = self._peek()[1].lower() == "not" and self._take("not")
        op = self._peek()[1].lower()
        if op == "between":
            found = self._between(left, at)
        elif op in _OPERATORS and self._peek()[0] in ("word", "sign"):
            self._at += 1
            right = self._set() if op == "in" else self._sum()
            found = compared(op, left, right, self._refuser(at))
        elif negated:
            self._refuse("expected in, has, contains or between")
        else:
            return left
        return Not(found) if negated else found

    def _between(self, left: Node, at: int) -> Node:
        self._need("between")
        least = self._sum()
        self._need("and")
        most, refuse = self._sum(), self._refuser(at)
        return Joined("all", (compared(">=", left, least, refuse), compared("<=", left, most, refuse)))

    def _sum(self) -> Node:
        return self._chain(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._chain(("*", "/"), self._signed)

    def _chain(self, signs: tuple[str, str], read: Callable[[], Node]) -> Node:
        at = self._place()
        found, values = read(), 1
        while (op := self._peek()[1]) in signs:
            place, values = self._place(), values + 1
            if values > DEEPEST:
                self._refuse(f"at most {DEEPEST} values in one sum or product")
            self._at += 1
            found = computed(op, found, read(), self._refuser(place if op == "/" else at))
        return found

    def _signed(self) -> Node:
        at, negative = self._place(), False
        while self._take("-"):
            negative = not negative
        found = self._single()
        if not negative:
            return found
        if isinstance(found, Constant) and found.kind == "number":
            return Constant("number", -found.value)
        return computed("*", Constant("number", -1), found, self._refuser(at))

    def _single(self) -> Node:
        kind, text, at = self._peek()
        if self._take("("):
            found: Any = self._either()
            self._need(")")
            return found  # type: ignore[no-any-return]
        if kind in ("text", "number") or (kind == "word" and text.lower() in ("true", "false")):
            return constant(self._value(), self._refuser(at))
        if self._take("if"):
            return self._choice(at)
        if kind == "word" and self._peek(1)[1] == "(":
            return self._function(text, at)
        return named(self._name("expected a field or a value"), self._refuser(at))

    def _choice(self, at: int) -> Node:
        condition: Any = self._either()
        self._need("then")
        then: Any = self._either()
        self._need("else")
        otherwise: Any = self._either()
        return chosen(condition, then, otherwise, self._refuser(at))

    def _function(self, name: str, at: int) -> Node:
        if name not in ("now", *_SPANS):
            self._refuse(f"there is no function {name!a}; there are now, {', '.join(_SPANS)}")
        self._at += 2
        if name == "now":
            self._need(")")
            return Now()
        value = self._value()
        self._need(")")
        if type(value) not in (int, float) or not value < 1e9:
            self._refuser(at)(f"{name} needs a number")
        return Constant("span", value * _SPANS[name])

    def _set(self) -> Node:
        at = self._place()
        if self._peek()[1] != "(":
            return named(self._name("expected a list in brackets"), self._refuser(at))
        return Constant("any", tuple(constant(each, self._refuser(at)).value for each in self._list()))

    def _value(self) -> Any:
        if self._take("-"):
            if self._peek()[0] != "number":
                self._refuse("expected a number")
            return -super()._value()
        return super()._value()

    def _name(self, expected: str) -> str:
        kind, text, _ = self._peek()
        if kind == "word" and text.lower() in _MORE_WORDS:
            self._refuse(expected)
        return super()._name(expected)

    def _place(self) -> int:
        return self._peek()[2]

    def _need_flag(self, node: Any, at: int) -> None:
        if kind_of(node) != "flag":
            self._refuser(at)(f"expected a condition, and this is {kind_of(node)}")

    def _refuser(self, at: int) -> Callable[[str], NoReturn]:
        def refuse(told: str) -> NoReturn:
            raise BadInput(f"{self.word}: {told}", field=self.word, position=at)

        return refuse
