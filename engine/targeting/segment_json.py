"""Segment JSON: rules as programs write them.

    {"all": [{"trait": "recency_days", "op": "<=", "value": 30},
             {"not": {"event": {"type": "purchase", "where": {"field": "category", "op": "=", "value": "PASTRY"},
                                "measure": "count", "op": ">=", "value": 1, "within": "P30D"}}}]}

Other leaves: {"prediction", "op", "value"}, {"segment": id}, {"bucket": {"salt", "from", "to"}},
{"sequence": {"did": {event}, "then": {event}, "absent", "within"}}. An event without a measure is asked whether it
happened; `"first": true` whether the first one ever lies in the window; `since` and `until` are a fixed window.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.expression import DEEPEST, MOST_TERMS, Asked, Comparison, Joined, Not
from engine.expression_forms import parse_json, term_of
from engine.expression_forms import to_json as where_to_json
from engine.targeting import segment_leaves as leaves
from engine.targeting.segments import (
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

_SELECTING = {"type", "where", "within", "since", "until"}
_MEASURING = {"measure", "of", "op", "value"}


def parse_rule_json(given: Any, words: Words, *, field: str = "rule") -> Rule:
    """The tree of a rule; the `field` of a BadInput is the path, such as `rule.all[1].event.within`."""
    count = 0

    def read(part: Any, path: str, depth: int) -> Rule:
        nonlocal count
        count += 1
        if depth > DEEPEST or count > MOST_TERMS:
            Place(field).refuse(leaves.TOO_LARGE)
        if type(part) is not dict or not part:
            Place(path).refuse('must be an object such as {"all": [...]} or {"trait", "op", "value"}')
        if set(part) in ({"all"}, {"any"}):
            ((how, inner),) = part.items()
            if type(inner) is not list or not inner:
                Place(f"{path}.{how}").refuse("must be a list that is not empty")
            parts = tuple(read(each, f"{path}.{how}[{at}]", depth + 1) for at, each in enumerate(inner))
            return parts[0] if len(parts) == 1 else Joined(how, parts)
        if set(part) == {"not"}:
            return Not(read(part["not"], f"{path}.not", depth + 1))
        return _leaf(part, words, path)

    return leaves.weighed(read(given, field, 1), Place(field))


def _leaf(part: dict[str, Any], words: Words, path: str) -> RuleLeaf:
    if "trait" in part:
        return leaves.trait_term(_comparison(part, "trait", path), words.traits, Place(f"{path}.trait"))
    if "prediction" in part:
        return leaves.predicted(_comparison(part, "prediction", path), words.predictions, Place(f"{path}.prediction"))
    if len(part) == 1:
        ((kind, given),) = part.items()
        inner = f"{path}.{kind}"
        if kind == "segment":
            return Member(leaves.whole_text(given, Place(inner)))
        if kind in ("event", "sequence", "bucket") and type(given) is not dict:
            Place(inner).refuse("must be an object")
        if kind == "event":
            return _event(given, words, inner)
        if kind == "sequence":
            return _sequence(given, words, inner)
        if kind == "bucket":
            _known(given, {"salt", "from", "to"}, inner)
            return leaves.share(given.get("salt"), given.get("from", 0), given.get("to"), Place(inner))
    told = "a rule is all, any or not, or has one of trait, prediction, segment, event, sequence, bucket"
    return Place(path).refuse(told)


def _comparison(part: dict[str, Any], name: str, path: str) -> Asked:
    _known(part, {name, "op", "value"}, path)
    if not isinstance(part[name], str) or not isinstance(part.get("op"), str):
        Place(path).refuse(f"a {name} has a name, an op and a value")
    return Asked(part[name], part["op"], part.get("value"))


def _event(given: dict[str, Any], words: Words, path: str) -> RuleLeaf:
    events = _events(given, words, path, also={"first", *_MEASURING})
    if given.get("first") not in (None, False):
        if given["first"] is not True or _MEASURING & given.keys():
            Place(f"{path}.first").refuse("is true, and then nothing is measured")
        return leaves.first(events, Place(path))
    measure = leaves.measure_named(given.get("measure", "count"), Place(f"{path}.measure"))
    if not {"op", "value"} & given.keys() and measure == "count":
        return leaves.measured(events, "count", of=given.get("of"), asked=Asked("count", ">=", 1), place=Place(path))
    asked = Asked(measure, given.get("op"), given.get("value"))
    if given.get("of") is not None and not isinstance(given["of"], str):
        Place(f"{path}.of").refuse("must be the name of a field")
    return leaves.measured(events, measure, of=given.get("of"), asked=asked, place=Place(path))


def _events(given: Any, words: Words, path: str, *, also: set[str]) -> Events:
    if type(given) is not dict:
        Place(path).refuse('must be an object such as {"type": "purchase", "within": "P90D"}')
    _known(given, _SELECTING | also, path)
    name = leaves.event_type(given.get("type"), words, Place(f"{path}.type"))
    where = None
    if given.get("where") is not None:
        place = Place(f"{path}.where")

        def read(inner: dict[str, Any], depth: int) -> Comparison:
            return leaves.event_term(term_of(inner, place.field), place)

        where = parse_json(given["where"], place.field, read)
    within, since, until = (given.get(name) for name in ("within", "since", "until"))
    if within is not None and (since is not None or until is not None):
        Place(f"{path}.within").refuse("is for a moving window, since and until for a fixed one; take one of both")
    start = None if since is None else leaves.moment(since, Place(f"{path}.since"))
    end = None if until is None else leaves.moment(until, Place(f"{path}.until"))
    if start and end and start >= end:
        Place(f"{path}.until").refuse("must be later than since")
    length = None if within is None else leaves.duration(within, Place(f"{path}.within"))
    return Events(name, where, Span(length, start, end))


def _sequence(given: dict[str, Any], words: Words, path: str) -> RuleLeaf:
    _known(given, {"did", "then", "absent", "within"}, path)
    if given.get("absent", False) not in (True, False):
        Place(f"{path}.absent").refuse("is true or false")
    within = None if given.get("within") is None else leaves.duration(given["within"], Place(f"{path}.within"))
    did = _events(given.get("did"), words, f"{path}.did", also=set())
    then = _events(given.get("then"), words, f"{path}.then", also=set())
    absent = bool(given.get("absent", False))
    return leaves.sequence(did, then, absent=absent, within=within, place=Place(f"{path}.then"))


def _known(given: Mapping[str, Any], names: set[str], path: str) -> None:
    for name in given:
        if name not in names:
            Place(f"{path}.{name}").refuse(f"is not known here; there are {', '.join(sorted(names))}")


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """The JSON form, which `parse_rule_json` reads as the same tree."""
    if isinstance(rule, Joined):
        return {rule.how: [rule_to_json(each) for each in rule.parts]}
    if isinstance(rule, Not):
        return {"not": rule_to_json(rule.part)}
    if isinstance(rule, Comparison | Predicted):
        named = {"trait": rule.field} if isinstance(rule, Comparison) else {"prediction": rule.name}
        if rule.op == "is null":
            return {**named, "op": rule.op}
        return {**named, "op": rule.op, "value": list(rule.value) if rule.op == "in" else rule.value}
    if isinstance(rule, Member):
        return {"segment": rule.segment}
    if isinstance(rule, Share):
        return {"bucket": {"salt": rule.salt, "from": rule.start, "to": rule.end}}
    if isinstance(rule, First):
        return {"event": {**_events_json(rule.events), "first": True}}
    if isinstance(rule, Sequence):
        within = {} if rule.within is None else {"within": leaves.written_duration(rule.within)}
        both = {"did": _events_json(rule.did), "then": _events_json(rule.then)}
        return {"sequence": {**both, "absent": rule.absent, **within}}
    return {"event": {**_events_json(rule.events), **_measure_json(rule)}}


def _events_json(events: Events) -> dict[str, Any]:
    found: dict[str, Any] = {"type": events.type}
    if events.where is not None:
        found["where"] = where_to_json(events.where)
    if events.span.within is not None:
        found["within"] = leaves.written_duration(events.span.within)
    for name, time in (("since", events.span.since), ("until", events.span.until)):
        if time is not None:
            found[name] = leaves.written_time(time)
    return found


def _measure_json(leaf: Measured) -> dict[str, Any]:
    of = {} if leaf.of is None else {"of": leaf.of}
    return {"measure": leaf.measure, **of, "op": leaf.op, "value": leaf.value}
