"""Segment text: rules as people write them.

    spend(90d) >= 20000 and not bought(category = "PASTRY", 30d) and region = "Hubei"

`and`, `or`, `not` and comparisons are those of every condition (engine/expression_text.py); a bare name is a trait, and
money is in minor units as everywhere. A name with brackets is one of

    bought(...)  viewed(...)  did(type, ...)                    happened at least once
    spend(...) >= 20000       orders(...) >= 2                  paid for purchases; different orders
    count(type, ...) >= 3     days_since(type, ...) > 30
    sum|avg|min|max|last|distinct(type.field, ...) >= 3         of amount, quantity, item_id, properties.x, ...
    first(type, ..., 30d)                                       the first such event ever lies in the window
    then(cart_add(...), purchase(...), 2d)                      the one and later the other, at most 2 days apart
    then(cart_add(...), not purchase(...), 2d)                  the one and not the other, and the 2 days are over
    prediction("churn") >= 0.7    segment("id")    share("salt", 0, 0.1)

and `...` is, each at most once: a condition on the event and its item (`category = "PASTRY" and amount > 100`), and a
window: `90d`, `12h`, `30m` (minutes), `1d12h`, or `since "2026-01-01T00:00:00Z"` and `until "..."`.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from engine.expression import Asked, Comparison, Not, Terms, nearest
from engine.expression_forms import asked_in_text, name_in_text, to_text
from engine.expression_kinds import OPERATORS
from engine.expression_text import TOKENS, WORDS, Reader
from engine.targeting import segment_leaves as leaves
from engine.targeting.segment_json import parse_rule_json
from engine.targeting.segments import (
    EVENT_FIELDS,
    Events,
    First,
    Measured,
    Member,
    Place,
    Predicted,
    Rule,
    RuleLeaf,
    Sequence,
    Share,
    Span,
    Words,
)

#: Short words for a measure of a type: (type, measure, of).
_SHORT = {
    "bought": ("purchase", "count", None),
    "viewed": ("view", "count", None),
    "spend": ("purchase", "sum", "amount"),
    "orders": ("purchase", "distinct", "order_id"),
}
_OF_TYPE = ("did", "count", "days_since", "first")
_OF_FIELD = ("sum", "avg", "min", "max", "last", "distinct")
_HAPPENED = Asked("count", ">=", 1)
CALLS = (*_SHORT, *_OF_TYPE, *_OF_FIELD, "then", "prediction", "segment", "share")


def parse_rule(given: Any, words: Words, *, field: str = "rule") -> Rule:
    """The tree of a text or of its JSON form. Raises BadInput with the place of what is wrong."""
    read = parse_rule_text if isinstance(given, str) else parse_rule_json
    return read(given, words, field=field)


def parse_rule_text(text: str, words: Words, *, field: str = "rule") -> Rule:
    """The tree of a text; `position` of a BadInput is the character."""
    return leaves.weighed(_RuleReader(text, words, field).whole(), Place(field, 0))


def rule_to_text(rule: Rule) -> str:
    """The one canonical text, which `parse_rule_text` reads as the same tree."""
    return to_text(rule, _leaf_text)


def _leaf_text(leaf: RuleLeaf) -> str:
    if isinstance(leaf, Comparison):
        return to_text(leaf)
    if isinstance(leaf, Predicted):
        return f"prediction({json.dumps(leaf.name)}) {asked_in_text(leaf.op, leaf.value)}"
    if isinstance(leaf, Member):
        return f"segment({json.dumps(leaf.segment)})"
    if isinstance(leaf, Share):
        return f"share({json.dumps(leaf.salt)}, {leaf.start!r}, {leaf.end!r})"
    if isinstance(leaf, First):
        return f"first({_arguments(name_in_text(leaf.events.type), leaf.events)})"
    if isinstance(leaf, Sequence):
        did, then = (f"{name_in_text(each.type)}({_arguments('', each)})" for each in (leaf.did, leaf.then))
        within = "" if leaf.within is None else f", {leaves.written_duration(leaf.within, short=True)}"
        return f"then({did}, {'not ' if leaf.absent else ''}{then}{within})"
    return _measure_text(leaf)


def _measure_text(leaf: Measured) -> str:
    events = leaf.events
    happened = leaf.measure == "count" and (leaf.op, leaf.value) == (">=", 1) and type(leaf.value) is int
    for short, meaning in _SHORT.items():
        if meaning == (events.type, leaf.measure, leaf.of) and (happened or leaf.measure != "count"):
            asked = "" if happened else f" {asked_in_text(leaf.op, leaf.value)}"
            return f"{short}({_arguments('', events)}){asked}"
    if happened:
        return f"did({_arguments(name_in_text(events.type), events)})"
    subject = name_in_text(events.type if leaf.of is None else f"{events.type}.{leaf.of}")
    return f"{leaf.measure}({_arguments(subject, events)}) {asked_in_text(leaf.op, leaf.value)}"


def _arguments(subject: str, events: Events) -> str:
    span = events.span
    return ", ".join(
        filter(
            None,
            (
                subject,
                to_text(events.where) if events.where is not None else "",
                leaves.written_duration(span.within, short=True) if span.within is not None else "",
                f'since "{leaves.written_time(span.since)}"' if span.since is not None else "",
                f'until "{leaves.written_time(span.until)}"' if span.until is not None else "",
            ),
        )
    )


class _RuleReader(Reader):
    """The reader of conditions, with calls for terms; inside the brackets of a call it reads conditions on events."""

    token = re.compile(rf"\s*(?:(?P<window>(?:\d+[A-Za-z])+)(?![\w.])|{TOKENS})")
    most_tokens = 20_000  # the length of the text is the limit, and then `weighed`

    def __init__(self, text: str, words: Words, word: str) -> None:
        super().__init__(text, words.traits, word)
        self._words = words
        self._in_scope = False

    def _term(self, at: int) -> Any:
        """A call, a plain comparison, or what stands in brackets."""
        kind, text, _ = self._peek()
        if self._take("("):
            found = self._either()
            self._need(")")
            return found
        if not self._in_scope and kind == "word" and text.lower() not in WORDS and self._peek(1)[1] == "(":
            return self._call()
        given, negated = self._asked(self._name("expected a field"))
        place = Place(self.word, at)
        term = leaves.event_term(given, place) if self._in_scope else leaves.trait_term(given, self._fields, place)
        return Not(term) if negated else term

    def _asked(self, name: str) -> tuple[Asked, bool]:
        """The operator and value after a name, not yet checked; and whether it is the opposite that is asked."""
        begin = self._at
        op, negated = self._operator()
        if op in ("", "between") or (negated and op not in ("in", "is null")):
            self._at = begin
            self._refuse(f"expected one of {', '.join(OPERATORS)}")
        value = None if op == "is null" else self._list() if op == "in" else self._value()
        return Asked(name, op, value), negated

    def _here(self) -> Place:
        return Place(self.word, self._peek()[2])

    def _call(self) -> RuleLeaf:
        place = self._here()
        name = self._peek()[1].lower()
        if name not in CALLS:
            place.refuse(f"there is no {name!a}(...){nearest(name, CALLS)}")
        self._at += 2
        if name in ("prediction", "segment", "share"):
            return self._of_words(name, place)
        if name == "then":
            return self._sequence(place)
        measure, of = ("count", None) if name == "did" else (name, None)
        if name in _SHORT:
            events_type, measure, of = _SHORT[name]
            leaves.event_type(events_type, self._words, place)
            events = self._events(events_type, begun=False)
        else:
            subject = self._here()
            named = self._name("expected an event type")
            if name in _OF_FIELD:
                named, _, of = named.partition(".")
            events = self._events(leaves.event_type(named, self._words, subject), begun=True)
        if name == "first":
            return leaves.first(events, place)
        asked = _HAPPENED if name in ("bought", "viewed", "did") else self._plain(name)
        return leaves.measured(events, measure, of=of or None, asked=asked, place=place)

    def _of_words(self, name: str, place: Place) -> RuleLeaf:
        given = [self._value()]
        while self._take(","):
            given.append(self._value())
        self._need(")")
        if len(given) != (3 if name == "share" else 1):
            place.refuse('is written prediction("name"), segment("id") or share("salt", 0, 0.1)')
        if name == "share":
            return leaves.share(given[0], given[1], given[2], place)
        told = leaves.whole_text(given[0], place)
        if name == "segment":
            return Member(told)
        return leaves.predicted(self._plain(told), self._words.predictions, place)

    def _plain(self, name: str) -> Asked:
        """What is asked of a call: without the short forms of the opposite, which `not` before it says."""
        place = self._here()
        asked, negated = self._asked(name)
        if negated:
            place.refuse("write not before the name")
        return asked

    def _sequence(self, place: Place) -> RuleLeaf:
        did = self._one_of_both()
        self._need(",")
        absent = self._take("not")
        then = self._one_of_both()
        within = None
        if self._take(","):
            within = self._window()
        self._need(")")
        return leaves.sequence(did, then, absent=absent, within=within, place=place)

    def _one_of_both(self) -> Events:
        place = self._here()
        name = leaves.event_type(self._name("expected an event type"), self._words, place)
        return self._events(name, begun=False) if self._take("(") else Events(name)

    def _window(self) -> timedelta:
        kind, text, position = self._peek()
        if kind != "window":
            self._refuse("expected a window such as 90d, 12h or 30m")
        self._at += 1
        return leaves.duration(text, Place(self.word, position))

    def _events(self, name: str, *, begun: bool) -> Events:
        """The rest of a call up to its bracket; `begun` when something stands before it in the brackets."""
        where: Terms | None = None
        within: timedelta | None = None
        bounds: dict[str, datetime] = {}
        while not self._take(")"):
            if begun:
                self._need(",")
            begun = True
            kind, text, position = self._peek()
            place = Place(self.word, position)
            word = text.lower() if kind == "word" and self._peek(1)[0] == "text" else ""
            if kind == "window" and within is None and not bounds:
                within = self._window()
            elif word in ("since", "until") and word not in bounds and within is None:
                self._at += 1
                bounds[word] = leaves.moment(self._value(), place)
            elif kind == "window" or word in ("since", "until"):
                place.refuse("a second window; there is one, moving (90d) or fixed (since, until)")
            elif where is None:
                where = self._scope()
            else:
                place.refuse("a second condition; join both with and")
        if len(bounds) == 2 and bounds["since"] >= bounds["until"]:
            Place(self.word, self._peek(-1)[2]).refuse("until must be later than since")
        return Events(name, where, Span(within, bounds.get("since"), bounds.get("until")))

    def _scope(self) -> Terms:
        kept = self._fields, self._depth
        self._fields, self._depth, self._in_scope = EVENT_FIELDS, 0, True
        found: Terms = self._either()
        (self._fields, self._depth), self._in_scope = kept, False
        return found
