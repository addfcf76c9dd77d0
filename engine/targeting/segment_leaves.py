"""Segment leaves: what every form of a rule checks of its leaves, in one place for JSON and text."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.events import LARGEST_AMOUNT
from engine.expression import (
    DEEPEST,
    MOST_TERMS,
    Asked,
    Comparison,
    Constant,
    Fields,
    Joined,
    Not,
    Tree,
    is_whole,
    kind_of,
    moment_of,
    nearest,
)
from engine.expression_kinds import checked, kind_of_field, refuser
from engine.targeting.segments import (
    EVENT_FIELDS,
    LONGEST,
    MEASURES,
    SHORTEST,
    VALUES,
    Events,
    First,
    Measured,
    Place,
    Predicted,
    Rule,
    Sequence,
    Share,
    Words,
    events_of,
    leaves_of,
)

TOO_LARGE = f"a rule has at most {MOST_TERMS} terms, {DEEPEST} deep; make segments of its parts"

_ISO = re.compile(r"P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?")
_SHORT = re.compile(r"(?:(\d{1,6})w)?(?:(\d{1,6})d)?(?:(\d{1,7})h)?(?:(\d{1,8})m)?(?:(\d{1,9})s)?", re.IGNORECASE)
_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_PLAIN = ("=", "!=", "<", "<=", ">", ">=")


def duration(text: Any, place: Place) -> timedelta:
    """A window from `P90D`, or in a rule's text from `90d`."""
    found = (_ISO if str(text)[:1] == "P" else _SHORT).fullmatch(text) if isinstance(text, str) else None
    if found is None or not any(found.groups()):
        if isinstance(text, str) and re.match(r"P\d+[YM]", text):
            place.refuse(f"{text!a}: years and months have no fixed length; write days, such as P90D")
        place.refuse(f"{text!a} is no duration; write P90D, PT12H or PT30M (in text 90d, 12h or 30m)")
    length = timedelta(**{unit: int(count) for unit, count in zip(_UNITS, found.groups(), strict=True) if count})
    if not SHORTEST <= length < LONGEST:
        told = f"a window is at least a minute and less than {LONGEST.days} days; leave it out to mean ever"
        place.refuse(f"{text!a}: {told}")
    return length


