"""The rules of classes: who is in which class of a classification, as memberships are kept of it.

A class is a segment like any other to rules, campaigns and webhooks, by the name `class:CLASSIFICATION:CLASS`. Who was
put into a class by hand is in that one, whatever the rules say; of everybody else the first by place whose rule fits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.expression import Joined, Not
from engine.storage.ledger import Ledger, connection_of, rows_of
from engine.storage.memberships import Rule, as_it_stood
from engine.targeting import segments
from engine.targeting.labels import class_segment
from engine.targeting.segments import Member

#: A class has no versions; its rows of the record have this one.
_VERSION = 1


@dataclass(frozen=True, slots=True)
class RuledClass:
    """A class as it is evaluated: `segment` is what it is called by."""

    segment: str
    definition: Mapping[str, Any] | None


def ruled_classes(ledger: Ledger) -> dict[str, list[RuledClass]]:
    """The classes of every classification by their places."""
    found: dict[str, list[RuledClass]] = {}
    with connection_of(ledger) as connection:
        for classification, name, definition, _ in _rows(connection):
            one = RuledClass(class_segment(classification, name), definition)
            found.setdefault(classification, []).append(one)
    return found


def users_by_hand(ledger: Ledger) -> dict[str, list[str]]:
    """The user_ids of those who were put into a class by hand, by the class as a segment."""
    listed: dict[str, list[str]] = {}
    with connection_of(ledger) as connection:
        for classification, name, user in rows_of(
            connection, "SELECT classification_id, class_id, user_id FROM class_members"
        ):
            listed.setdefault(class_segment(classification, name), []).append(user)
    return listed


def uses_of_classes(ledger: Ledger) -> dict[str, frozenset[str]]:
    """Every class by its segment's name, and all segments that rules of its classification name."""
    of_all: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    with connection_of(ledger) as connection:
        for classification, name, _, uses in _rows(connection):
            of_all.setdefault(classification, set()).update(uses)
            names[class_segment(classification, name)] = classification
    return {segment: frozenset(of_all[classification]) for segment, classification in names.items()}


def class_rules(
    classes: Sequence[RuledClass],
    rules: Mapping[str, segments.Rule],
    by_hand: Mapping[str, Sequence[str]],
    *,
    set_aside: Collection[str] = (),
) -> list[Rule]:
    """Those of one classification: the lists first, then the rules by their places, for who is in none of them yet.

    Who is in a class whose rule is set aside stays in it, unless they were put into another by hand.
    """
    names = [each.segment for each in classes]
    elsewhere: list[segments.Rule] = [Not(Member(name)) for name in names]
    found = [Rule(name, _VERSION, "SELECT person FROM listed", by_hand.get(name, ())) for name in names]
    for name in names:
        if name in set_aside:
            found.append(as_it_stood(name, _VERSION, but_for=names))
        elif name in rules:
            found.append(Rule(name, _VERSION, Joined("all", (rules[name], *elsewhere))))
    return found


def _rows(connection: Ledger) -> list[tuple[Any, ...]]:
    with connection_of(connection) as held:
        return rows_of(
            held,
            "SELECT classification_id, class_id, definition, uses FROM classes"
            " ORDER BY classification_id, place, class_id",
        )
