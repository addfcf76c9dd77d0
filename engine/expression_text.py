"""Expression text: conditions as people write them.

    categories has "Milk" and (price < 500 or attributes.bio = true) and not brand in ("A", "B")

`and` binds stronger than `or`, `not` strongest. Texts are written as in JSON, times as ISO-8601 texts, names with odd
characters in backquotes.
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
    OPERATORS,
    Comparison,
    Expression,
    Fields,
    Joined,
    Not,
    Tree,
    checked,
    parse_json,
)

TOKENS = (
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<quoted>`[^`]+`)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'
    r"|(?P<word>[^\W\d][\w.]*)|(?P<sign>!=|<=|>=|[=<>(),])"
)
_TOKEN = re.compile(rf"\s*(?:{TOKENS})")
WORDS = frozenset({"and", "or", "not", "in", "is", "null", "has", "contains", "true", "false"})


def parse(given: Any, fields: Fields) -> Expression:
    """The tree of a text or of its JSON form. Raises BadInput with the place of what is wrong."""
    if isinstance(given, str):
        return parse_text(given, fields)
    return parse_json(given, fields)


def parse_text(text: str, fields: Fields) -> Expression:
    """The tree of a text; `position` of a BadInput is the character."""
    return Reader(text, fields).whole()


def to_text(expression: Expression) -> str:
    """The text, which `parse_text` reads as the same tree."""
    if isinstance(expression, Joined):
        word = " and " if expression.how == "all" else " or "
        return word.join(
            f"({to_text(each)})" if isinstance(each, Joined) else to_text(each) for each in expression.parts
        )
    if isinstance(expression, Not):
        # No brackets around what needs none: reading counts them as one more level.
        inner = to_text(expression.part)
        return f"not ({inner})" if isinstance(expression.part, Joined) else f"not {inner}"
    return f"{name_in_text(expression.field)} {asked_in_text(expression.op, expression.value)}"


def name_in_text(name: str) -> str:
    plain = re.fullmatch(r"[^\W\d][\w.]*", name) and name.lower() not in WORDS
    return name if plain else f"`{name}`"


def asked_in_text(op: str, value: Any) -> str:
    """What is asked of a field: the operator and the value."""
    if op == "is null":
        return op
    return f"in ({', '.join(map(json.dumps, value))})" if op == "in" else f"{op} {json.dumps(value)}"


class Reader:
    """Recursive descent over the tokens of one text. Errors name `word` as their field and the character as place."""

    word = "filter"
    token = _TOKEN
    most_tokens = MOST_TERMS * 4

    def __init__(self, text: str, fields: Fields) -> None:
        if len(text) > LONGEST_TEXT:
            raise BadInput(f"{self.word}: has {len(text)} characters, at most {LONGEST_TEXT}", field=self.word)
        self._fields = fields
        self._tokens: list[tuple[str, str, int]] = []
        self._at = self._depth = 0
        place = 0
        text = text.rstrip()
        while place < len(text):
            found = self.token.match(text, place)
            if found is None:
                place += len(text[place:]) - len(text[place:].lstrip())
                told = f"{self.word}: cannot read {text[place : place + 10]!a}"
                raise BadInput(told, field=self.word, position=place)
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind], found.start(kind)))
            place = found.end()
        self._end = len(text)

    def whole(self) -> Tree[Any]:
        found = self._either()
        if self._at < len(self._tokens):
            self._refuse("expected and, or, or the end")
        return found

    def _either(self) -> Tree[Any]:
        return self._joined("any", "or", lambda: self._joined("all", "and", self._one))

    def _joined(self, how: Literal["all", "any"], word: str, read: Callable[[], Tree[Any]]) -> Tree[Any]:
        parts = [read()]
        while self._take(word):
            parts.append(read())
        return parts[0] if len(parts) == 1 else Joined(how, tuple(parts))

    def _one(self) -> Tree[Any]:
        self._depth += 1
        if self._depth > DEEPEST or self._at > self.most_tokens:
            self._refuse(f"at most {MOST_TERMS} terms, {DEEPEST} deep")
        if self._take("not"):
            found: Tree[Any] = Not(self._one())
        elif self._take("("):
            found = self._either()
            self._need(")")
        else:
            found = self._term()
        self._depth -= 1
        return found

    def _term(self) -> Tree[Any]:
        _, _, position = self._peek()
        term, negated = self._asked(self._name("expected a field"))
        found = self._checked(term, position)
        return Not(found) if negated else found

    def _checked(self, term: Comparison, position: int) -> Comparison:
        return checked(term, self._fields, position, self.word)

    def _name(self, expected: str) -> str:
        kind, text, _ = self._peek()
        if kind not in ("word", "quoted") or (kind == "word" and text.lower() in WORDS):
            self._refuse(expected)
        self._at += 1
        return text.strip("`") if kind == "quoted" else text

    def _asked(self, name: str) -> tuple[Comparison, bool]:
        """The operator and value after a name, not yet checked; and whether it is the opposite that is asked."""
        if self._take("is"):
            negated = self._take("not")
            self._need("null")
            return Comparison(name, "is null", None), negated
        negated = self._take("not")
        op = self._peek()[1].lower()
        if op not in OPERATORS["any"] or (negated and op != "in"):
            self._refuse(f"expected one of {', '.join(OPERATORS['any'])}")
        self._at += 1
        return Comparison(name, op, self._list() if op == "in" else self._value()), negated

    def _list(self) -> list[Any]:
        self._need("(")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._need(")")
        return values

    def _value(self) -> Any:
        kind, text, _ = self._peek()
        if kind not in ("text", "number") and text.lower() not in ("true", "false"):
            self._refuse("expected a text in quotes, a number, true or false")
        try:
            value = json.loads(text.lower() if kind == "word" else text)
        except ValueError:
            self._refuse("this text is not written as in JSON")
        self._at += 1
        return value

    def _peek(self, ahead: int = 0) -> tuple[str, str, int]:
        place = self._at + ahead
        return self._tokens[place] if place < len(self._tokens) else ("end", "", self._end)

    def _take(self, word: str) -> bool:
        kind, text, _ = self._peek()
        if kind in ("word", "sign") and text.lower() == word:
            self._at += 1
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._take(word):
            self._refuse(f"expected {word}")

    def _refuse(self, told: str) -> NoReturn:
        _, text, position = self._peek()
        found = f", found {text!a}" if text else ", found the end"
        raise BadInput(f"{self.word}: {told}{found}", field=self.word, position=position)
