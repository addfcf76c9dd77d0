"""The rules of classes: who is in which class of a classification, as memberships are kept of it.

A class is a segment like any other to rules, campaigns and webhooks, by the name `class:CLASSIFICATION:CLASS`. Who was
put into a class by hand is in that one, whatever the rules say; of everybody else the first by place whose rule fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.expression import Joined, Not
from engine.storage.ledger import Ledger, connection_of, rows_of
from engine.storage.memberships import Rule
from engine.targeting import segments
from engine.targeting.labels import class_segment
from engine.targeting.segment_json import parse_rule_json
from engine.targeting.segments import Member, Words

#: A class has no versions; its rows of the record have this one.
_VERSION = 1


@dataclass(frozen=True, slots=True)
class RuledClass:
    """A class as it is evaluated: `segment` is what it is called by, `by_hand` are user_ids."""

    segment: str
    definition: Mapping[str, Any] | None
    uses: Sequence[str]
    by_hand: Sequence[str] = ()


def ruled_classes(ledger: Ledger) -> dict[str, list[RuledClass]]:
    """The classes of every classification by their places, with who is in them by hand."""
    with connection_of(ledger) as connection:
        listed: dict[str, list[str]] = {}
        for classification, name, user in rows_of(
            connection, "SELECT classification_id, class_id, user_id FROM class_members"
        ):
            listed.setdefault(class_segment(classification, name), []).append(user)
        found: dict[str, list[RuledClass]] = {}
        for classification, name, definition, uses in _rows(connection):
            segment = class_segment(classification, name)
            one = RuledClass(segment, definition, uses, listed.get(segment, ()))
            found.setdefault(classification, []).append(one)
    return found


def uses_of_classes(ledger: Ledger) -> dict[str, frozenset[str]]:
    """Every class by its segment's name, and all segments that rules of its classification name."""
    of_all: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    with connection_of(ledger) as connection:
        for classification, name, _, uses in _rows(connection):
            of_all.setdefault(classification, set()).update(uses)
            names[class_segment(classification, name)] = classification
    return {segment: frozenset(of_all[classification]) for segment, classification in names.items()}


def class_rules(classes: Sequence[RuledClass], words: Words) -> list[Rule]:
    """Those of one classification: the lists first, then the rules by their places, for who is in none of them yet."""
    elsewhere: list[segments.Rule] = [Not(Member(each.segment)) for each in classes]
    by_hand = [Rule(each.segment, _VERSION, "SELECT person FROM listed", each.by_hand) for each in classes]
    by_rule = [
        Rule(each.segment, _VERSION, Joined("all", (parse_rule_json(each.definition, words), *elsewhere)))
        for each in classes
        if each.definition is not None
    ]
    return [*by_hand, *by_rule]


def _rows(connection: Ledger) -> list[tuple[Any, ...]]:
    with connection_of(connection) as held:
        return rows_of(
            held,
            "SELECT classification_id, class_id, definition, uses FROM classes"
            " ORDER BY classification_id, place, class_id",
        )
