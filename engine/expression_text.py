"""Expression text: conditions and formulas as people write them.

    categories has "Milk" and price between 100 and list_price * 0.8 and not brand in ("A", "B")
    if margin / price > 0.3 then 1.5 else 1

`and` binds stronger than `or`, `not` stronger than `and`, comparisons next, then `+ -`, then `* /`. Texts are
written as in JSON, times as ISO-8601 texts, names with odd characters in backquotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal, NoReturn

from engine.errors import BadInput
from engine.expression import (
    DEEPEST,
    LONGEST_TEXT,
    MOST_TERMS,
    NOTHING,
    NOW,
    Constant,
    Expression,
    Fields,
    Joined,
    Not,
    kind_of,
    walked,
)
from engine.expression_kinds import OPERATORS, Refuse, chosen, compared, computed, constant, constants, named, refuser

TOKENS = (
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<quoted>`[^`]+`)|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'
    r"|(?P<word>[^\W\d][\w.]*)|(?P<sign>!=|<=|>=|[-+*/=<>(),])"
)
WORDS = frozenset({"and", "or", "not", "in", "is", "null", "has", "contains", "true", "false"})
_MORE_WORDS = WORDS | {"between", "if", "then", "else"}
SPANS = {"days": 86_400.0, "hours": 3_600.0, "minutes": 60.0}
#: How many nodes may stand in each other: some more and walking them is too deep for Python.
_MOST_STEPS = 6 * DEEPEST
MINUS = Constant("number", -1)
TOO_LARGE = f"at most {MOST_TERMS} terms, {DEEPEST} deep"


def _levels(node: Any) -> int:
    """How deep conditions stand in each other; as deep is the text, and the JSON form."""
    parts = node.parts if isinstance(node, Joined) else (node.part,) if isinstance(node, Not) else ()
    return 1 + max(map(_levels, parts), default=0)


class Reader:
    """Recursive descent over the tokens of one text. Errors name `word` as their field and the character as place."""

    token = re.compile(rf"\s*(?:{TOKENS})")
    most_tokens = MOST_TERMS * 4

    def __init__(self, text: str, fields: Fields, word: str = "filter", *, depth: int = 0) -> None:
        if len(text) > LONGEST_TEXT:
            raise BadInput(f"{word}: has {len(text)} characters, at most {LONGEST_TEXT}", field=word)
        self.word = word
        self._fields = fields
        self._tokens: list[tuple[str, str, int]] = []
        self._at, self._depth = 0, depth
        place = 0
        text = text.rstrip()
        while place < len(text):
            found = self.token.match(text, place)
            if found is None:
                place += len(text[place:]) - len(text[place:].lstrip())
                raise BadInput(f"{word}: cannot read {text[place : place + 10]!a}", field=word, position=place)
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind], found.start(kind)))
            place = found.end()
        self._end = len(text)

    def whole(self) -> Any:
        found = self._either()
        if self._at < len(self._tokens):
            self._refuse("expected and, or, or the end")
        return found

    def expression(self) -> Expression:
        """The whole text in this language: a condition or a value."""
        found: Expression = self.whole()
        if self._depth + _levels(found) > DEEPEST:  # `not in` and `between` are levels without brackets
            raise BadInput(f"{self.word}: {TOO_LARGE}", field=self.word)
        if len(self._tokens) > _MOST_STEPS and any(depth > _MOST_STEPS for _, depth in walked(found)):
            raise BadInput(f"{self.word}: at most {_MOST_STEPS} computations in each other", field=self.word)
        return found

    def _either(self) -> Any:
        return self._joined("any", "or", lambda: self._joined("all", "and", self._one))

    def _joined(self, how: Literal["all", "any"], word: str, read: Callable[[], Any]) -> Any:
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

    def _one(self) -> Any:
        self._depth += 1
        if self._depth > DEEPEST or self._at > self.most_tokens:
            self._refuse(TOO_LARGE)
        at = self._place()
        if self._take("not"):
            found: Any = self._one()
            self._need_flag(found, at)
            found = Not(found)
        else:
            found = self._term(at)
        self._depth -= 1
        return found

    def _term(self, at: int) -> Any:
        """A comparison, or what may stand on a side of one."""
        left = self._sum()
        op, negated = self._operator()
        if not op:
            return left
        refuse = refuser(self.word, at)
        if op == "between":
            least = self._sum()
            self._need("and")
            within = compared(">=", left, least, refuse), compared("<=", left, self._sum(), refuse)
            found: Expression = Joined("all", within)
        else:
            right = NOTHING if op == "is null" else self._set() if op == "in" else self._sum()
            found = compared(op, left, right, refuse)
        return Not(found) if negated else found

    def _operator(self) -> tuple[str, bool]:
        """What comes behind a value, and whether it is the opposite that is asked; empty where it is no operator."""
        if self._take("is"):
            negated = self._take("not")
            self._need("null")
            return "is null", negated
        negated = self._take("not")
        kind, text, _ = self._peek()
        op = text.lower()
        if kind in ("word", "sign") and (op in OPERATORS or op == "between"):
            self._at += 1
            return op, negated
        if negated:
            self._refuse("expected in, has, contains or between")
        return "", False

    def _sum(self) -> Any:
        return self._chain("+-", self._product)

    def _product(self) -> Any:
        return self._chain("*/", self._signed)

    def _chain(self, signs: str, read: Callable[[], Any]) -> Any:
        at, found, values = self._place(), read(), 1
        while self._peek()[0] == "sign" and (op := self._peek()[1]) in signs:
            place, values = self._place(), values + 1
            if values > DEEPEST:
                self._refuse(f"at most {DEEPEST} values in one sum or product")
            self._at += 1
            found = computed(op, found, read(), refuser(self.word, place if op == "/" else at))
        return found

    def _signed(self) -> Any:
        at, negative = self._place(), False
        while self._take("-"):
            negative = not negative
        found = self._single()
        if negative and isinstance(found, Constant) and found.kind == "number":
            return Constant("number", -found.value)
        return computed("*", MINUS, found, refuser(self.word, at)) if negative else found

    def _single(self) -> Any:
        kind, text, at = self._peek()
        refuse = refuser(self.word, at)
        if self._take("("):
            found = self._either()
            self._need(")")
            return found
        if kind in ("text", "number") or (kind == "word" and text.lower() in ("true", "false")):
            return constant(self._value(), refuse)
        if self._take("if"):
            return self._choice(refuse)
        if kind == "word" and self._peek(1)[1] == "(":
            return self._function(text, refuse)
        return named(self._name("expected a field or a value"), self._fields, refuse)

    def _choice(self, refuse: Refuse) -> Any:
        condition = self._either()
        self._need("then")
        then = self._either()
        self._need("else")
        return chosen(condition, then, self._either(), refuse)

    def _function(self, name: str, refuse: Refuse) -> Any:
        if name not in ("now", *SPANS):
            self._refuse(f"there is no function {name!a}; there are now, {', '.join(SPANS)}")
        self._at += 2
        if name == "now":
            self._need(")")
            return named(NOW, self._fields, refuse)
        value = self._value()
        self._need(")")
        if type(value) not in (int, float) or not value < 1e9:
            refuse(f"{name} needs a number")
        return Constant("span", value * SPANS[name])

    def _set(self) -> Any:
        refuse = refuser(self.word, self._place())
        if self._peek()[1] != "(":
            return named(self._name("expected a list in brackets"), self._fields, refuse)
        return constants(self._list(), refuse)

    def _list(self) -> list[Any]:
        self._need("(")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._need(")")
        return values

    def _value(self) -> Any:
        negative = self._take("-")
        kind, text, _ = self._peek()
        if kind != "number" and (negative or (kind != "text" and text.lower() not in ("true", "false"))):
            self._refuse("expected a number" if negative else "expected a text in quotes, a number, true or false")
        try:
            value = json.loads(text.lower() if kind == "word" else text)
        except ValueError:
            self._refuse("this text is not written as in JSON")
        self._at += 1
        return -value if negative else value

    def _name(self, expected: str) -> str:
        kind, text, _ = self._peek()
        if kind not in ("word", "quoted") or (kind == "word" and text.lower() in _MORE_WORDS):
            self._refuse(expected)
        self._at += 1
        return text.strip("`")

    def _peek(self, ahead: int = 0) -> tuple[str, str, int]:
        place = self._at + ahead
        return self._tokens[place] if place < len(self._tokens) else ("end", "", self._end)

    def _place(self) -> int:
        return self._peek()[2]

    def _take(self, word: str) -> bool:
        kind, text, _ = self._peek()
        if kind in ("word", "sign") and text.lower() == word:
            self._at += 1
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._take(word):
            self._refuse(f"expected {word}")

    def _need_flag(self, node: Any, at: int) -> None:
        if kind_of(node) != "flag":
            refuser(self.word, at)(f"expected a condition, and this is {kind_of(node)}")

    def _refuse(self, told: str) -> NoReturn:
        _, text, position = self._peek()
        found = f", found {text!a}" if text else ", found the end"
        raise BadInput(f"{self.word}: {told}{found}", field=self.word, position=position)
