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
    checked,
    parse_json,
)

_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<quoted>`[^`]+`)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'
    r"|(?P<word>[^\W\d][\w.]*)|(?P<sign>!=|<=|>=|[=<>(),]))"
)
_WORDS = frozenset({"and", "or", "not", "in", "is", "null", "has", "contains", "true", "false"})


def parse(given: Any, fields: Fields) -> Expression:
    """The tree of a text or of its JSON form. Raises BadInput with the place of what is wrong."""
    if isinstance(given, str):
        return parse_text(given, fields)
    return parse_json(given, fields)


def parse_text(text: str, fields: Fields) -> Expression:
    """The tree of a text; `position` of a BadInput is the character."""
    if len(text) > LONGEST_TEXT:
        raise BadInput(f"filter: has {len(text)} characters, at most {LONGEST_TEXT}", field="filter")
    return _Reader(text, fields).whole()


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
    plain = re.fullmatch(r"[^\W\d][\w.]*", expression.field) and expression.field.lower() not in _WORDS
    name = expression.field if plain else f"`{expression.field}`"
    if expression.op == "is null":
        return f"{name} is null"
    if expression.op == "in":
        return f"{name} in ({', '.join(map(json.dumps, expression.value))})"
    return f"{name} {expression.op} {json.dumps(expression.value)}"


class _Reader:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str, fields: Fields) -> None:
        self._fields = fields
        self._tokens: list[tuple[str, str, int]] = []
        self._at = self._depth = 0
        place = 0
        text = text.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                place += len(text[place:]) - len(text[place:].lstrip())
                raise BadInput(f"filter: cannot read {text[place : place + 10]!a}", field="filter", position=place)
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind], found.start(kind)))
            place = found.end()
        self._end = len(text)

    def whole(self) -> Expression:
        found = self._either()
        if self._at < len(self._tokens):
            self._refuse("expected and, or, or the end")
        return found

    def _either(self) -> Expression:
        return self._joined("any", "or", lambda: self._joined("all", "and", self._one))

    def _joined(self, how: Literal["all", "any"], word: str, read: Callable[[], Expression]) -> Expression:
        parts = [read()]
        while self._take(word):
            parts.append(read())
        return parts[0] if len(parts) == 1 else Joined(how, tuple(parts))

    def _one(self) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST or self._at > MOST_TERMS * 4:
            self._refuse(f"at most {MOST_TERMS} terms, {DEEPEST} deep")
        if self._take("not"):
            found: Expression = Not(self._one())
        elif self._take("("):
            found = self._either()
            self._need(")")
        else:
            found = self._term()
        self._depth -= 1
        return found

    def _term(self) -> Expression:
        kind, text, position = self._peek()
        if kind not in ("word", "quoted") or (kind == "word" and text.lower() in _WORDS):
            self._refuse("expected a field")
        self._at += 1
        field = text.strip("`") if kind == "quoted" else text
        if self._take("is"):
            negated = self._take("not")
            self._need("null")
            term = checked(Comparison(field, "is null", None), self._fields, position)
            return Not(term) if negated else term
        negated = self._take("not")
        op = self._peek()[1].lower()
        if op not in OPERATORS["any"] or (negated and op != "in"):
            self._refuse(f"expected one of {', '.join(OPERATORS['any'])}")
        self._at += 1
        value = self._list() if op == "in" else self._value()
        term = checked(Comparison(field, op, value), self._fields, position)
        return Not(term) if negated else term

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

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "", self._end)

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
        raise BadInput(f"filter: {told}{found}", field="filter", position=position)
