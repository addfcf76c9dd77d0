"""Segment SQL: a rule as one SELECT of the user numbers of everyone who is in.

It reads `people(person, user_id)`, `happenings(person, type, time, item, quantity, amount, list_amount, order_id,
session_id, source, coupon_code, properties, order_number, session_number)`, `things(item, item_id, categories, brand,
tags, price)`, `traits(person, ...)`, `predictions(person, name, score)` and `memberships(segment, person)`. Who has no
event and no traits counts too.

All leaves on events are aggregates of one scan of the happenings, grouped by the user's number: thirty million rows are
read once, also for many rules at once. Conditions on items are flags, computed once an item and joined by the item's
number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from engine.expression import Comparison, Joined, Not
from engine.storage import bit_words
from engine.storage.lake_sql import name_quoted, quoted
from engine.storage.segment_where import Scope, comparison_sql, literal, property_scalar, property_sql, time_literal
from engine.targeting.segments import (
    LARGEST_SUMMED,
    MILLION,
    Events,
    First,
    Measured,
    Member,
    Predicted,
    Rule,
    RuleLeaf,
    Sequence,
    Share,
    Span,
    events_of,
    leaves_of,
    millionths,
    share_limits,
)

_NOTHING: Mapping[str, int] = MappingProxyType({})
#: What texts are told apart by: their numbers within the files, which are read and compared several times faster.
_NUMBERED = {"item_id": "e.item", "order_id": "e.order_number", "session_id": "e.session_number"}
#: So many conditions on events are asked one by one before a row is grouped.
_FEW = 8
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def members_sql(rule: Rule, now: datetime) -> str:
    """The SELECT of `person` [UINTEGER], each once, in no order. Complete: it takes no parameters."""
    return _Plan(now).select(rule)


def answers_sql(rules: Mapping[int, Rule], number: int, now: datetime, *, kept: Mapping[str, int] = _NOTHING) -> str:
    """The SELECT of every `person` with the answers to `rules`, by their places among `number`, as bit words.

    Leaves whose `leaf_key` is in `kept` are read from the table `kept(person, words)`, at the places named there.
    """
    return _Plan(now, kept).answers(rules, number)


def leaf_key(leaf: RuleLeaf) -> str:
    """What tells a leaf from all others, 32 characters."""
    return hashlib.md5(repr(leaf).encode(), usedforsecurity=False).hexdigest()


class _Plan:
    """What one rule, or several, read, gathered leaf by leaf."""

    def __init__(self, now: datetime, kept: Mapping[str, int] = _NOTHING) -> None:
        self._now = now
        self._kept = kept
        self._scope = Scope()
        self._measures: dict[str, str] = {}  # SQL of an aggregate -> its column
        self._selected: dict[str, Events] = {}  # conditions of which a row must fulfil one to be of use
        self._steps: list[str] = []  # sequences
        self._has_traits = False

    def select(self, rule: Rule) -> str:
        """The whole SELECT. What is asked beside events is asked first, so that fewer users' events are grouped."""
        beside, rest = _split(rule)
        people = "people"
        if beside:
            chosen = " AND ".join(f"({self._rule(each, bare=True)})" for each in beside)
            self._steps.append(
                f"chosen AS MATERIALIZED (SELECT p.person, p.user_id FROM people p{self._traits()} WHERE {chosen})"
            )
            people, self._has_traits = "chosen", False
        condition = " AND ".join(f"({self._rule(each, bare=True)})" for each in rest)
        joins = " LEFT JOIN happened h ON h.person = p.person" if self._measures else ""
        joins += self._traits()
        if self._measures:
            self._steps.append(self._happened(people))
        steps = [*self._scope.steps(), *self._steps]
        begin = f"WITH {', '.join(steps)} " if steps else ""
        return f"{begin}SELECT p.person FROM {people} p{joins} WHERE {condition}"

    def answers(self, rules: Mapping[int, Rule], number: int) -> str:
        """The SELECT of everybody with a bit a rule."""
        words = bit_words.words({place: self._rule(each, bare=True) for place, each in rules.items()}, number)
        joins = " LEFT JOIN happened h ON h.person = p.person" if self._measures else ""
        joins += self._traits()
        joins += " LEFT JOIN kept k ON k.person = p.person" if self._kept else ""
        if self._measures:
            self._steps.append(self._happened("people"))
        steps = [*self._scope.steps(), *self._steps]
        begin = f"WITH {', '.join(steps)} " if steps else ""
        return f"{begin}SELECT p.person, {words} FROM people p{joins}"

    def _happened(self, people: str) -> str:
        columns = ", ".join(f"{sql} AS {name}" for sql, name in self._measures.items())
        of_chosen = f"e.person IN (SELECT person FROM {people}) AND " if people != "people" else ""
        return (
            f"happened AS (SELECT e.person, {columns} FROM happenings e {self._scope.join()}"
            f"WHERE {of_chosen}{_limits('e', Span().limits(self._now))} AND ({self._useful()}) GROUP BY e.person)"
        )

    def _useful(self) -> str:
        """Which rows are worth grouping. Of many conditions only what they share is asked: types and earliest time."""
        if len(self._selected) <= _FEW:
            return " OR ".join(f"({each})" for each in self._selected)
        events = self._selected.values()
        types = ", ".join(sorted({quoted(each.type) for each in events}))
        begins = [_begin(each.span, self._now) for each in events]
        earliest = min((each for each in begins if each is not None), default=None)
        since = "" if earliest is None or None in begins else f" AND e.time >= {time_literal(earliest)}"
        return f"e.type IN ({types}){since}"

    def _traits(self) -> str:
        return " LEFT JOIN traits t ON t.person = p.person" if self._has_traits else ""

    def _rule(self, rule: Rule, *, bare: bool) -> str:
        """`bare`: null may stand for false, since nothing turns it around."""
        if isinstance(rule, Joined):
            word = " AND " if rule.how == "all" else " OR "
            return word.join(f"({self._rule(each, bare=bare)})" for each in rule.parts)
        if isinstance(rule, Not):
            return f"NOT ({self._rule(rule.part, bare=False)})"
        place = self._kept.get(leaf_key(rule)) if self._kept else None
        found = self._leaf(rule) if place is None else bit_words.bit(place, of="k")
        return found if bare else f"coalesce({found}, false)"

    def _leaf(self, leaf: RuleLeaf) -> str:
        if isinstance(leaf, Comparison):
            self._has_traits = True
            return comparison_sql(f"t.{name_quoted(leaf.field)}", leaf.op, leaf.value)
        if isinstance(leaf, Predicted):
            asked = "score IS NOT NULL" if leaf.op == "is null" else comparison_sql("score", leaf.op, leaf.value)
            scored = f"p.person IN (SELECT person FROM predictions WHERE name = {quoted(leaf.name)} AND {asked})"
            return f"NOT ({scored})" if leaf.op == "is null" else scored
        if isinstance(leaf, Member):
            return f"p.person IN (SELECT person FROM memberships WHERE segment = {quoted(leaf.segment)})"
        if isinstance(leaf, Share):
            start, end = share_limits(leaf)
            number = f"(md5_number_upper({quoted(leaf.salt + ':')} || p.user_id) >> 4)"
            return f"({number} >= {start} AND {number} < {end})"
        if isinstance(leaf, Sequence):
            return self._sequence(leaf)
        if isinstance(leaf, First):
            ever = Events(leaf.events.type, leaf.events.where)
            earliest = self._measure("min(e.time)", ever)
            return _limits("", leaf.events.span.limits(self._now), column=earliest)
        return self._measured(leaf)

    def _such(self, events: Events) -> str:
        """The condition on a row of the happenings; that nothing counts after now is the scan's."""
        window = _limits("e", events.span.limits(self._now)[1:])
        where = "" if events.where is None else f"({self._scope.where(events.where, bare=True)})"
        return " AND ".join(filter(None, (f"e.type = {quoted(events.type)}", window, where)))

    def _measure(self, aggregate: str, events: Events, *, also: str = "") -> str:
        such = self._such(events)
        self._selected[such] = events
        sql = f"{aggregate} FILTER (WHERE {such}{also})"
        return f"h.{self._measures.setdefault(sql, f'm{len(self._measures)}')}"

    def _measured(self, leaf: Measured) -> str:
        events = leaf.events
        if leaf.measure == "count":
            return f"coalesce({self._measure('count(*)', events)}, 0) {leaf.op} {literal(leaf.value)}"
        if leaf.measure == "days_since":
            # days > 30 is the last one before now - 30 days: moments compare exactly.
            moment = self._now - timedelta(days=leaf.value)
            return f"{self._measure('max(e.time)', events)} {_TURNED[leaf.op]} {time_literal(moment)}"
        if leaf.measure == "distinct":
            return self._distinct(leaf)
        value = self._value(leaf)
        if leaf.measure == "last":
            # Lines of one order share their time: the greatest of them, so that the answer does not hang on luck.
            pair = f"max({{'time': e.time, 'value': {value}}})"
            last = self._measure(pair, events, also=f" AND ({value}) IS NOT NULL")
            return comparison_sql(f"{last}.value", leaf.op, leaf.value)
        if leaf.measure in ("min", "max"):
            return comparison_sql(self._measure(f"{leaf.measure}({value})", events), leaf.op, leaf.value)
        return self._summed(leaf, value)

    def _value(self, leaf: Measured) -> str:
        name = str(leaf.of)
        if not name.startswith("properties."):
            return self._scope.value(name)
        kind = leaf.value if leaf.measure == "last" else 0.0
        return property_scalar(property_sql(name), kind)

    def _distinct(self, leaf: Measured) -> str:
        name = str(leaf.of)
        if name in _NUMBERED:
            value = _NUMBERED[name]
        elif name.startswith("properties."):
            found = property_sql(name)
            kinds = (("t", ""), ("n", 0.0), ("f", True))
            texts = (f"'{sign}' || CAST({property_scalar(found, kind)} AS VARCHAR)" for sign, kind in kinds)
            value = f"coalesce({', '.join(texts)})"
        else:
            value = self._scope.value(name)
        if (leaf.op, leaf.value) in ((">=", 1), (">", 0)):
            # Whether there is one, or another one, needs no telling apart, which is the dearest of all measures.
            return f"{self._measure(f'count({value})', leaf.events)} >= 1"
        if (leaf.op, leaf.value) in ((">=", 2), (">", 1)):
            return f"{self._measure(f'min({value})', leaf.events)} <> {self._measure(f'max({value})', leaf.events)}"
        column = self._measure(f"count(DISTINCT {value})", leaf.events)
        return f"coalesce({column}, 0) {leaf.op} {literal(leaf.value)}"

    def _summed(self, leaf: Measured, value: str) -> str:
        wanted = millionths(leaf.value)
        if leaf.of in ("amount", "list_amount", "price"):
            # Whole minor units: a comparison with a whole number needs no millionths.
            scale = 1 if isinstance(leaf.value, int) else MILLION
            wanted = wanted * scale // MILLION
        else:
            scale, counted = 1, f"CASE WHEN abs({value}) <= {LARGEST_SUMMED} THEN {value} END"
            value = f"CAST(floor(CAST({counted} AS DOUBLE) * 1e6 + 0.5) AS BIGINT)"
        total = self._measure(f"sum({value})", leaf.events)
        total = total if scale == 1 else f"{total} * {scale}"
        if leaf.measure == "sum":
            return f"coalesce({total}, 0) {leaf.op} {wanted}"
        return f"{total} {leaf.op} CAST({wanted} AS HUGEINT) * {self._measure(f'count({value})', leaf.events)}"

    def _sequence(self, leaf: Sequence) -> str:
        name, span = f"followed{len(self._steps)}", leaf.did.span
        did = Events(leaf.did.type, leaf.did.where, span)
        limits = Span().limits(self._now)
        earliest = tuple(each for each in span.limits(self._now) if each[0] in (">", ">="))
        waited: tuple[tuple[str, datetime], ...] = ()
        nearest = "true"
        if leaf.within is not None:
            nearest = f"epoch_us(b.time) - epoch_us(a.time) <= {leaf.within // timedelta(microseconds=1)}"
            waited = (("<=", self._now - leaf.within),) if leaf.absent else ()
        a = self._rows(did, (*limits, *waited))
        b = self._rows(leaf.then, (*limits, *earliest))
        # The nearest that came later decides: if it came too late, so did all others.
        kind, asked = ("LEFT ", f"b.time IS NULL OR NOT ({nearest})") if leaf.absent else ("", nearest)
        self._steps.append(
            f"{name} AS (SELECT DISTINCT a.person FROM ({a}) a ASOF {kind}JOIN ({b}) b"
            f" ON a.person = b.person AND a.time < b.time WHERE {asked})"
        )
        return f"p.person IN (SELECT person FROM {name})"

    def _rows(self, events: Events, limits: tuple[tuple[str, datetime], ...]) -> str:
        such = self._such(events)
        return f"SELECT e.person, e.time FROM happenings e {self._scope.join()}WHERE {_limits('e', limits)} AND {such}"


def _split(rule: Rule) -> tuple[list[Rule], list[Rule]]:
    """The parts that all must hold: those without events, and the others; only one list when one would be empty."""
    parts = list(rule.parts) if isinstance(rule, Joined) and rule.how == "all" else [rule]
    eventful = [any(events_of(leaf) for leaf in leaves_of(each)) for each in parts]
    if all(eventful) or not any(eventful):
        return [], parts
    pairs = list(zip(parts, eventful, strict=True))
    return [each for each, has in pairs if not has], [each for each, has in pairs if has]


def begin_of(leaf: RuleLeaf, now: datetime) -> datetime | None:
    """Before when nothing that happened can count for the leaf; None where everything may."""
    if isinstance(leaf, First):
        return None
    # What followed something came after it, so the beginning of a sequence is that of its first part.
    return _begin(events_of(leaf)[0].span, now) if events_of(leaf) else None


def _begin(span: Span, now: datetime) -> datetime | None:
    return max((moment for op, moment in span.limits(now) if op in (">", ">=")), default=None)


def _limits(row: str, limits: tuple[tuple[str, datetime], ...], *, column: str = "") -> str:
    return " AND ".join(f"{column or f'{row}.time'} {op} {time_literal(moment)}" for op, moment in limits)