def written_duration(length: timedelta, *, short: bool = False) -> str:
    """The ISO-8601 form, or the short one of a rule's text."""
    hours, rest = divmod(length.seconds, 3600)
    day, *clock = (
        f"{count}{unit}" if count else ""
        for count, unit in ((length.days, "D"), (hours, "H"), (rest // 60, "M"), (rest % 60, "S"))
    )
    if short:
        return "".join((day, *clock)).lower()
    return f"P{day}" + ("T" + "".join(clock) if any(clock) else "")


def event_type(name: Any, words: Words, place: Place) -> str:
    if not isinstance(name, str) or name not in words.event_types:
        place.refuse(f"there is no event type {name!a}{nearest(str(name), words.event_types)}")
    return name


def whole_text(text: Any, place: Place) -> str:
    if not isinstance(text, str) or not text or not is_whole(text):
        place.refuse("must be a text that is not empty, without NUL or half of a surrogate pair")
    return text


def share(salt: Any, start: Any, end: Any, place: Place) -> Share:
    whole_text(salt, place)
    if not all(type(each) in (int, float) for each in (start, end)) or not 0 <= start < end <= 1:
        place.refuse("a share goes from one number to a greater one, both between 0 and 1")
    return Share(salt, float(start), float(end))


def predicted(term: Asked, predictions: Fields, place: Place) -> Predicted:
    found = _checked(term, predictions, place)
    return Predicted(found.field, found.op, found.value)


def measured(events: Events, measure: str, *, of: str | None, asked: Asked, place: Place) -> Measured:
    """The leaf, when the measure can be of that and be asked so."""
    check_of(measure, of, place)
    op, value = asked.op, asked.value
    if measure == "last" and isinstance(value, str | bool):
        if op not in ("=", "!=") or VALUES.get(str(of), "any") == "number":
            place.refuse(f"last of {of} needs a number, or = or != and a text")
        if isinstance(value, str) and not is_whole(value):
            place.refuse("a text holds NUL or half of a surrogate pair, which no text can carry")
        if isinstance(value, bool) and VALUES.get(str(of), "any") != "any":
            place.refuse(f"last of {of} needs a text in quotes")
        return Measured(events, "last", of, op, value)
    if measure == "last" and VALUES.get(str(of), "any") == "text":
        place.refuse(f"last of {of} needs a text in quotes")
    ops = _PLAIN[2:] if measure == "days_since" else _PLAIN
    if op not in ops:
        place.refuse(f"{measure} can be asked {', '.join(ops)}, not {op!a}")
    if type(value) not in (int, float) or not abs(value) <= LARGEST_AMOUNT:
        place.refuse(f"{measure} {op} needs a number, at most 10^15")
    if measure == "days_since" and not 0 <= value < LONGEST.days:
        place.refuse(f"days_since is asked for 0 to less than {LONGEST.days} days; ask count = 0 for never")
    return Measured(events, measure, of, op, value)  # type: ignore[arg-type]


def measure_named(name: Any, place: Place) -> str:
    if not isinstance(name, str) or name not in MEASURES:
        place.refuse(f"there is no measure {name!a}{nearest(str(name), MEASURES)}")
    return name


def first(events: Events, place: Place) -> First:
    if not events.span.within and not events.span.since and not events.span.until:
        place.refuse("the first such event lies in a window: add one, such as P30D (in text 30d)")
    return First(events)


def sequence(did: Events, then: Events, *, absent: bool, within: timedelta | None, place: Place) -> Sequence:
    if then.span.within or then.span.since or then.span.until:
        place.refuse("what comes then has no window of its own; give the time between both")
    return Sequence(did, then, absent, within)


def weighed(rule: Rule, place: Place) -> Rule:
    """The rule, unless it is too large or too deep to be read again from its JSON form."""
    terms = 0
    waiting: list[tuple[Tree[Any], int]] = [(rule, 1)]
    for leaf in leaves_of(rule):
        waiting += [(each.where, 1) for each in events_of(leaf) if each.where is not None]
    while waiting:
        part, depth = waiting.pop()
        terms += 1
        if depth > DEEPEST or terms > MOST_TERMS:
            place.refuse(TOO_LARGE)
        inner = part.parts if isinstance(part, Joined) else (part.part,) if isinstance(part, Not) else ()
        waiting.extend((each, depth + 1) for each in inner)
    return rule


def trait_term(term: Asked, fields: Fields, place: Place) -> Comparison:
    """A comparison with a trait, its times brought to UTC."""
    found = _checked(term, fields, place)
    if kind_of(found.right) != "time":
        return found
    return Comparison(found.left, found.op, Constant("time", written_time(moment(term.value, place))))


def event_term(term: Asked, place: Place) -> Comparison:
    """A comparison with a field of an event or its item."""
    found = _checked(term, EVENT_FIELDS, place)
    if term.op in ("<", "<=", ">", ">=") and isinstance(term.value, str):
        place.refuse(f"{term.field} {term.op} needs a number; texts have no order here")
    _check_property(term.field, place)
    return found


def _checked(term: Asked, fields: Fields, place: Place) -> Comparison:
    # In a text the place says which term it is.
    refuse = refuser(f"{place.field}: {term.field!a}", field=place.field) if place.position is None else place.refuse
    found = checked(term, fields, refuse)
    if found.op == "in" and kind_of(found.left) == "texts":
        refuse("can be asked has and is null, not in; join several with or")
    return found


def _check_property(name: str, place: Place) -> None:
    if name.startswith("properties.") and (re.search(r'["\\*]', name) or "" in name.split(".")):
        place.refuse(f'{name!a} cannot be asked: between dots stand names without ", \\ and *')


def check_of(measure: str, of: str | None, place: Place) -> None:
    """Refuses what a measure cannot be of."""
    kinds = MEASURES[measure]
    if not kinds:
        if of is not None:
            place.refuse(f"{measure} is of the event itself; leave {of!a} out")
        return
    fitting = [name for name, kind in VALUES.items() if kind in kinds]
    if of is None or kind_of_field(of, VALUES) not in kinds:
        place.refuse(f"{measure} must be of one of {', '.join(fitting)}, not {of!a}")
    _check_property(of, place)


def moment(text: Any, place: Place) -> datetime:
    """A time in UTC."""
    found = moment_of(text)
    with suppress(OverflowError):
        if found is not None:
            return found.astimezone(UTC)
    return place.refuse('needs a time with its zone, such as "2026-01-31T12:00:00Z"')


def written_time(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
