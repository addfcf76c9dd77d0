"""Segment one: whether one user is in, and which leaf decided. engine/storage/segment_sql.py answers for everyone."""

from __future__ import annotations

import hashlib
import math
import operator
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from engine.expression import Comparison, Joined, Not, Terms, moment_of
from engine.expression_row import holds, value_at
from engine.targeting.segment_text import rule_to_text
from engine.targeting.segments import (
    ITEM_FIELDS,
    LARGEST_SUMMED,
    MILLION,
    Events,
    First,
    Measured,
    Member,
    Predicted,
    Rule,
    RuleLeaf,
    Share,
    Span,
    millionths,
    share_limits,
)
from engine.targeting.segments import Sequence as Followed


@dataclass(frozen=True, slots=True)
class Thing:
    """What rules ask of an item; None is not known. Prices are minor units."""

    item_id: str
    category: Sequence[str] | None = None
    brand: str | None = None
    tags: Sequence[str] | None = None
    price: int | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of the user. Its time carries a zone, money is in minor units."""

    type: str
    time: datetime
    item: Thing | None = None
    quantity: float | None = None
    amount: int | None = None
    list_amount: int | None = None
    order_id: str | None = None
    session_id: str | None = None
    source: str | None = None
    coupon_code: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of one user. Traits of the kind time are datetimes with a zone; events stand in any order."""

    user_id: str
    traits: Mapping[str, Any] = field(default_factory=dict)
    predictions: Mapping[str, float | None] = field(default_factory=dict)
    memberships: Collection[str] = ()
    happenings: Sequence[Happening] = ()


@dataclass(frozen=True, slots=True)
class LeafTold:
    """One leaf of a rule: its place in the JSON, its text, what was found and whether the answer rests on it."""

    path: str
    text: str
    held: bool
    decided: bool
    seen: Any


@dataclass(frozen=True, slots=True)
class Explanation:
    """`decided` leaves are enough for the answer: the first that held of an `any`, the first that failed of an `all`,
    and each one where it took all of them."""

    held: bool
    leaves: tuple[LeafTold, ...]


def decide(rule: Rule, person: Person, now: datetime) -> bool:
    """Whether the user is in. The same answer as SQL gives over the same events."""
    return _Case(person, now).holds(rule)


def explain(rule: Rule, person: Person, now: datetime) -> Explanation:
    """The answer and, leaf by leaf, why."""
    case = _Case(person, now)
    told: list[LeafTold] = []

    def walk(part: Rule, path: str, decides: bool) -> bool:
        if isinstance(part, Not):
            return not walk(part.part, f"{path}.not", decides)
        if isinstance(part, Joined):
            answers = [case.holds(each) for each in part.parts]
            ends_it = part.how == "any"  # one part of this answer is enough
            first = answers.index(ends_it) if ends_it in answers else None
            for at, each in enumerate(part.parts):
                walk(each, f"{path}.{part.how}[{at}]", decides and first in (None, at))
            return ends_it if first is not None else not ends_it
        held, seen = case.leaf(part)
        told.append(LeafTold(path.lstrip("."), rule_to_text(part), held, decides, seen))
        return held

    return Explanation(walk(rule, "", True), tuple(told))


class _Case:
    """One user at one moment; the events are sorted into types once."""

    def __init__(self, person: Person, now: datetime) -> None:
        self._person, self._now = person, now
        self._of_type: dict[str, list[Happening]] = {}
        for each in person.happenings:
            self._of_type.setdefault(each.type, []).append(each)

    def holds(self, rule: Rule) -> bool:
        if isinstance(rule, Joined):
            found = (self.holds(each) for each in rule.parts)
            return all(found) if rule.how == "all" else any(found)
        if isinstance(rule, Not):
            return not self.holds(rule.part)
        return self.leaf(rule)[0]

    def leaf(self, leaf: RuleLeaf) -> tuple[bool, Any]:
        """Whether it held, and what was found."""
        if isinstance(leaf, Comparison):
            seen = self._person.traits.get(leaf.field)
            return _asked(seen, leaf.op, leaf.value), seen
        if isinstance(leaf, Predicted):
            score = self._person.predictions.get(leaf.name)
            return _asked(score, leaf.op, leaf.value), score
        if isinstance(leaf, Member):
            member = leaf.segment in self._person.memberships
            return member, member
        if isinstance(leaf, Share):
            number = share_number(leaf.salt, self._person.user_id)
            start, end = share_limits(leaf)
            return start <= number < end, number / (1 << 60)
        if isinstance(leaf, First):
            times = [each.time for each in self._such(Events(leaf.events.type, leaf.events.where))]
            earliest = min(times, default=None)
            return earliest is not None and _lies(earliest, leaf.events.span, self._now), earliest
        if isinstance(leaf, Followed):
            return self._followed(leaf)
        return self._measured(leaf)

    def _such(self, events: Events) -> list[Happening]:
        found = _lying(self._of_type.get(events.type, ()), events.span, self._now)
        if events.where is None:
            return found
        fulfils = _condition(events.where)
        return [each for each in found if fulfils(each)]

    def _followed(self, leaf: Followed) -> tuple[bool, Any]:
        then = sorted(each.time for each in self._such(leaf.then))
        wait = leaf.within
        for did in sorted(each.time for each in self._such(leaf.did)):
            at = bisect_right(then, did)
            came = at < len(then) and (wait is None or then[at] - did <= wait)
            if came != leaf.absent and (came or wait is None or did + wait <= self._now):
                return True, did
        return False, None

    def _measured(self, leaf: Measured) -> tuple[bool, Any]:
        such = self._such(leaf.events)
        if leaf.measure == "count":
            return holds(len(such), leaf.op, leaf.value), len(such)
        if leaf.measure == "days_since":
            last = max((each.time for each in such), default=None)
            if last is None:
                return False, None
            days = (self._now - last) / timedelta(days=1)
            # In whole microseconds, as SQL compares moments.
            return holds((self._now - last) / _TICK, leaf.op, timedelta(days=leaf.value) / _TICK), days
        read = _reader(str(leaf.of))
        values = [(each.time, value) for each in such if (value := read(each)) is not None]
        if leaf.measure == "distinct":
            different = len({key for _, value in values if (key := _key(value)) is not None})
            return holds(different, leaf.op, leaf.value), different
        if leaf.measure == "last":
            like = [(time, value) for time, value in values if _alike(value, leaf.value)]
            seen = max(like)[1] if like else None
            return seen is not None and holds(seen, leaf.op, leaf.value), seen
        numbers = [value for _, value in values if _alike(value, 0)]
        if leaf.measure in ("min", "max"):
            outermost = (min if leaf.measure == "min" else max)(numbers, default=None)
            return outermost is not None and holds(outermost, leaf.op, leaf.value), outermost
        return _summed(leaf, numbers)


