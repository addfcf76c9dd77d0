"""The segments that are kept up to date: the ready-made groups, and what marketers defined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.expression import Kind
from engine.settings import Settings
from engine.storage.class_rules import class_rules, users_by_hand, uses_of_classes
from engine.storage.ledger import LedgerPool, connection_of, rows_of
from engine.storage.memberships import Rule, as_it_stood
from engine.storage.segments import Segment, live_segments
from engine.storage.set_aside import Defined, defined
from engine.storage.webhook_outbox import announce
from engine.storage.webhooks import list_webhooks
from engine.targeting.groups import groups
from engine.targeting.segment_json import parse_rule_json
from engine.targeting.segments import Words
from engine.targeting.traits import TRAIT_FIELDS

#: Users that one message of a webhook names.
MOST_TOLD = 1_000
_EVENTS = {"entered": "segment.entered", "left": "segment.left"}


class _AnyPrediction(dict[str, Kind]):
    """Predictions come and go with trainings; one that nobody makes any more has no scores, and is no error."""

    def __missing__(self, name: str) -> Kind:
        return "number"

    def get(self, name: str, default: Any = None) -> Any:
        return "number"


def words_of(settings: Settings) -> Words:
    """What rules of this shop may name."""
    own = [each.name for each in settings.event_types]
    return Words(TRAIT_FIELDS, _AnyPrediction(), (*Words().event_types, *own))


def group_rules(thresholds: Mapping[str, float]) -> list[Rule]:
    """The ready-made groups."""
    words = Words(TRAIT_FIELDS)
    return [Rule(each.id, 1, parse_rule_json(each.rule, words)) for each in groups(thresholds)]


@dataclass(frozen=True, slots=True)
class Live:
    """`rules` of all that memberships are kept of, each behind those that it names; `set_aside`: which, and why."""

    rules: list[Rule]
    set_aside: Mapping[str, str]


def live_rules(settings: Settings, ledger: LedgerPool) -> Live:
    """The ready-made groups, and what people defined; who is in a segment that is set aside stays in it."""
    found, by_hand = defined(ledger, words_of(settings)), users_by_hand(ledger)
    stored: list[Rule] = []
    for unit in found.units.values():
        if isinstance(unit, Segment):
            stored.append(_stored_rule(ledger, unit, found))
        else:
            stored += class_rules(unit, found.rules, by_hand, set_aside=found.set_aside)
    return Live([*group_rules(settings.groups), *stored], found.set_aside)


def _stored_rule(ledger: LedgerPool, segment: Segment, found: Defined) -> Rule:
    if segment.id in found.set_aside:
        return as_it_stood(segment.id, segment.version)
    if segment.kind == "static":
        return Rule(segment.id, segment.version, "SELECT person FROM listed", members_of(ledger, segment.id))
    return Rule(segment.id, segment.version, found.rules[segment.id])


def members_of(ledger: LedgerPool, segment_id: str) -> list[str]:
    """The user_ids of a static segment."""
    with connection_of(ledger) as connection:
        rows = rows_of(connection, "SELECT user_id FROM segment_members WHERE segment_id = :id", id=segment_id)
    return [user for (user,) in rows]


def watched_segments(ledger: LedgerPool) -> frozenset[str]:
    """The segments and classes that marketers defined, when somebody wants to be told who enters or leaves."""
    wanted = {event for each in list_webhooks(ledger) if each.enabled for event in each.events}
    if not wanted & set(_EVENTS.values()):
        return frozenset()
    return frozenset(each.id for each in live_segments(ledger)) | uses_of_classes(ledger).keys()


def announce_moves(
    ledger: LedgerPool, segment: str, change: str, user_ids: Sequence[str], *, now: float, real_now: float
) -> None:
    """Put messages of at most MOST_TOLD users each into the outbox; `now` is the shop's time, both epoch seconds."""
    at = datetime.fromtimestamp(now, UTC).isoformat()
    for start in range(0, len(user_ids), MOST_TOLD):
        announce(
            ledger,
            _EVENTS[change],
            {"segment_id": segment, "as_of": at, "user_ids": list(user_ids[start : start + MOST_TOLD])},
            message_id=f"{segment}-{change}-{round(now * 1e6)}-{start}",
            now=real_now,
        )
