"""Rules that cannot be evaluated any more, and why: each is set aside with what hangs on it, until somebody mends it.

A rule was sound when it was stored. Later the shop may drop an event type of its own, or a new Hawker a trait; then the
others are evaluated all the same. A rule that names one which is set aside is so too: "not in it" would hold of
everybody. The classes of a classification hang together, since whoever is in none of those before is in the next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput, NotAllowed
from engine.storage.class_rules import RuledClass, ruled_classes
from engine.storage.ledger import Ledger, connection_of
from engine.storage.segment_edits import READY_MADE
from engine.storage.segments import Segment, in_turn, live_segments
from engine.targeting.labels import definition_of
from engine.targeting.segment_json import parse_rule_json
from engine.targeting.segments import Rule, Words, needs

#: What says who is in a segment: a segment itself, or a classification.
Unit = tuple[str, ...]
_Stored = Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Defined:
    """What people defined and is in use: each unit behind those that it names, sound rules by the segments' names.

    `set_aside` says of each segment whose rule cannot be evaluated why.
    """

    units: Mapping[Unit, Segment | list[RuledClass]]
    rules: Mapping[str, Rule]
    set_aside: Mapping[str, str]


def defined(ledger: Ledger, words: Words) -> Defined:
    """Every segment that is not archived and every class, read with what rules of this shop may name."""
    with connection_of(ledger) as connection:
        units: dict[Unit, Segment | list[RuledClass]] = {
            definition_of(each.id): each for each in live_segments(connection)
        }
        units |= {("class", name): each for name, each in ruled_classes(connection).items()}
    stored = {unit: _definitions(each) for unit, each in units.items()}
    rules, set_aside = _read(stored, words)
    uses = {name: needs(rule).segments for name, rule in rules.items()}
    turn = in_turn(
        {unit: {definition_of(used) for name in mine for used in uses.get(name, ())} for unit, mine in stored.items()}
    )
    known = {name for mine in stored.values() for name in mine}
    done: set[str] = set()
    for unit in turn:
        for name in stored[unit]:
            reason = _reason(uses.get(name, ()), known, done, set_aside)
            if reason is not None:
                set_aside[name] = reason
        _together(stored[unit], set_aside)
        done |= stored[unit].keys()
    return Defined({unit: units[unit] for unit in turn}, rules, set_aside)


def check_usable(ledger: Ledger, words: Words, names: Collection[str], *, field: str) -> None:
    """Raises NotAllowed where one of these segments and classes is set aside: nobody knows who is in it now."""
    if not names:
        return
    found = defined(ledger, words).set_aside
    for name in sorted(names):
        if name in found:
            raise NotAllowed(
                f"{field}: {name!r} is set aside, mend its rule first: {found[name]}", code="set_aside", field=field
            )


def with_reasons(ledger: Ledger, words: Words, told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Segments or classes as they are told, each with why it is set aside, None where it is not."""
    found = defined(ledger, words).set_aside if told else {}
    return [{**each, "set_aside": found.get(each["segment_id"])} for each in told]


def _read(stored: Mapping[Unit, _Stored], words: Words) -> tuple[dict[str, Rule], dict[str, str]]:
    """The rules that can be read, and why the others cannot, by the segments' names."""
    rules: dict[str, Rule] = {}
    unread: dict[str, str] = {}
    for name, given in (each for mine in stored.values() for each in mine.items()):
        try:
            if given is not None:
                rules[name] = parse_rule_json(given, words, field="definition")
        except BadInput as problem:
            unread[name] = problem.message
    return rules, unread


def _definitions(unit: Segment | list[RuledClass]) -> _Stored:
    """The stored rules by the segments' names, None of lists."""
    if isinstance(unit, Segment):
        return {unit.id: unit.definition}
    return {each.segment: each.definition for each in unit}


def _reason(used: Collection[str], known: Collection[str], done: Collection[str], why: Mapping[str, str]) -> str | None:
    """What is wrong with the segments that a rule names."""
    for name in sorted(used):
        if name in READY_MADE:
            continue
        if name not in known:
            return f"definition: names {name!r}, and there is no such segment in use"
        if name in why:
            return f"definition: names {name!r}, which is set aside"
        if name not in done:
            return f"definition: names {name!r}, which leads back to it or to others that name each other"
    return None


def _together(mine: _Stored, set_aside: dict[str, str]) -> None:
    """One class that is set aside takes the rules of its whole classification along; lists by hand go on."""
    first = next((name for name in mine if name in set_aside), None)
    for name, given in mine.items():
        if first is not None and given is not None:
            set_aside.setdefault(name, f"waits for {first!r} of the same classification, which is set aside")
