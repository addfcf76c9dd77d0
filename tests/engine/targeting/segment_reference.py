"""The slow, obvious answer to a rule in its JSON form: plain loops over all events for every leaf."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from fractions import Fraction

COMPARE = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def is_in(rule, person, now):
    if "all" in rule:
        return all(is_in(each, person, now) for each in rule["all"])
    if "any" in rule:
        return any(is_in(each, person, now) for each in rule["any"])
    if "not" in rule:
        return not is_in(rule["not"], person, now)
    if "trait" in rule:
        return asked(person.traits.get(rule["trait"]), rule["op"], rule.get("value"))
    if "prediction" in rule:
        return asked(person.predictions.get(rule["prediction"]), rule["op"], rule.get("value"))
    if "segment" in rule:
        return rule["segment"] in person.memberships
    if "bucket" in rule:
        text = rule["bucket"]["salt"] + ":" + person.user_id
        number = int.from_bytes(hashlib.md5(text.encode()).digest()[:8], "little") // 16
        return Fraction(rule["bucket"]["from"]) <= Fraction(number, 2**60) < Fraction(rule["bucket"]["to"])
    if "sequence" in rule:
        return sequence(rule["sequence"], person, now)
    return event(rule["event"], person, now)


def kind(value):
    for name, types in (("flag", bool), ("number", (int, float)), ("text", str), ("time", datetime)):
        if isinstance(value, types):
            return name
    return "list" if isinstance(value, list | tuple) else "other"


def small(text):
    return "".join(each.lower()[0] for each in text)


def asked(value, op, wanted):
    if op == "is null":
        return value is None
    if value is None:
        return False
    if op == "in":
        return any(kind(value) == kind(each) and value == each for each in wanted)
    if op == "has":
        return kind(value) == "list" and wanted in value
    if op == "contains":
        return kind(value) == "text" and small(wanted) in small(value)
    if kind(value) == "time":
        wanted = datetime.fromisoformat(wanted)
    return kind(value) == kind(wanted) and COMPARE[op](value, wanted)


def field(happening, name):
    if name.startswith("properties."):
        return inside(happening.properties, name[len("properties.") :])
    if name in ("item_id", "category", "brand", "tags", "price"):
        return getattr(happening.item, name) if happening.item else None
    return getattr(happening, name)


def inside(found, path):
    if not isinstance(found, dict):
        return None
    if path in found or "." not in path:
        return found.get(path)
    key, rest = path.split(".", 1)
    return inside(found.get(key), rest)


def where(term, happening):
    if term is None:
        return True
    if "all" in term:
        return all(where(each, happening) for each in term["all"])
    if "any" in term:
        return any(where(each, happening) for each in term["any"])
    if "not" in term:
        return not where(term["not"], happening)
    value, op, wanted = field(happening, term["field"]), term["op"], term.get("value")
    if term["field"] == "category" and value is not None and op != "is null":
        if op == "!=":
            return wanted not in value
        return any(level in (wanted if op == "in" else [wanted]) for level in value)
    return asked(value, op, wanted)


def length(text):
    found = re.fullmatch(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", text)
    weeks, days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def in_span(time, given, now):
    if time > now:
        return False
    if "within" in given and not now - length(given["within"]) < time:
        return False
    if "since" in given and time < datetime.fromisoformat(given["since"]):
        return False
    return not ("until" in given and time >= datetime.fromisoformat(given["until"]))


def such(given, person, now):
    return [
        each
        for each in person.happenings
        if each.type == given["type"] and in_span(each.time, given, now) and where(given.get("where"), each)
    ]


def sequence(given, person, now):
    for did in such(given["did"], person, now):
        end = did.time + length(given["within"]) if "within" in given else now
        followed = any(did.time < each.time <= end for each in such(given["then"], person, now))
        if not given["absent"] and followed:
            return True
        if given["absent"] and not followed and end <= now:
            return True
    return False


def event(given, person, now):
    if given.get("first"):
        ever = [each.time for each in such({"type": given["type"], "where": given.get("where")}, person, now)]
        return bool(ever) and in_span(min(ever), given, now)
    found = such(given, person, now)
    measure, op, wanted = given["measure"], given["op"], given["value"]
    if measure == "count":
        return COMPARE[op](len(found), wanted)
    if measure == "days_since":
        return bool(found) and COMPARE[op](now - max(each.time for each in found), timedelta(days=wanted))
    values = [(each.time, field(each, given["of"])) for each in found]
    values = [(time, value) for time, value in values if value is not None]
    if measure == "distinct":
        return COMPARE[op](len({(kind(value), value) for _, value in values if kind(value) in SCALARS}), wanted)
    if measure == "last":
        values = [each for each in values if kind(each[1]) == kind(wanted)]
        return bool(values) and COMPARE[op](sorted(values)[-1][1], wanted)
    numbers = [Fraction(value) for _, value in values if kind(value) == "number"]
    if measure == "sum":
        return COMPARE[op](sum(numbers), Fraction(wanted))
    if not numbers:
        return False
    value = {"min": min, "max": max, "avg": lambda them: sum(them) / len(them)}[measure](numbers)
    return COMPARE[op](value, Fraction(wanted))


SCALARS = ("flag", "number", "text")
