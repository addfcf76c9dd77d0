"""Rules over traits and memberships as SQL (the conditions on events follow)."""

from __future__ import annotations

import json
from datetime import datetime

from engine.expression import Comparison, Joined, Not
from engine.storage.lake_sql import name_quoted, quoted
from engine.targeting.segments import Member, Rule


def rule_sql(rule: Rule, now: datetime) -> str:
    return f"SELECT people.person FROM people LEFT JOIN traits USING (person) WHERE {_condition(rule)}"


def _condition(rule: Rule) -> str:
    if isinstance(rule, Joined):
        word = " AND " if rule.how == "all" else " OR "
        return "(" + word.join(map(_condition, rule.parts)) + ")"
    if isinstance(rule, Not):
        return f"NOT {_condition(rule.part)}"
    if isinstance(rule, Member):
        return f"(person IN (SELECT person FROM memberships WHERE segment = {quoted(rule.segment)}))"
    assert isinstance(rule, Comparison)
    name = name_quoted(rule.field)
    if rule.op == "is null":
        return f"({name} IS NULL)"
    if rule.op == "has":
        return f"coalesce(list_contains({name}, {quoted(rule.value)}), false)"
    if rule.op == "in":
        return f"coalesce({name} IN ({', '.join(map(_value, rule.value))}), false)"
    return f"coalesce({name} {rule.op} {_value(rule.value)}, false)"


def _value(value: object) -> str:
    return quoted(value) if isinstance(value, str) else json.dumps(value)