_TICK = timedelta(microseconds=1)
_SIDES = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def share_number(salt: str, user_id: str) -> int:
    """The salted hash of a user, below SHARES: the first 60 bits of an MD5 as DuckDB's md5_number_upper reads it."""
    digest = hashlib.md5(f"{salt}:{user_id}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "little") >> 4


def _summed(leaf: Measured, numbers: list[Any]) -> tuple[bool, Any]:
    whole = leaf.of in ("amount", "list_amount", "price")
    if whole:
        counted = [each * MILLION for each in numbers]
    else:
        counted = [math.floor(float(each) * 1e6 + 0.5) for each in numbers if abs(each) <= LARGEST_SUMMED]
    total, wanted = sum(counted), millionths(leaf.value)
    if leaf.measure == "sum":
        return holds(total, leaf.op, wanted), total // MILLION if total % MILLION == 0 else total / MILLION
    if not counted:
        return False, None
    return holds(total, leaf.op, wanted * len(counted)), total / MILLION / len(counted)


def _lying(happenings: Sequence[Happening], span: Span, now: datetime) -> list[Happening]:
    """Those in the span, whose limits are worked out once and not for each."""
    found = list(happenings)
    for op, limit in span.limits(now):
        fulfils = _SIDES[op]
        found = [each for each in found if fulfils(each.time, limit)]
    return found


def _lies(time: datetime, span: Span, now: datetime) -> bool:
    return all(_SIDES[op](time, limit) for op, limit in span.limits(now))


def _asked(value: Any, op: str, wanted: Any) -> bool:
    if op == "is null" or value is None:
        return op == "is null" and value is None
    if isinstance(value, datetime):
        return holds(value.timestamp(), op, moment_of(wanted).timestamp())  # type: ignore[union-attr]
    return holds(value, op, wanted)


def _condition(expression: Terms) -> Callable[[Happening], bool]:
    if isinstance(expression, Joined):
        parts = [_condition(each) for each in expression.parts]
        if expression.how == "all":
            return lambda each: all(part(each) for part in parts)
        return lambda each: any(part(each) for part in parts)
    if isinstance(expression, Not):
        part = _condition(expression.part)
        return lambda each: not part(each)
    read, op, wanted = _reader(expression.field), expression.op, expression.value
    if op == "is null":
        return lambda each: read(each) is None
    if expression.field == "category":
        names = set(wanted) if op == "in" else {wanted}
        return lambda each: (levels := read(each)) is not None and names.isdisjoint(levels) == (op == "!=")
    return lambda each: (value := read(each)) is not None and holds(value, op, wanted)


def _reader(name: str) -> Callable[[Happening], Any]:
    if name.startswith("properties."):
        path = name.removeprefix("properties.")
        return lambda each: value_at(each.properties, path)
    if name in ITEM_FIELDS:
        return lambda each: None if each.item is None else getattr(each.item, name)
    return lambda each: getattr(each, name)


def _alike(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return isinstance(value, bool) and isinstance(wanted, bool)
    return isinstance(value, str if isinstance(wanted, str) else int | float)


def _key(value: Any) -> tuple[str, Any] | None:
    """What makes two values the same: the kind and the value. Lists and objects are none."""
    if isinstance(value, bool):
        return "flag", value
    if isinstance(value, int | float):
        return "number", float(value)
    return ("text", value) if isinstance(value, str) else None
