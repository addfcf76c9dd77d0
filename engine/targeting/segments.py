"""Segments: a rule is a tree of all, any and not over leaves on traits, predictions, memberships and events.

Windows mean the same wherever a rule is answered: `Span.limits` says it, nothing else does. Money is in minor units.
A comparison with what is not there is false; `count`, `sum` and `distinct` of nothing are 0,
other measures of nothing are not there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn, TypeAlias

from engine.errors import BadInput
from engine.events import EVENT_TYPES
from engine.expression import Comparison, Fields, Joined, Kind, Not, Terms, Tree

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=3650)  # a window is at least the one and less than the other
SHARES = 1 << 60  # the salted hash of a user is a whole number below it
MILLION = 1_000_000  # sums and averages count in millionths, so that no order of adding changes them
LARGEST_SUMMED = 10**12  # a property beyond it is no quantity; sums leave it out

#: What conditions on an event and its item may name. `category` is any level of the item's path.
ITEM_FIELDS: Fields = {"item_id": "text", "category": "levels", "brand": "text", "tags": "texts", "price": "number"}
EVENT_FIELDS: Fields = {
    **dict.fromkeys(("amount", "list_amount", "quantity"), "number"),
    **dict.fromkeys(("source", "coupon_code", "order_id", "session_id"), "text"),
    **ITEM_FIELDS,
    "properties.*": "any",
}
#: What can be measured of an event.
VALUES: Fields = {name: kind for name, kind in EVENT_FIELDS.items() if kind in ("number", "text", "any")}

Measure = Literal["count", "sum", "avg", "min", "max", "last", "distinct", "days_since"]
#: The kinds of values that each measure can be of; count and days_since are of the event itself.
MEASURES: Mapping[str, tuple[Kind, ...]] = {
    "count": (),
    "sum": ("number", "any"),
    "avg": ("number", "any"),
    "min": ("number", "any"),
    "max": ("number", "any"),
    "last": ("number", "text", "any"),
    "distinct": ("number", "text", "any"),
    "days_since": (),
}


@dataclass(frozen=True, slots=True)
class Span:
    """When events count: the last `within`, or from `since` up to `until`, or ever when all are None."""

    within: timedelta | None = None
    since: datetime | None = None
    until: datetime | None = None

    def limits(self, now: datetime) -> tuple[tuple[str, datetime], ...]:
        """What the time of an event must fulfil: a window excludes its start and includes now, `since` is included,
        `until` is not, and nothing after `now` ever counts."""
        found = [("<=", now)]
        if self.within is not None:
            found.append((">", now - self.within))
        if self.since is not None:
            found.append((">=", self.since))
        if self.until is not None:
            found.append(("<", self.until))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Events:
    """The events of one type that fulfil a condition and lie in a span."""

    type: str
    where: Terms | None = None
    span: Span = field(default_factory=Span)


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure over events, compared. `last` is the last known value, of several at one moment the greatest."""

    events: Events
    measure: Measure
    of: str | None
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class First:
    """The first such event ever lies in the span."""

    events: Events


@dataclass(frozen=True, slots=True)
class Sequence:
    """Some event `did` was followed by one of `then`, later and at most `within` after it (None: whenever up to now).

    `absent`: some event `did` was not followed so, and the time to wait is over.
    """

    did: Events
    then: Events
    absent: bool
    within: timedelta | None


@dataclass(frozen=True, slots=True)
class Predicted:
    name: str
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class Member:
    """Is in another segment, as it was last refreshed."""

    segment: str


@dataclass(frozen=True, slots=True)
class Share:
    """The salted hash of the user lies in [start, end) of 0 to 1."""

    salt: str
    start: float
    end: float


#: A Comparison is plain, and about a trait.
RuleLeaf: TypeAlias = Comparison | Predicted | Member | Share | Measured | First | Sequence
Rule: TypeAlias = Tree[RuleLeaf]


@dataclass(frozen=True, slots=True)
class Words:
    """What rules of a shop may name. Kinds of traits are text, texts, number, flag or time."""

    traits: Fields = field(default_factory=dict)
    predictions: Fields = field(default_factory=dict)
    event_types: Collection[str] = tuple(EVENT_TYPES)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the input something stands: a path in JSON, or a character of a text."""

    field: str
    position: int | None = None

    def refuse(self, told: str) -> NoReturn:
        raise BadInput(f"{self.field}: {told}", field=self.field, position=self.position)


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be known to answer a rule."""

    traits: frozenset[str]
    predictions: frozenset[str]
    event_types: frozenset[str]
    segments: frozenset[str]


def leaves_of(rule: Rule) -> Iterator[RuleLeaf]:
    """The leaves from left to right."""
    waiting: list[Rule] = [rule]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Joined):
            waiting.extend(reversed(part.parts))
        elif isinstance(part, Not):
            waiting.append(part.part)
        else:
            yield part


def events_of(leaf: RuleLeaf) -> tuple[Events, ...]:
    if isinstance(leaf, Sequence):
        return leaf.did, leaf.then
    return (leaf.events,) if isinstance(leaf, Measured | First) else ()


def windows_of(rule: Rule) -> set[timedelta]:
    """The durations after which the passing of time alone may change the answer."""
    found: set[timedelta | None] = set()
    for leaf in leaves_of(rule):
        found |= {each.span.within for each in events_of(leaf)}
        if isinstance(leaf, Sequence):
            found.add(leaf.within)
        if isinstance(leaf, Measured) and leaf.measure == "days_since":
            found.add(timedelta(days=leaf.value))
    return {each for each in found if each}


def needs(rule: Rule) -> Needs:
    """Everything that a rule names."""
    leaves = list(leaves_of(rule))
    return Needs(
        frozenset(each.field for each in leaves if isinstance(each, Comparison)),
        frozenset(each.name for each in leaves if isinstance(each, Predicted)),
        frozenset(events.type for each in leaves for events in events_of(each)),
        frozenset(each.segment for each in leaves if isinstance(each, Member)),
    )


def in_order(rules: Mapping[str, Rule]) -> tuple[str, ...]:
    """The segments so that each comes after those that it names; BadInput names a cycle.

    Segments without a rule here (lists by hand) are nobody's concern.
    """
    named = {name: iter(sorted(needs(rule).segments & rules.keys())) for name, rule in rules.items()}
    done: dict[str, None] = {}
    for start in rules:
        path = [] if start in done else [start]
        while path:
            following = next(named[path[-1]], None)
            if following is None:
                done[path.pop()] = None
            elif following in path:
                cycle = " -> ".join([*path[path.index(following) :], following])
                Place("rule").refuse(f"segments name each other in a circle: {cycle}; take one of them out")
            elif following not in done:
                path.append(following)
    return tuple(done)


def millionths(value: float) -> int:
    """What a sum is compared with, as a whole number of millionths."""
    return value * MILLION if isinstance(value, int) else math.floor(value * 1e6 + 0.5)


def share_limits(leaf: Share) -> tuple[int, int]:
    """The whole numbers [start, end) below SHARES; neighbouring shares leave nobody out and double nobody."""
    return math.ceil(leaf.start * SHARES), math.ceil(leaf.end * SHARES)
